"""The only file that knows Stripe's SDK."""

import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import aiohttp
import stripe
import structlog

from services.payments.domain import (
    AttemptDeclined,
    BadSignature,
    Checkout,
    CheckoutExpired,
    KeySpent,
    MoneyArrived,
    News,
    Order,
    RefundMoved,
    RefundOrder,
    RefundStatus,
    Refused,
)
from shared.errors import Outage

log = structlog.get_logger()

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds for one call, connecting included."""

OLDEST = 300
YOUNGEST = 30
"""Seconds, real time, that a signature may be old or ahead of our clock."""

LONGEST_REASON = 500

REFUND_STATES = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
"""Any other state of a refund (`pending`, `requires_action`) is still under way."""


@dataclass(frozen=True)
class Notice:
    """One verified webhook; `news` is None when it says nothing that we act on."""

    event_id: str
    type: str
    news: News | None


class Stripe:
    """Stripe, for one account. Use it as a context: at its end connections close.

    A call raises Outage when its outcome is not known: repeat it with the same attempt
    number, which is its idempotency key. A refusal is a value.
    """

    def __init__(
        self,
        api_key: str,
        webhook_secret: str,
        api_base: str,
        success_url: str,
        cancel_url: str,
    ) -> None:
        self._http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(TIMEOUT))
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base},
            http_client=self._http,
            max_network_retries=0,
        )
        self._webhook_secret = webhook_secret
        self._success_url = success_url
        self._cancel_url = cancel_url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def open_checkout(self, order: Order) -> Checkout | Refused | KeySpent:
        """Open a page to pay on; the same payment and attempt give the same page."""
        key = f"payment-{order.payment_id}-{order.attempt}"
        answer = await _outcome(
            self._client.v1.checkout.sessions.create_async(
                self._page_for(order), {"idempotency_key": key}
            )
        )
        if isinstance(answer, Refused | KeySpent):
            return answer
        if answer.url is None:
            return KeySpent(f"the page is {answer.status} already")
        return Checkout(answer.id, answer.url)

    def _page_for(self, order: Order) -> stripe.params.checkout.SessionCreateParams:
        kind, thing = ("seat", order.seat_id)
        if thing is None:
            kind, thing = ("series", order.series_id)
        metadata = {
            "payment_id": str(order.payment_id),
            f"{kind}_id": str(thing),
            "attempt": str(order.attempt),
        }
        page: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": line.price,
                        "product_data": {"name": line.description},
                    },
                }
                for line in order.lines
            ],
            "client_reference_id": str(order.payment_id),
            "metadata": metadata,
            "payment_intent_data": {
                "metadata": metadata,
                "transfer_group": f"{kind}-{thing}",
            },
            "expires_at": int(order.expires_at.timestamp()),
            "success_url": self._success_url,
            "cancel_url": self._cancel_url,
        }
        if order.customer_email is not None:
            page["customer_email"] = order.customer_email
        return page

    async def close_checkout(self, checkout_id: str) -> None:
        """See to it that the page cannot be paid any more; it may be paid already."""
        answer = await _outcome(
            self._client.v1.checkout.sessions.expire_async(checkout_id)
        )
        if isinstance(answer, Refused):
            # Stripe expires open pages only: this one is paid or expired already.
            log.info("checkout.not_open", checkout=checkout_id, reason=answer.reason)

    async def refund(self, order: RefundOrder) -> RefundMoved | Refused | KeySpent:
        """Give money back; the same refund and attempt move it once."""
        answer = await _outcome(
            self._client.v1.refunds.create_async(
                {
                    "payment_intent": order.intent_id,
                    "amount": order.amount,
                    "metadata": {
                        "refund_id": str(order.refund_id),
                        "payment_id": str(order.payment_id),
                        "attempt": str(order.attempt),
                    },
                },
                {"idempotency_key": f"refund-{order.refund_id}-{order.attempt}"},
            )
        )
        if isinstance(answer, Refused | KeySpent):
            return answer
        moved = _refund_moved(answer.to_dict())
        return moved or Refused("Stripe answered with another refund")

    async def find_refund(self, order: RefundOrder) -> RefundMoved | None:
        """The refund that this very attempt made, if it made one."""
        listed = await _outcome(
            self._client.v1.refunds.list_async(
                {"payment_intent": order.intent_id, "limit": 100}
            )
        )
        if isinstance(listed, Refused | KeySpent):
            return None
        for each in listed.data:
            moved = _refund_moved(each.to_dict())
            if moved and (moved.refund_id, moved.attempt) == (
                order.refund_id,
                order.attempt,
            ):
                return moved
        return None

    def read_webhook(self, body: bytes, signature: str | None) -> Notice:
        """Raises BadSignature unless Stripe signed exactly these bytes, just now.

        The SDK takes a signature that is dated ahead; such a one could be kept and used
        later, so it is refused here.
        """
        try:
            event = self._client.construct_event(
                body, signature, self._webhook_secret, OLDEST
            )
        except (ValueError, TypeError, stripe.SignatureVerificationError) as error:
            # TypeError: the SDK compares a signature that is not ASCII
            raise BadSignature("Check the endpoint's signing secret.") from error
        if _signed_at(signature or "") > time.time() + YOUNGEST:
            raise BadSignature("The signature is dated in the future.")
        thing = event.data.to_dict()["object"]
        return Notice(event.id, event.type, _news(event.type, thing))


async def _outcome(call: Awaitable[T]) -> T | Refused | KeySpent:
    """What came of a call; raises Outage if that cannot be told."""
    try:
        return await call
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        reason = _short(error.user_message or str(error))
        # A page that was asked for long ago may live too shortly by now: ask anew.
        return KeySpent(reason) if error.param == "expires_at" else Refused(reason)
    except stripe.IdempotencyError as error:
        return KeySpent(_short(error.user_message or str(error)))
    except stripe.StripeError as error:
        if _is_saved_answer(error):
            return KeySpent(_short(str(error)))
        raise Outage(f"Stripe: {error}") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Outage(f"Stripe does not answer: {error!r}") from error


def _is_saved_answer(error: stripe.StripeError) -> bool:
    """Stripe keeps also a 500 under its key and would repeat it for a day."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _short(reason: str) -> str:
    return reason[:LONGEST_REASON]


def _signed_at(signature: str) -> int:
    """The first `t` of the header, the one that the SDK checks."""
    parts = [part.split("=") for part in signature.split(",")]
    return next(int(part[1]) for part in parts if part[0] == "t")


def _news(kind: str, thing: Mapping[str, Any]) -> News | None:
    if kind.startswith("refund."):
        return _refund_moved(thing)
    metadata = thing.get("metadata") or {}
    payment_id = _uuid(metadata.get("payment_id"))
    if payment_id is None:
        return None
    match kind:
        case "checkout.session.completed" if thing.get("payment_status") == "paid":
            return _arrived(
                payment_id, thing["payment_intent"], thing["amount_total"], thing
            )
        case "payment_intent.succeeded":
            return _arrived(payment_id, thing["id"], thing["amount_received"], thing)
        case "payment_intent.payment_failed":
            failure = thing.get("last_payment_error") or {}
            reason = failure.get("message") or failure.get("code") or "declined"
            return AttemptDeclined(payment_id, _short(reason))
        case "checkout.session.expired":
            return CheckoutExpired(payment_id, _attempt(metadata))
    return None


def _arrived(
    payment_id: UUID, intent_id: str, amount: int, thing: Mapping[str, Any]
) -> MoneyArrived:
    return MoneyArrived(payment_id, intent_id, amount, thing["currency"].upper())


def _refund_moved(refund: Mapping[str, Any]) -> RefundMoved | None:
    """None for a refund that was not made by us, but in Stripe's dashboard."""
    metadata = refund.get("metadata") or {}
    refund_id = _uuid(metadata.get("refund_id"))
    if refund_id is None:
        return None
    return RefundMoved(
        refund_id,
        _attempt(metadata),
        refund["id"],
        REFUND_STATES.get(refund["status"], RefundStatus.PENDING),
        refund.get("failure_reason"),
    )


def _attempt(metadata: Mapping[str, str]) -> int:
    text = metadata.get("attempt", "")
    return int(text) if text.isdecimal() else 0


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, TypeError):
        return None
