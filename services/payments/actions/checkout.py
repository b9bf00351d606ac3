"""The page at Stripe on which seats are paid: opened once, closed when it is over.

A payment is committed as `unknown` before Stripe is asked, so that a lost answer or a
crash leaves a row from which the same call, with the same key, is repeated.
"""

import asyncio
from collections.abc import Sequence
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
    Line,
    NoPayment,
    NotPayableYet,
    Order,
    PartOfSeries,
    PaymentUnknown,
    Refused,
    SeatOver,
    Status,
)
from services.payments.models import Closure, Payable, Payer, Payment, Share
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


@dataclass(frozen=True)
class Wanted:
    """What a student wants to pay for: its seat in a session, or its series."""

    student_id: UUID
    session_id: UUID | None = None
    series_id: UUID | None = None


async def pay(
    sessions: Sessions, stripe: Stripe, clock: Clock, wanted: Wanted
) -> tuple[Payment, bool]:
    """The payment of what the student wants to pay, and whether it is a new one.

    Called again, or twice at once, it gives the same open payment. Raises NoPayment,
    NotPayableYet (after two seconds), PartOfSeries, HoldExpired, AlreadyPaid;
    PaymentUnknown while Stripe's answer is lost: it is found out meanwhile, also if
    nobody asks again.
    """
    intent = await _intend_patiently(sessions, clock, wanted)
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


async def _intend_patiently(sessions: Sessions, clock: Clock, wanted: Wanted) -> Intent:
    deadline = monotonic() + EVENT_PATIENCE
    while True:
        try:
            async with sessions.begin() as session:
                return await _intend(session, wanted, clock.now())
        except (NotPayableYet, SeatOver):
            if monotonic() >= deadline:
                raise
        await asyncio.sleep(PAUSE)


async def _intend(session: AsyncSession, wanted: Wanted, now: datetime) -> Intent:
    seats = await _lock_own_seats(session, wanted)
    seat_ids = [seat.seat_id for seat in seats]
    known = await payments.lock_payments(session, seat_ids)
    closing = select(Closure.seat_id).where(col(Closure.seat_id).in_(seat_ids))
    closed = (await session.exec(closing)).first() is not None
    grouped = seats[0].kind == "group"
    if any(each.paid_at for each in known) and not (closed and grouped):
        raise AlreadyPaid("Nothing is left to pay for this.")
    if closed or _hold_of(seats) <= now:
        refusal = SeatOver if grouped else HoldExpired
        raise refusal("Book again: the time to pay for this is over.")
    open_now = [each for each in known if each.status in domain.OPEN]
    if not open_now:
        payment = await _add_payment(session, seats, now)
        return Intent(payment, created=True, ours=True)
    [payment] = open_now
    ours = payment.status is Status.UNKNOWN and (
        payment.due_at is None or payment.due_at <= leases.soon()
    )
    if ours:
        payment.due_at = leases.soon() + leases.LEASE
    return Intent(payment, created=False, ours=ours)


async def _lock_own_seats(session: AsyncSession, wanted: Wanted) -> Sequence[Payable]:
    """The student's seats that are paid at once; none or all of a series."""
    if wanted.series_id is None:
        own = [await _own_seat(session, wanted)]
    else:
        own = await _own_series(session, wanted)
    return await payments.lock_seats(session, [seat.seat_id for seat in own])


async def _own_seat(session: AsyncSession, wanted: Wanted) -> Payable:
    """The student's latest seat in the session; another one's may not be known of."""
    query = select(Payable).where(Payable.session_id == wanted.session_id)
    seats = (await session.exec(query)).all()
    own = [seat for seat in seats if seat.student_id == wanted.student_id]
    if not own and any(seat.kind == "individual" for seat in seats):
        raise NoPayment(f"You have no seat in the session {wanted.session_id}.")
    if not own:
        raise NotPayableYet("Try again in a second.", retry_after=1)
    # by its id, which counts time: an earlier hold may well have been the longer one
    latest = max(own, key=lambda seat: seat.seat_id)
    if latest.series_id is not None:
        detail = "Pay for the series: its sessions were booked together."
        raise PartOfSeries(detail, series_id=str(latest.series_id))
    return latest


async def _own_series(session: AsyncSession, wanted: Wanted) -> list[Payable]:
    query = select(Payable).where(Payable.series_id == wanted.series_id)
    seats = list(await session.exec(query))
    if any(seat.student_id != wanted.student_id for seat in seats):
        raise NoPayment(f"You have no series {wanted.series_id}.")
    if not seats or len(seats) != seats[0].series_size:
        raise NotPayableYet("Try again in a second.", retry_after=1)
    return seats


async def _add_payment(
    session: AsyncSession, seats: Sequence[Payable], now: datetime
) -> Payment:
    first = seats[0]
    payment = Payment(
        id=new_id(),
        seat_id=first.seat_id if first.series_id is None else None,
        series_id=first.series_id,
        student_id=first.student_id,
        amount=sum(seat.amount for seat in seats),
        currency=first.currency,
        expires_at=domain.checkout_expiry(_hold_of(seats), now),
        created_at=now,
        due_at=leases.soon() + leases.LEASE,
    )
    session.add(payment)
    await session.flush()
    session.add_all(
        Share(payment_id=payment.id, seat_id=seat.seat_id, amount=seat.amount)
        for seat in seats
    )
    return payment


def _hold_of(seats: Sequence[Payable]) -> datetime:
    return min(seat.hold_expires_at for seat in seats)


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
        seats, payment = locked
        if payment.attempt == order.attempt:
            _note_answer(payment, answer, _hold_of(seats), clock.now())
            leave_work(session)
    return payment


async def _order(sessions: Sessions, payment: Payment) -> Order:
    async with sessions() as session:
        shares = (await payments.shares_of(session, [payment]))[payment.id]
        payer = await session.get(Payer, payment.student_id)
    return Order(
        payment_id=payment.id,
        seat_id=payment.seat_id,
        series_id=payment.series_id,
        attempt=payment.attempt,
        lines=[
            Line(domain.description_of(seat.starts_at, seat.ends_at), share.amount)
            for share, seat in shares
        ],
        currency=payment.currency,
        customer_email=payer.email if payer else None,
        expires_at=payment.expires_at,
    )


def _note_answer(
    payment: Payment,
    answer: Checkout | Refused | KeySpent | Outage,
    held_until: datetime,
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
            payment.expires_at = domain.checkout_expiry(held_until, now)
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
