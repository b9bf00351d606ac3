from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments.actions import checkout, payments, webhooks
from services.payments.clients import Stripe
from services.payments.domain import (
    AlreadyPaid,
    BadSignature,
    HoldExpired,
    NoPayment,
    NotPayableYet,
    PartOfSeries,
    PaymentUnknown,
    Status,
    seen_at,
)
from services.payments.models import Payable, Payment, Refund, Share
from services.payments.schemas import (
    PaidSeat,
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
    summary="Pay for a held seat or series",
    responses={
        200: {"model": PaymentView, "description": "It was open already."},
        **problems(
            BadRequest,
            Unauthorized,
            Forbidden,
            NoPayment,
            NotPayableYet,
            PartOfSeries,
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
    """Open Stripe's page for the caller's seat in a session, or for a whole series.

    A series is paid at once: one page over the sum of all its seats. Asking again
    gives the same page while it is open (200). A seat that was just held may take a
    moment to be known here: this waits up to two seconds for it. A payment that Stripe
    refused to begin is answered as `failed`, with the reason.
    """
    body.require_one()
    # Committed in steps: repeating finds the open payment, so no answer is kept.
    async with sessions.begin() as session:
        await idempotency.claim(session, request, caller)
    wanted = checkout.Wanted(caller.id, body.session_id, body.series_id)
    payment, new = await checkout.pay(sessions, stripe, clock, wanted)
    response.headers["Location"] = f"/v1/payments/{payment.id}"
    response.status_code = 201 if new else 200
    async with sessions() as session:
        [view] = await _views(session, [payment], clock.now())
    return view


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
    views = {view.id: view for view in await _views(session, found, clock.now())}
    return page.page(
        found,
        key=lambda payment: [payment.id],
        view=lambda payment: views[payment.id],
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
    [view] = await _views(session, [payment], clock.now())
    return view


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


async def _views(
    session: AsyncSession, found: Sequence[Payment], now: datetime
) -> list[PaymentView]:
    """Two queries, however many there are."""
    shares = await payments.shares_of(session, found)
    refunds = await payments.refunds_of(session, found)
    return [
        _view(payment, _subject(payment, shares[payment.id]), refunds[payment.id], now)
        for payment in found
    ]


def _subject(payment: Payment, shares: Sequence[tuple[Share, Payable]]) -> Subject:
    return Subject(
        session_id=shares[0][1].session_id if payment.seat_id else None,
        seat_id=payment.seat_id,
        series_id=payment.series_id,
        seats=[
            PaidSeat(
                seat_id=seat.seat_id,
                session_id=seat.session_id,
                amount=Money(amount=share.amount, currency=payment.currency),
            )
            for share, seat in shares
        ],
    )


def _view(
    payment: Payment, subject: Subject, refunds: Sequence[Refund], now: datetime
) -> PaymentView:
    status = seen_at(payment.status, payment.expires_at, now)
    return PaymentView(
        id=payment.id,
        subject=subject,
        status=status,
        amount=Money(amount=payment.amount, currency=payment.currency),
        checkout_url=payment.checkout_url if status is Status.PENDING else None,
        expires_at=payment.expires_at,
        last_error=payment.last_error,
        refunds=[
            RefundView(
                id=refund.id,
                seat_id=refund.seat_id,
                amount=Money(amount=refund.amount, currency=refund.currency),
                status=refund.status,
            )
            for refund in refunds
        ],
    )
