"""Checkout Sessions: what the API and the payer do with them, and their end."""

from typing import Any
from urllib.parse import urlsplit

from local.stripe import blanks, intents, line_items
from local.stripe.account import Account, new_id, only
from local.stripe.cards import Card, Decline
from local.stripe.errors import invalid, missing, unsupported
from local.stripe.store import Record

SHORTEST, LONGEST = 30 * 60, 24 * 60 * 60
"""Bounds of `expires_at`, in seconds of product time from the creation."""

_PARAMS = {
    "allowed_payment_method_types", "cancel_url", "client_reference_id",
    "customer_email", "expires_at", "line_items",
    "locale", "metadata", "mode", "payment_intent_data",
    "submit_type", "success_url", "ui_mode",
}  # fmt: skip
_AS_ASKED = (
    "cancel_url", "client_reference_id", "customer_email", "locale", "submit_type",
    "success_url",
)  # fmt: skip
_INTENT_PARAMS = {
    "capture_method", "description", "metadata", "receipt_email",
    "statement_descriptor", "statement_descriptor_suffix", "transfer_group",
}  # fmt: skip


def retrieve(account: Account, params: dict[str, Any], key: str) -> dict[str, Any]:
    only(params, ())
    return account.get("checkout.session", key, "session").body


def list_(account: Account, params: dict[str, Any]) -> dict[str, Any]:
    page = account.page("checkout.session", params, ("payment_intent", "status"))
    return page | {"url": "/v1/checkout/sessions"}


def create(account: Account, params: dict[str, Any]) -> dict[str, Any]:
    _check_supported(params)
    for name in ("success_url", "cancel_url"):
        _check_url(params, name)
    items = line_items.read(params)
    total, currency = line_items.total(items)
    session = Record(
        _session(account, params, total, currency),
        hidden={
            "line_items": items,
            "payment_intent_data": params.get("payment_intent_data", {}),
        },
    )
    session.due_at = session.body["expires_at"]
    account.store.put(session)
    return session.body


def expire(account: Account, params: dict[str, Any], key: str) -> dict[str, Any]:
    only(params, ())
    session = account.get("checkout.session", key, "session")
    if session.body["status"] != "open":
        raise invalid(
            "Only an open Checkout Session can be expired; the status of this one is"
            f" {session.body['status']}."
        )
    close(account, session)
    return session.body


def close(account: Account, session: Record) -> None:
    """End an open session unpaid, by request or because its time is over."""
    session.body |= {"status": "expired", "url": None}
    session.due_at = None
    account.store.put(session)
    if session.body["payment_intent"] is not None:
        intents.cancel_intent(account, session.body["payment_intent"])
    account.emit("checkout.session.expired", session.body)


def pay(account: Account, session: Record, card: Card) -> Decline | None:
    """Charge the card, or let its issuer ask for authentication first.

    Returns why it was declined. The session must be open; it is complete afterwards,
    stays open after a decline, and waits when `waiting_for_authentication` says so.
    """
    intent = _intent_of(account, session)
    if card.behaviour.authenticate:
        intents.ask_for_authentication(account, intent, card, session.body["url"])
        return None
    return _charge(account, session, intent, card)


def authenticate(account: Account, session: Record, *, granted: bool) -> Decline | None:
    """What the payer told the issuer. Only when `waiting_for_authentication`."""
    intent = _intent_of(account, session)
    card = intents.card_to_authenticate(intent)
    assert card is not None
    if not granted:
        return intents.refuse_authentication(account, intent)
    return _charge(account, session, intent, card)


def waiting_for_authentication(account: Account, session: Record) -> bool:
    key = session.body["payment_intent"]
    if session.body["status"] != "open" or key is None:
        return False
    intent = account.get("payment_intent", key, "intent")
    return intents.card_to_authenticate(intent) is not None


def _charge(
    account: Account, session: Record, intent: Record, card: Card
) -> Decline | None:
    decline = intents.charge(account, intent, card)
    if decline is None:
        session.body |= {"status": "complete", "payment_status": "paid", "url": None}
        session.due_at = None
        account.store.put(session)
        account.emit("checkout.session.completed", session.body)
    return decline


def _intent_of(account: Account, session: Record) -> Record:
    """Stripe opens the intent with the first attempt and reuses it for the next."""
    if session.body["payment_intent"] is not None:
        return account.get("payment_intent", session.body["payment_intent"], "intent")
    intent = intents.open_intent(
        account,
        session.body["amount_total"],
        session.body["currency"],
        session.hidden["payment_intent_data"],
    )
    session.body["payment_intent"] = intent.body["id"]
    account.store.put(session)
    return intent


def _check_supported(params: dict[str, Any]) -> None:
    only(params, _PARAMS)
    if params.get("mode", "payment") != "payment":
        raise unsupported(f"mode {params['mode']}")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise unsupported(f"ui_mode {params['ui_mode']}")
    if params.get("allowed_payment_method_types", ["card"]) != ["card"]:
        raise unsupported("other payment methods than cards")
    data = params.get("payment_intent_data", {})
    only(data, _INTENT_PARAMS, "payment_intent_data.")
    if data.get("capture_method") == "manual":
        raise unsupported("capturing later")
    if "mode" not in params:
        raise missing("mode")


def _check_url(params: dict[str, Any], name: str) -> None:
    if name not in params:
        if name == "success_url":
            raise missing(name)
        return
    try:
        url = urlsplit(params[name])
        usable = url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise invalid("Not a valid URL", param=name, code="url_invalid")


def _expiry(account: Account, params: dict[str, Any]) -> int:
    now = account.now()
    at: int = params.get("expires_at", now + LONGEST)
    if not now + SHORTEST <= at <= now + LONGEST:
        raise invalid(
            "expires_at must be between 30 minutes and 24 hours from now.",
            param="expires_at",
        )
    return at


def _session(
    account: Account, params: dict[str, Any], total: int, currency: str
) -> dict[str, Any]:
    key = new_id("cs_test")
    email = params.get("customer_email")
    details = blanks.CUSTOMER_DETAILS | {"email": email} if email else None
    return (
        blanks.SESSION
        | {name: params.get(name) for name in _AS_ASKED}
        | {
            "id": key,
            "amount_subtotal": total,
            "amount_total": total,
            "created": account.now(),
            "currency": currency,
            "customer_details": details,
            "expires_at": _expiry(account, params),
            "metadata": params.get("metadata") or {},
            "url": f"{account.public_url}/c/pay/{key}",
        }
    )
