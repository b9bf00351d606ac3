"""`expand[]=a.b`: put the object in the place of its id, up to four levels deep."""

from typing import Any

from local.stripe.account import Account
from local.stripe.errors import StripeError, invalid

DEEPEST = 4

_KINDS = {
    "payment_intent": "payment_intent",
    "latest_charge": "charge",
    "charge": "charge",
}


def expand(
    account: Account, body: dict[str, Any], paths: list[str] | None
) -> dict[str, Any]:
    """A copy of the answer with the fields expanded. Raises StripeError (400)."""
    for path in paths or []:
        steps = path.split(".")
        if body["object"] == "list" and steps[0] == "data" and len(steps) > 1:
            shown = [_expanded(account, each, steps[1:], path) for each in body["data"]]
            body = body | {"data": shown}
        else:
            body = _expanded(account, body, steps, path)
    return body


def _expanded(
    account: Account, body: dict[str, Any], steps: list[str], path: str
) -> dict[str, Any]:
    if len(steps) > DEEPEST:
        raise invalid(f"Expand no more than {DEEPEST} levels: {path}.", param="expand")
    name, rest = steps[0], steps[1:]
    if name == "line_items" and body["object"] == "checkout.session" and not rest:
        return body | {"line_items": _line_items(account, body["id"])}
    if name not in _KINDS or name not in body:
        raise _not_expandable(path)
    value = body[name]
    if isinstance(value, str):
        value = account.get(_KINDS[name], value, "expand").body
    if rest and value is not None:
        value = _expanded(account, value, rest, path)
    return body | {name: value}


def _line_items(account: Account, key: str) -> dict[str, Any]:
    session = account.get("checkout.session", key, "session")
    return {
        "object": "list",
        "data": session.hidden["line_items"],
        "has_more": False,
        "url": f"/v1/checkout/sessions/{key}/line_items",
    }


def _not_expandable(path: str) -> StripeError:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")
