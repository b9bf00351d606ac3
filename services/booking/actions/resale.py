"""Late cancellations that cost nothing after all, because the time was sold again."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ScalarSelect, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from services.booking.domain.cancellation import GRACE
from services.booking.domain.lifecycle import COUNTED, RefundStatus, Status
from services.booking.models import Move, Seat, Session
from shared import outbox
from shared.contracts.booking import RefundTerms, SeatResoldV1

BATCH = 200
PATIENCE = timedelta(days=35)
"""For ticks that were missed; a resale is certain at the start at the latest."""

SOLD = COUNTED - {Status.HELD}

LATE, NEW = aliased(Seat), aliased(Seat)
BEFORE, AFTER = aliased(Session), aliased(Session)


async def settle_resales(
    session: AsyncSession, due_by: datetime, now: datetime
) -> None:
    """Give late cancellers what the tier kept, once their time is sold for certain.

    Sold again is a time of which another student has booked all from the same start,
    and paid for it after the cancellation. It counts from when that student cannot get
    all of it back any more by its grace: else two friends could undo any tier. Who
    cancels after that has bought it all the same, however late this is looked at.
    """
    while rows := (await session.exec(_resold(due_by))).all():
        for seat, booked, buyer in rows:
            if seat.resold_by is not None:
                continue  # more than one has bought it since
            extra = seat.price - (seat.refund_amount or 0)
            seat.refund_amount, seat.refund_percent = seat.price, 100
            seat.refund_status, seat.resold_by = RefundStatus.PENDING, buyer
            session.add(seat)
            await outbox.publish(session, _told(seat, booked, extra, now))
        await session.flush()


def _resold(due_by: datetime) -> Select[Seat, Session, UUID]:
    certain = func.least(col(NEW.confirmed_at) + GRACE, col(NEW.starts_at))
    return (
        select(LATE, BEFORE, col(NEW.id))
        .join(BEFORE, col(BEFORE.id) == col(LATE.session_id))
        .join(
            AFTER,
            (col(AFTER.coach_id) == col(BEFORE.coach_id))
            & (col(AFTER.starts_at) == col(BEFORE.starts_at))
            & (col(AFTER.ends_at) >= col(BEFORE.ends_at)),
        )
        .join(NEW, col(NEW.session_id) == col(AFTER.id))
        .where(
            col(LATE.refund_on_resale).is_(True),
            LATE.status == Status.CANCELLED,
            col(LATE.resold_by).is_(None),
            col(LATE.refund_amount) < col(LATE.price),
            LATE.cancelled_by == "student",
            col(LATE.starts_at) > due_by - PATIENCE,
            BEFORE.kind == "individual",
            AFTER.kind == "individual",
            or_(col(NEW.status).in_(SOLD), _cancelled_at(NEW) >= certain),
            col(NEW.payment_id).is_not(None),
            col(NEW.student_id) != col(LATE.student_id),
            col(NEW.confirmed_at) >= _cancelled_at(LATE),
            certain <= due_by,
        )
        .order_by(col(LATE.id), col(NEW.confirmed_at))
        .limit(BATCH)
        .with_for_update(of=LATE, skip_locked=True, key_share=True)
    )


def _cancelled_at(seat: type[Seat]) -> ScalarSelect[datetime]:
    return (
        select(func.max(Move.at))
        .where(col(Move.seat_id) == col(seat.id), Move.to_status == Status.CANCELLED)
        .correlate(seat)
        .scalar_subquery()
    )


def _told(seat: Seat, booked: Session, extra: int, now: datetime) -> SeatResoldV1:
    return SeatResoldV1(
        occurred_at=now,
        seat_id=seat.id,
        session_id=booked.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        refund=RefundTerms(
            amount=extra, currency=seat.currency, percent=100, rule="resale"
        ),
    )
