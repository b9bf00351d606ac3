"""The refusals we expect. Anything else that is raised is a bug or an outage."""

from typing import Any, ClassVar

TYPE_BASE = "https://errors.scrimline.example/"


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A refusal we expect and can explain to the caller, as RFC 9457 problem details.

    A subclass fixes `status`, `slug` and `title`; `detail` and `extra` say what
    happened this time. `retry_after` (seconds) becomes the header of that name.
    """

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, detail: str, *, retry_after: int | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = extra

    def body(self, instance: str) -> dict[str, Any]:
        """The JSON members of RFC 9457; `instance` is the path that was asked for.

        What `extra` says goes beside them and never in their place.
        """
        return {
            **self.extra,
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "slug": self.slug,
        }


class BadRequest(Problem):
    """The request cannot be read at all: its JSON, encoding or framing is broken."""

    status = 400
    slug = "bad-request"
    title = "The request cannot be read"


class Unauthorized(Problem):
    """Nobody is signed in, or the token is not valid (any more)."""

    status = 401
    slug = "unauthorized"
    title = "Sign in first"


class Forbidden(Problem):
    """We know who the caller is; they may not do this."""

    status = 403
    slug = "forbidden"
    title = "Not allowed"


class NotFound(Problem):
    """The thing does not exist, or the caller may not know that it does."""

    status = 404
    slug = "not-found"
    title = "Not found"


class Conflict(Problem):
    """The request is well formed but clashes with the present state."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class PreconditionFailed(Problem):
    """`If-Match` names another state than the stored one (RFC 9110, 13.1.1)."""

    status = 412
    slug = "precondition-failed"
    title = "It has changed since you read it"


class InvalidRequest(Problem):
    """The request itself is malformed; `errors` names the fields.

    `errors` is a list of `{"field": "body.x", "message": "..."}`.
    """

    status = 422
    slug = "invalid-request"
    title = "The request is not valid"


class TooManyRequests(Problem):
    """The caller goes too fast; `retry_after` says when to come back."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


class Unavailable(Problem):
    """Something we need does not answer; nothing was changed, try again."""

    status = 503
    slug = "unavailable"
    title = "Temporarily unavailable"


class Outage(Exception):  # noqa: N818 - it names a state of the world, not a mistake
    """Something outside this process is down: a vendor, a host, a server.

    Raised by `clients.py` so that retries go on without limit, whereas a handler's
    own error ends in the dead-letter queue.
    """
