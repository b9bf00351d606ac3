"""The page at Stripe on which a seat is paid: opened once, closed when it is over.

A payment is committed as `unknown` before Stripe is asked, so that a lost answer or a
crash leaves a row from which the same call, with the same key, is repeated.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

import structlog
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments import domain
from services.payments.actions import leases, payments
from services.payments.clients import Stripe
from services.payments.domain import (
    AlreadyPaid,
    Checkout,
    HoldExpired,
    KeySpent,
    NoPayment,
    NotPayableYet,
    Order,
    PaymentUnknown,
    Refused,
    Status,
)
from services.payments.models import Closure, Payable, Payer, Payment
from shared.clock import Clock
from shared.db import Sessions, leave_work
from shared.errors import Outage
from shared.ids import new_id

log = structlog.get_logger()

EVENT_PATIENCE = 2.0
ANSWER_PATIENCE = 5.0
PAUSE = 0.05
"""Seconds: for booking's event, for another request's answer, between two looks."""

RETRY_AFTER = 2


@dataclass(frozen=True)
class Intent:
    """A payment to ask Stripe for; `ours` if it is on this request to do so."""

    payment: Payment
    created: bool
    ours: bool


async def pay(
    sessions: Sessions, stripe: Stripe, clock: Clock, student_id: UUID, session_id: UUID
) -> tuple[Payment, bool]:
    """The payment of the student's seat in the session, and whether it is a new one.

    Called again, or twice at once, it gives the same open payment. Raises NoPayment,
    NotPayableYet (after two seconds), HoldExpired, AlreadyPaid; PaymentUnknown while
    Stripe's answer is lost: it is found out meanwhile, also if nobody asks again.
    """
    intent = await _intend_patiently(sessions, clock, student_id, session_id)
    payment = intent.payment
    if intent.ours:
        payment = await ask(sessions, stripe, clock, payment)
    elif payment.status is Status.UNKNOWN:
        payment = await _await_answer(sessions, payment)
    if payment.status is Status.UNKNOWN:
        raise PaymentUnknown(
            "Ask again in a moment; no second payment will be made.",
            retry_after=RETRY_AFTER,
            payment_id=str(payment.id),
        )
    if payment.status is Status.EXPIRED:
        raise HoldExpired("The seat was given up meanwhile.")
    return payment, intent.created


async def _intend_patiently(
    sessions: Sessions, clock: Clock, student_id: UUID, session_id: UUID
) -> Intent:
    deadline = monotonic() + EVENT_PATIENCE
    while True:
        try:
            async with sessions.begin() as session:
                return await _intend(session, student_id, session_id, clock.now())
        except NotPayableYet:
            if monotonic() >= deadline:
                raise
        await asyncio.sleep(PAUSE)


async def _intend(
    session: AsyncSession, student_id: UUID, session_id: UUID, now: datetime
) -> Intent:
    seat = await _lock_own_seat(session, student_id, session_id)
    known = await payments.lock_payments(session, seat.seat_id)
    if any(each.paid_at for each in known):
        raise AlreadyPaid("Nothing is left to pay for this seat.")
    closed = await session.get(Closure, seat.seat_id) is not None
    if closed or seat.hold_expires_at <= now:
        raise HoldExpired("Book again: the time to pay for this seat is over.")
    open_now = [each for each in known if each.status in domain.OPEN]
    if not open_now:
        payment = _new_payment(seat, now)
        session.add(payment)
        return Intent(payment, created=True, ours=True)
    [payment] = open_now
    ours = payment.status is Status.UNKNOWN and (
        payment.due_at is None or payment.due_at <= leases.soon()
    )
    if ours:
        payment.due_at = leases.soon() + leases.LEASE
    return Intent(payment, created=False, ours=ours)


async def _lock_own_seat(
    session: AsyncSession, student_id: UUID, session_id: UUID
) -> Payable:
    """The student's latest seat in the session; another one's may not be known of."""
    query = select(Payable).where(Payable.session_id == session_id)
    seats = (await session.exec(query)).all()
    own = [seat for seat in seats if seat.student_id == student_id]
    if not own and any(seat.kind == "individual" for seat in seats):
        raise NoPayment(f"You have no seat in the session {session_id}.")
    if not own:
        raise NotPayableYet("Try again in a second.", retry_after=1)
    latest = max(own, key=lambda seat: seat.hold_expires_at)
    await payments.lock_seat(session, latest.seat_id)
    return latest


def _new_payment(seat: Payable, now: datetime) -> Payment:
    return Payment(
        id=new_id(),
        seat_id=seat.seat_id,
        session_id=seat.session_id,
        student_id=seat.student_id,
        amount=seat.amount,
        currency=seat.currency,
        expires_at=domain.checkout_expiry(seat.hold_expires_at, now),
        created_at=now,
        due_at=leases.soon() + leases.LEASE,
    )


async def _await_answer(sessions: Sessions, payment: Payment) -> Payment:
    """What another request, or a worker, has found out about the payment meanwhile."""
    deadline = monotonic() + ANSWER_PATIENCE
    while payment.status is Status.UNKNOWN and monotonic() < deadline:
        await asyncio.sleep(PAUSE)
        async with sessions() as session:
            payment = await session.get_one(Payment, payment.id)
        if payment.due_at and payment.due_at < leases.soon() + leases.RETRY:
            break  # the one who asked got no answer
    return payment


async def ask(
    sessions: Sessions, stripe: Stripe, clock: Clock, payment: Payment
) -> Payment:
    """Ask Stripe for the page and note the answer; still `unknown` if there is none."""
    order = await _order(sessions, payment)
    answer: Checkout | Refused | KeySpent | Outage
    try:
        answer = await stripe.open_checkout(order)
    except Outage as outage:
        log.warning("checkout.unanswered", payment=str(payment.id), error=str(outage))
        answer = outage
    async with sessions.begin() as session:
        locked = await payments.lock(session, payment.id)
        assert locked is not None  # payments are never deleted
        seat, payment = locked
        if payment.attempt == order.attempt:
            _note_answer(payment, answer, seat, clock.now())
            leave_work(session)
    return payment


async def _order(sessions: Sessions, payment: Payment) -> Order:
    async with sessions() as session:
        seat = await session.get_one(Payable, payment.seat_id)
        payer = await session.get(Payer, payment.student_id)
    return Order(
        payment_id=payment.id,
        seat_id=seat.seat_id,
        attempt=payment.attempt,
        price=payment.amount,
        currency=payment.currency,
        description=domain.description_of(seat.starts_at, seat.ends_at),
        customer_email=payer.email if payer else None,
        expires_at=payment.expires_at,
    )


def _note_answer(
    payment: Payment,
    answer: Checkout | Refused | KeySpent | Outage,
    seat: Payable,
    now: datetime,
) -> None:
    payment.due_at = None
    if isinstance(answer, Checkout):
        payment.checkout_id, payment.checkout_url = answer.id, answer.url
        if payment.status is Status.EXPIRED:  # while Stripe was being asked
            payment.due_at = leases.soon()
    if payment.status is not Status.UNKNOWN:
        return
    match answer:
        case Checkout():
            payment.status = Status.PENDING
        case KeySpent() if payment.attempt < domain.MOST_ATTEMPTS:
            payment.attempt += 1
            payment.expires_at = domain.checkout_expiry(seat.hold_expires_at, now)
            payment.due_at = leases.soon()
        case Refused(reason) | KeySpent(reason):
            payment.status = Status.FAILED
            payment.last_error = reason
        case Outage():
            payment.due_at = leases.soon() + leases.RETRY


def give_up(payment: Payment) -> None:
    """The seat is gone: nobody shall pay on the page, if there is one.

    Money that comes all the same is recorded; booking decides about it. A page whose
    answer is still open is closed when the answer comes.
    """
    payment.status = Status.EXPIRED
    payment.due_at = leases.soon() if payment.checkout_id else None


async def attend_to_due(sessions: Sessions, stripe: Stripe, clock: Clock) -> int:
    """A worker's step: repeat calls without an answer, close pages, note expiries."""

    async def attend(payment: Payment) -> None:
        if payment.status is Status.UNKNOWN:
            await ask(sessions, stripe, clock, payment)
        else:
            await _close(sessions, stripe, payment)

    expired = await _note_expired(sessions, clock.now())
    return expired + await leases.work_off(sessions, Payment, attend)


async def _close(sessions: Sessions, stripe: Stripe, payment: Payment) -> None:
    due_at = None
    if payment.status is Status.EXPIRED and payment.checkout_id:
        try:
            await stripe.close_checkout(payment.checkout_id)
        except Outage as outage:
            log.warning("checkout.still_open", payment=str(payment.id), error=outage)
            due_at = leases.soon() + leases.RETRY
    async with sessions.begin() as session:
        (
            await session.get_one(Payment, payment.id, with_for_update=True)
        ).due_at = due_at


async def _note_expired(sessions: Sessions, now: datetime) -> int:
    """Open payments whose time is over by the product's clock, with no word of it."""
    async with sessions.begin() as session:
        query = (
            select(Payment)
            .where(col(Payment.status).in_(domain.OPEN), col(Payment.expires_at) <= now)
            .limit(leases.BATCH)
            .with_for_update(skip_locked=True)
        )
        overdue = (await session.exec(query)).all()
        for payment in overdue:
            give_up(payment)
    return len(overdue)


async def unanswered(session: AsyncSession) -> int:
    """How many payments Stripe has not answered about yet."""
    query = select(func.count()).where(Payment.status == Status.UNKNOWN)
    return (await session.exec(query)).one()


async def to_close(session: AsyncSession) -> int:
    """How many pages are still to be closed at Stripe."""
    query = select(func.count()).where(
        Payment.status == Status.EXPIRED, col(Payment.due_at).is_not(None)
    )
    return (await session.exec(query)).one()
