"""PaymentIntents and charges: one intent per Checkout, one charge per attempt."""

import secrets
from typing import Any

from local.stripe import blanks
from local.stripe.account import Account, new_id, only
from local.stripe.cards import Card, Decline
from local.stripe.store import Record

_FROM_CHECKOUT = (
    "description",
    "receipt_email",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_FROM_INTENT = ("amount", "currency", "metadata", *_FROM_CHECKOUT)


def retrieve_intent(
    account: Account, params: dict[str, Any], key: str
) -> dict[str, Any]:
    only(params, ())
    return account.get("payment_intent", key, "intent").body


def retrieve_charge(
    account: Account, params: dict[str, Any], key: str
) -> dict[str, Any]:
    only(params, ())
    return account.get("charge", key, "charge").body


def open_intent(
    account: Account, amount: int, currency: str, data: dict[str, Any]
) -> Record:
    """Start to collect the amount; `data` is Checkout's `payment_intent_data`."""
    key = new_id("pi")
    intent = Record(
        blanks.INTENT
        | {name: data.get(name) for name in _FROM_CHECKOUT}
        | {
            "id": key,
            "amount": amount,
            "capture_method": data.get("capture_method", "automatic_async"),
            "client_secret": f"{key}_secret_{secrets.token_hex(12)}",
            "created": account.now(),
            "currency": currency,
            "metadata": data.get("metadata") or {},
        }
    )
    account.store.put(intent)
    account.emit("payment_intent.created", intent.body)
    return intent


def ask_for_authentication(
    account: Account, intent: Record, card: Card, url: str
) -> None:
    """The issuer wants 3D Secure: nothing is charged before the payer confirms."""
    intent.hidden["card"] = [card.number, card.exp_month, card.exp_year]
    intent.body |= {
        "status": "requires_action",
        "payment_method": new_id("pm"),
        "next_action": {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": url, "return_url": url},
        },
    }
    account.store.put(intent)
    account.emit("payment_intent.requires_action", intent.body)


def card_to_authenticate(intent: Record) -> Card | None:
    """The card whose issuer waits for the payer, if any."""
    if intent.body["status"] != "requires_action":
        return None
    number, month, year = intent.hidden["card"]
    return Card(number, month, year)


def refuse_authentication(account: Account, intent: Record) -> Decline:
    decline = Decline(
        "We could not authenticate your card. Use another one or try again.",
        "payment_intent_authentication_failure",
    )
    _fail(account, intent, decline, charge=None)
    return decline


def charge(account: Account, intent: Record, card: Card) -> Decline | None:
    """Try to collect; returns why the issuer refused, or None when the money is in."""
    decline = card.behaviour.decline
    method = new_id("pm")
    attempt = Record(
        _charge(account, intent.body, card, decline, method),
        hidden={"refunds": card.behaviour.refunds.name},
    )
    account.store.put(attempt)
    intent.body |= {"latest_charge": attempt.body["id"], "next_action": None}
    if decline is not None:
        account.emit("charge.failed", attempt.body)
        _fail(account, intent, decline, attempt.body["id"])
        return decline
    intent.body |= {
        "status": "succeeded",
        "amount_received": intent.body["amount"],
        "last_payment_error": None,
        "payment_method": method,
    }
    account.store.put(intent)
    account.emit("charge.succeeded", attempt.body)
    account.emit("payment_intent.succeeded", intent.body)
    return None


def cancel_intent(account: Account, key: str) -> None:
    """What Stripe does to the intent of a Checkout that ends unpaid."""
    intent = account.get("payment_intent", key, "intent")
    intent.body |= {
        "status": "canceled",
        "canceled_at": account.now(),
        "cancellation_reason": "expired",
        "next_action": None,
    }
    account.store.put(intent)
    account.emit("payment_intent.canceled", intent.body)


def _fail(
    account: Account, intent: Record, decline: Decline, charge: str | None
) -> None:
    intent.body |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": {
            "type": "card_error" if charge else "invalid_request_error",
            "code": decline.code,
            "message": decline.message,
            **({"charge": charge} if charge else {}),
            **({"decline_code": decline.decline_code} if decline.decline_code else {}),
        },
    }
    account.store.put(intent)
    account.emit("payment_intent.payment_failed", intent.body)


def _charge(
    account: Account,
    intent: dict[str, Any],
    card: Card,
    decline: Decline | None,
    method: str,
) -> dict[str, Any]:
    return (
        blanks.CHARGE
        | {name: intent[name] for name in _FROM_INTENT}
        | {
            "id": new_id("ch"),
            "amount_captured": 0 if decline else intent["amount"],
            "billing_details": blanks.BILLING_DETAILS
            | {"email": intent["receipt_email"]},
            "captured": decline is None,
            "created": account.now(),
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "outcome": _outcome(decline),
            "paid": decline is None,
            "payment_intent": intent["id"],
            "payment_method": method,
            "payment_method_details": {"type": "card", "card": _card_details(card)},
            "status": "failed" if decline else "succeeded",
        }
    )


def _outcome(decline: Decline | None) -> dict[str, Any]:
    return {
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "seller_message": "The bank declined it." if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _card_details(card: Card) -> dict[str, Any]:
    return blanks.CARD_DETAILS | {
        "brand": card.behaviour.brand,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "last4": card.last4,
        "network": card.behaviour.brand,
    }
