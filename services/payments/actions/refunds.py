"""Money on its way back: promised in one transaction, sent by a worker, noted once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments import domain
from services.payments.actions import leases, payments
from services.payments.clients import Stripe
from services.payments.domain import (
    Cause,
    KeySpent,
    RefundMoved,
    RefundOrder,
    RefundStatus,
    Refused,
)
from services.payments.models import Debt, Payment, Refund, Share
from shared import outbox
from shared.clock import Clock
from shared.contracts import Money
from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from shared.db import Sessions, leave_work
from shared.errors import Outage
from shared.ids import new_id

log = structlog.get_logger()

KEY_LIFE = timedelta(hours=23)
"""Stripe remembers an idempotency key for 24 hours at least."""


async def refuse(
    session: AsyncSession, payment_id: UUID, seat_id: UUID, now: datetime
) -> None:
    """Booking cannot use the money for this seat: what is left of its share goes back.

    Raises LookupError for a payment that is not ours.
    """
    locked = await payments.lock(session, payment_id)
    shares = await payments.shares_by_seat(session, locked[1]) if locked else {}
    if locked is None or seat_id not in shares:
        raise LookupError(
            f"booking refused the payment {payment_id}, which is not ours"
        )
    share = shares[seat_id]
    await _promise(session, locked[1], share, Cause.REFUSED, share.received, now)


async def owe(
    session: AsyncSession, seat_id: UUID, cause: Cause, amount: int, now: datetime
) -> None:
    """Give back `amount` of what was paid for the seat, once for each cause.

    Money that is not here yet will owe it. Called again for the same cause, it changes
    nothing.
    """
    debt = insert(Debt).values(seat_id=seat_id, cause=cause, amount=amount)
    await session.exec(debt.on_conflict_do_nothing())
    if await payments.lock_seats(session, [seat_id]):
        await settle_debts(session, [seat_id], now)


async def settle_debts(
    session: AsyncSession, seat_ids: Sequence[UUID], now: datetime
) -> None:
    """Promise back what is owed for these locked seats, once the money is here.

    It is owed by the payment that booking took for a seat: the first that came, unless
    refused. All causes together give back the seat's share at most.
    """
    query = select(Debt).where(col(Debt.seat_id).in_(seat_ids))
    debts = list(await session.exec(query))
    if not debts:
        return
    paid = [
        payment
        for payment in await payments.lock_payments(session, seat_ids)
        if payment.paid_at
    ]
    refused = await _refused(session, seat_ids)
    for payment in sorted(paid, key=_paid_at):
        shares = await payments.shares_by_seat(session, payment)
        for debt in [each for each in debts if each.seat_id in shares]:
            if (payment.id, debt.seat_id) not in refused:
                share = shares[debt.seat_id]
                await _promise(session, payment, share, debt.cause, debt.amount, now)
                debts.remove(debt)


def _paid_at(payment: Payment) -> datetime:
    assert payment.paid_at is not None
    return payment.paid_at


async def _refused(
    session: AsyncSession, seat_ids: Sequence[UUID]
) -> set[tuple[UUID, UUID]]:
    query = select(Refund.payment_id, Refund.seat_id).where(
        col(Refund.seat_id).in_(seat_ids), Refund.cause == Cause.REFUSED
    )
    return set((await session.exec(query)).all())


async def _promise(
    session: AsyncSession,
    payment: Payment,
    share: Share,
    cause: Cause,
    amount: int,
    now: datetime,
) -> None:
    """Promise `amount`, or what is left, of a payment's share; once for each cause."""
    query = select(Refund.id).where(
        Refund.payment_id == payment.id,
        Refund.seat_id == share.seat_id,
        Refund.cause == cause,
    )
    amount = min(amount, share.received - share.promised)
    if amount <= 0 or (await session.exec(query)).first():
        return
    payment.promised += amount
    share.promised += amount
    session.add(
        Refund(
            id=new_id(),
            payment_id=payment.id,
            seat_id=share.seat_id,
            cause=cause,
            amount=amount,
            currency=payment.received_currency or payment.currency,
            due_at=leases.soon(),
            attempt_since=leases.soon(),
            created_at=now,
        )
    )
    leave_work(session)


async def send_due(sessions: Sessions, stripe: Stripe, clock: Clock) -> int:
    """A worker's step: ask Stripe for the refunds that are due, again if need be."""

    async def send(refund: Refund) -> None:
        await _send(sessions, stripe, clock, refund)

    return await leases.work_off(sessions, Refund, send)


async def _send(
    sessions: Sessions, stripe: Stripe, clock: Clock, refund: Refund
) -> None:
    async with sessions() as session:
        payment = await session.get_one(Payment, refund.payment_id)
    assert payment.intent_id is not None  # money arrived, so there is an intent
    order = RefundOrder(
        refund.id, refund.attempt, payment.id, payment.intent_id, refund.amount
    )
    answer: RefundMoved | Refused | KeySpent | Outage
    try:
        answer = await _ask(stripe, order, refund.attempt_since)
    except Outage as outage:
        log.warning("refund.unanswered", refund=str(refund.id), error=str(outage))
        answer = outage
    async with sessions.begin() as session:
        await _note(session, refund.id, refund.attempt, answer, clock.now())


async def _ask(
    stripe: Stripe, order: RefundOrder, since: datetime
) -> RefundMoved | Refused | KeySpent:
    """Stripe's answer. What is refused, or too old to repeat, may have been done."""
    answer: RefundMoved | Refused | KeySpent = KeySpent("the key is a day old")
    if leases.soon() - since < KEY_LIFE:
        answer = await stripe.refund(order)
    if isinstance(answer, RefundMoved):
        return answer
    return await stripe.find_refund(order) or answer


async def note_moved(session: AsyncSession, news: RefundMoved, now: datetime) -> None:
    """What a webhook says about one of our refunds; heard twice, it changes nothing."""
    await _note(session, news.refund_id, news.attempt, news, now)


async def _note(
    session: AsyncSession,
    refund_id: UUID,
    attempt: int,
    answer: RefundMoved | Refused | KeySpent | Outage,
    now: datetime,
) -> None:
    query = select(Refund.payment_id).where(Refund.id == refund_id)
    payment_id = (await session.exec(query)).one_or_none()
    locked = await payments.lock(session, payment_id) if payment_id else None
    if locked is None:
        log.warning("refund.not_known", refund=str(refund_id))
        return
    refund = await session.get_one(Refund, refund_id, populate_existing=True)
    if refund.attempt != attempt:
        return  # about an earlier try, which was followed by another
    match answer:
        case RefundMoved():
            await _moved(session, locked[1], refund, answer, now)
        case Refused(reason) if _is_open(refund):
            await _failed(session, refund, reason, now)
        case KeySpent() if _is_open(refund):
            _try_anew(refund, timedelta())
        case Outage() if _is_open(refund):
            refund.due_at = leases.soon() + leases.RETRY


def _is_open(refund: Refund) -> bool:
    """Nobody has heard yet what became of the present attempt."""
    return refund.status is RefundStatus.PENDING and refund.stripe_id is None


async def _moved(
    session: AsyncSession,
    payment: Payment,
    refund: Refund,
    news: RefundMoved,
    now: datetime,
) -> None:
    match refund.status, news.status:
        case RefundStatus.PENDING, RefundStatus.PENDING:
            refund.stripe_id, refund.due_at = news.stripe_id, None
        case RefundStatus.PENDING, RefundStatus.SUCCEEDED:
            refund.stripe_id, refund.due_at = news.stripe_id, None
            refund.status = RefundStatus.SUCCEEDED
            refund.last_error = None
            _count_back(payment, refund.amount)
            await outbox.publish(session, _refunded(refund, now))
        case RefundStatus.PENDING, RefundStatus.FAILED:
            await _failed(session, refund, news.reason or "failed at the bank", now)
        case RefundStatus.SUCCEEDED, RefundStatus.FAILED:
            # The bank sent it back after we had announced it: that is for a person.
            _count_back(payment, -refund.amount)
            await _give_up(session, refund, news.reason or "returned by the bank", now)


def _count_back(payment: Payment, amount: int) -> None:
    payment.refunded += amount
    payment.status = domain.after_refunds(payment.received, payment.refunded)


async def _failed(
    session: AsyncSession, refund: Refund, reason: str, now: datetime
) -> None:
    """Try again with a new key after a pause that grows; in the end, give up."""
    if refund.refusals >= len(domain.REFUND_PAUSES):
        await _give_up(session, refund, reason, now)
        return
    refund.last_error = reason
    refund.refusals += 1
    _try_anew(refund, domain.REFUND_PAUSES[refund.refusals - 1])


def _try_anew(refund: Refund, pause: timedelta) -> None:
    refund.attempt += 1
    refund.attempt_since = leases.soon()
    refund.due_at = leases.soon() + pause
    refund.stripe_id = None


async def _give_up(
    session: AsyncSession, refund: Refund, reason: str, now: datetime
) -> None:
    log.error("refund.failed", refund=str(refund.id), reason=reason)
    refund.status = RefundStatus.FAILED
    refund.due_at = None
    refund.last_error = reason
    await outbox.publish(
        session,
        RefundFailedV1(
            occurred_at=now,
            payment_id=refund.payment_id,
            refund_id=refund.id,
            seat_id=refund.seat_id,
            amount=Money(amount=refund.amount, currency=refund.currency),
            reason=reason,
        ),
    )


def _refunded(refund: Refund, now: datetime) -> PaymentRefundedV1:
    return PaymentRefundedV1(
        occurred_at=now,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        seat_id=refund.seat_id,
        amount=Money(amount=refund.amount, currency=refund.currency),
    )


async def waiting(session: AsyncSession) -> int:
    """How many refunds Stripe is still to be asked for."""
    query = select(func.count()).where(col(Refund.due_at).is_not(None))
    return (await session.exec(query)).one()
