"""How Stripe refuses: a status and `{"error": {"type", "code", "param", ...}}`."""

from typing import Any


class StripeError(Exception):
    """A refusal in Stripe's own format, see docs.stripe.com/api/errors.

    `fields` are further members of the error, such as `code` and `param`; those that
    are None are left out, as Stripe does.
    """

    def __init__(self, status: int, kind: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message} | {
            name: value for name, value in fields.items() if value is not None
        }

    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None
) -> StripeError:
    return StripeError(400, "invalid_request_error", message, param=param, code=code)


def missing(param: str) -> StripeError:
    return invalid(
        f"Missing required param: {param}.", param=param, code="parameter_missing"
    )


def unknown_object(kind: str, key: str, param: str) -> StripeError:
    return StripeError(
        404,
        "invalid_request_error",
        f"No such {kind}: '{key}'",
        param=param,
        code="resource_missing",
    )


def unsupported(what: str) -> StripeError:
    """Stripe can do it and this double cannot."""
    return StripeError(501, "api_error", f"This test double does not support {what}.")
