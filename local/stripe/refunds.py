"""Refunds: never more than is left; some cards let them settle or fail later."""

from typing import Any

from local.stripe import blanks
from local.stripe.account import Account, new_id, only
from local.stripe.cards import RefundCourse
from local.stripe.errors import StripeError, invalid, missing
from local.stripe.store import Record

SETTLES_AFTER = 2
"""Seconds of product time until a refund that is not done at once comes to its end."""


def retrieve(account: Account, params: dict[str, Any], key: str) -> dict[str, Any]:
    only(params, ())
    return account.get("refund", key, "id").body


def list_(account: Account, params: dict[str, Any]) -> dict[str, Any]:
    page = account.page("refund", params, ("payment_intent", "charge"))
    return page | {"url": "/v1/refunds"}


def create(account: Account, params: dict[str, Any]) -> dict[str, Any]:
    only(params, {"payment_intent", "charge", "amount", "reason", "metadata"})
    charge = _charge_of(account, params)
    amount = _amount(charge.body, params.get("amount"))
    course = RefundCourse[charge.hidden["refunds"]]
    later = course is RefundCourse.LATER
    refund = Record(
        blanks.REFUND
        | {
            "id": new_id("re"),
            "amount": amount,
            "charge": charge.body["id"],
            "created": account.now(),
            "currency": charge.body["currency"],
            "metadata": params.get("metadata") or {},
            "payment_intent": charge.body["payment_intent"],
            "pending_reason": "processing" if later else None,
            "reason": params.get("reason"),
            "status": "pending" if later else "succeeded",
        }
    )
    if course is not RefundCourse.AT_ONCE:
        refund.due_at = account.now() + SETTLES_AFTER
    account.store.put(refund)
    _set_refunded(account, charge, charge.body["amount_refunded"] + amount)
    account.emit("refund.created", refund.body)
    account.emit("charge.refunded", charge.body)
    return refund.body


def settle(account: Account, refund: Record) -> None:
    """The end of a refund that was not done at once; a failed one frees its amount."""
    charge = account.get("charge", refund.body["charge"], "charge")
    fails = charge.hidden["refunds"] == RefundCourse.FAILS.name
    after = {
        "status": "failed" if fails else "succeeded",
        "failure_reason": "expired_or_canceled_card" if fails else None,
        "pending_reason": None,
    }
    before = {
        name: refund.body[name] for name in after if refund.body[name] != after[name]
    }
    refund.body |= after
    refund.due_at = None
    account.store.put(refund)
    if fails:
        left = charge.body["amount_refunded"] - refund.body["amount"]
        _set_refunded(account, charge, left)
        account.emit("refund.failed", refund.body)
    account.emit("refund.updated", refund.body, before)
    account.emit("charge.refund.updated", refund.body, before)


def _charge_of(account: Account, params: dict[str, Any]) -> Record:
    if "payment_intent" not in params:
        if "charge" not in params:
            raise missing("payment_intent")
        return account.get("charge", params["charge"], "charge")
    intent = account.get("payment_intent", params["payment_intent"], "payment_intent")
    if intent.body["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent.body['id']}) has no successful charge.",
            param="payment_intent",
        )
    if (
        params.get("charge", intent.body["latest_charge"])
        != intent.body["latest_charge"]
    ):
        raise invalid("The charge is not of this PaymentIntent.", param="charge")
    return account.get("charge", intent.body["latest_charge"], "payment_intent")


def _amount(charge: dict[str, Any], asked: int | None) -> int:
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["paid"]:
        raise invalid(f"Charge {charge['id']} did not succeed.", param="charge")
    if left == 0:
        raise _already_refunded(charge["id"])
    if asked is None:
        return left
    if asked < 1:
        raise invalid(
            "A refund is at least 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if asked > left:
        raise invalid(
            f"Refund amount ({asked}) is greater than the unrefunded amount ({left}).",
            param="amount",
        )
    return asked


def _already_refunded(charge: str) -> StripeError:
    return invalid(
        f"Charge {charge} has already been refunded.", code="charge_already_refunded"
    )


def _set_refunded(account: Account, charge: Record, amount: int) -> None:
    charge.body["amount_refunded"] = amount
    charge.body["refunded"] = amount == charge.body["amount_captured"]
    account.store.put(charge)
