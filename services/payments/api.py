from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from services.payments.actions import checkout, payments, webhooks
from services.payments.clients import Stripe
from services.payments.domain import (
    AlreadyPaid,
    BadSignature,
    HoldExpired,
    NoPayment,
    NotPayableYet,
    PaymentUnknown,
    Status,
    seen_at,
)
from services.payments.models import Payment, Refund
from services.payments.schemas import (
    PaymentRequest,
    PaymentView,
    Received,
    RefundView,
    Subject,
)
from shared import idempotency, inbox
from shared.auth import SignedIn, Student
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    Unauthorized,
    Unavailable,
)
from shared.inputs import Money
from shared.pages import Page, PageQuery
from shared.web import InjectedClock, InjectedSessions, Transaction, problems

router = idempotency.make_router(tags=["payments"])


async def _stripe(request: Request) -> Stripe:
    stripe: Stripe = request.app.state.stripe
    return stripe


RAW = {
    "parameters": [
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
"""How the webhook is described: its body is verified as bytes, before it is read."""

InjectedStripe = Annotated[Stripe, Depends(_stripe)]


@router.post(
    "/v1/payments",
    status_code=201,
    response_model=PaymentView,
    summary="Pay for a held seat",
    responses={
        200: {"model": PaymentView, "description": "It was open already."},
        **problems(
            BadRequest,
            Unauthorized,
            Forbidden,
            NoPayment,
            NotPayableYet,
            HoldExpired,
            AlreadyPaid,
            InvalidRequest,
            PaymentUnknown,
        ),
    },
)
async def start_payment(
    request: Request,
    response: Response,
    body: PaymentRequest,
    caller: Student,
    sessions: InjectedSessions,
    clock: InjectedClock,
    stripe: InjectedStripe,
) -> PaymentView:
    """Open Stripe's page for the caller's seat in a session.

    Asking again gives the same page while it is open (200). A seat that was just held
    may take a moment to be known here: this waits up to two seconds for it. A payment
    that Stripe refused to begin is answered as `failed`, with the reason.
    """
    # Committed in steps: repeating finds the open payment, so no answer is kept.
    async with sessions.begin() as session:
        await idempotency.claim(session, request, caller)
    payment, new = await checkout.pay(
        sessions, stripe, clock, caller.id, body.session_id
    )
    response.headers["Location"] = f"/v1/payments/{payment.id}"
    response.status_code = 201 if new else 200
    async with sessions() as session:
        refunds = (await payments.refunds_of(session, [payment]))[payment.id]
    return _view(payment, refunds, clock.now())


@router.get(
    "/v1/payments",
    summary="List payments",
    responses=problems(Unauthorized, InvalidRequest),
)
async def list_payments(
    caller: SignedIn, page: PageQuery, session: Transaction, clock: InjectedClock
) -> Page[PaymentView]:
    """The caller's payments, newest first; an admin sees everybody's."""
    found = await payments.newest_first(session, caller, page)
    refunds = await payments.refunds_of(session, found)
    now = clock.now()
    return page.page(
        found,
        key=lambda payment: [payment.id],
        view=lambda payment: _view(payment, refunds[payment.id], now),
    )


@router.get(
    "/v1/payments/{payment_id}",
    summary="Show a payment",
    responses=problems(Unauthorized, NoPayment, InvalidRequest),
)
async def show_payment(
    payment_id: UUID, caller: SignedIn, session: Transaction, clock: InjectedClock
) -> PaymentView:
    """One payment, for who pays it and for admins."""
    payment = await payments.find(session, payment_id, caller)
    refunds = (await payments.refunds_of(session, [payment]))[payment.id]
    return _view(payment, refunds, clock.now())


@router.post(
    "/payments/webhook/",
    status_code=200,
    response_model=Received,
    summary="Hear from Stripe",
    responses=problems(BadSignature, Unavailable),
    openapi_extra=RAW,
)
async def hear_stripe(
    request: Request,
    sessions: InjectedSessions,
    clock: InjectedClock,
    stripe: InjectedStripe,
) -> Received:
    """Store one event of Stripe and what follows from it, once per event id.

    200 means stored, also for one seen before and for types that do not concern us;
    anything else makes Stripe send it again (docs.stripe.com/webhooks).
    """
    signature = request.headers.get("Stripe-Signature")
    notice = stripe.read_webhook(await request.body(), signature)
    async with sessions.begin() as session:
        new = await inbox.claim(session, "payments.webhook", notice.event_id)
        if new and notice.news is not None:
            await webhooks.note(session, notice.news, clock.now())
    return Received(received=True)


def _view(payment: Payment, refunds: Sequence[Refund], now: datetime) -> PaymentView:
    status = seen_at(payment.status, payment.expires_at, now)
    return PaymentView(
        id=payment.id,
        subject=Subject(session_id=payment.session_id, seat_id=payment.seat_id),
        status=status,
        amount=Money(amount=payment.amount, currency=payment.currency),
        checkout_url=payment.checkout_url if status is Status.PENDING else None,
        expires_at=payment.expires_at,
        last_error=payment.last_error,
        refunds=[
            RefundView(
                id=refund.id,
                amount=Money(amount=refund.amount, currency=refund.currency),
                status=refund.status,
            )
            for refund in refunds
        ],
    )
