"""What Stripe tells us, in any order and as often as it likes."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments import domain
from services.payments.actions import payments, refunds
from services.payments.domain import (
    AttemptDeclined,
    CheckoutExpired,
    MoneyArrived,
    News,
    RefundMoved,
    Status,
)
from services.payments.models import Payment
from shared import outbox
from shared.contracts import Money
from shared.contracts.payments import PaymentFailedV1, PaymentSucceededV1

log = structlog.get_logger()


async def note(session: AsyncSession, news: News, now: datetime) -> None:
    """Note one piece of news; the caller has claimed its event id in the inbox."""
    if isinstance(news, RefundMoved):
        await refunds.note_moved(session, news, now)
        return
    # By our own id: a webhook may be here before the answer that names the page.
    locked = await payments.lock(session, news.payment_id)
    if locked is None:
        log.warning("webhook.payment_not_known", payment=str(news.payment_id))
        return
    seats, payment = locked
    match news:
        case MoneyArrived():
            await _money_arrived(session, payment, news, now)
        case AttemptDeclined() if payment.status in domain.OPEN:
            payment.last_error = news.reason
            seat_ids = [seat.seat_id for seat in seats]
            said = _declined(payment, seat_ids, news.reason, now)
            await outbox.publish(session, said)
        case CheckoutExpired() if (
            payment.status in domain.OPEN and payment.attempt == news.attempt
        ):
            payment.status, payment.due_at = Status.EXPIRED, None


async def _money_arrived(
    session: AsyncSession, payment: Payment, news: MoneyArrived, now: datetime
) -> None:
    """Record and announce the money, once, whatever became of the seat meanwhile.

    Booking decides what it is for; what it cannot use comes back as refused. That goes
    for a wrong amount too: it is announced as it came, and the alarm is raised here.
    """
    if payment.paid_at is not None:
        if payment.intent_id != news.intent_id:
            log.error("payment.paid_twice", payment=str(payment.id), by=news.intent_id)
        return
    if (news.amount, news.currency) != (payment.amount, payment.currency):
        log.error(
            "payment.wrong_amount",
            payment=str(payment.id),
            expected=(payment.amount, payment.currency),
            received=(news.amount, news.currency),
        )
    payment.status, payment.paid_at = Status.SUCCEEDED, now
    payment.received, payment.received_currency = news.amount, news.currency
    payment.intent_id, payment.last_error, payment.due_at = news.intent_id, None, None
    shares = await payments.shares_by_seat(session, payment)
    parts = domain.allocate(news.amount, [each.amount for each in shares.values()])
    for share, part in zip(shares.values(), parts, strict=True):
        share.received = part
    await outbox.publish(session, _succeeded(payment, list(shares), news, now))
    await refunds.settle_debts(session, list(shares), now)


def _succeeded(
    payment: Payment, seat_ids: list[UUID], news: MoneyArrived, now: datetime
) -> PaymentSucceededV1:
    return PaymentSucceededV1(
        occurred_at=now,
        payment_id=payment.id,
        seat_ids=seat_ids,
        amount=Money(amount=news.amount, currency=news.currency),
        at=now,
    )


def _declined(
    payment: Payment, seat_ids: list[UUID], reason: str, now: datetime
) -> PaymentFailedV1:
    return PaymentFailedV1(
        occurred_at=now,
        payment_id=payment.id,
        seat_ids=seat_ids,
        amount=Money(amount=payment.amount, currency=payment.currency),
        at=now,
        reason=reason,
    )
