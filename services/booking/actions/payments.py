"""Money that came for seats: it confirms them, or it goes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import expiry, history, refunds
from services.booking.actions.locks import lock_people
from services.booking.actions.sessions import shown_status
from services.booking.actions.strikes import pausing
from services.booking.domain.groups import Fate, deadline
from services.booking.domain.lifecycle import LIVE, RefundStatus, Status
from services.booking.models import (
    Coach,
    RefusedPayment,
    Seat,
    SeatRefund,
    Session,
)
from shared import outbox
from shared.contracts.booking import PaymentRefusedV1, SeatConfirmedV1
from shared.contracts.payments import (
    PaymentRefundedV1,
    PaymentSucceededV1,
    RefundFailedV1,
)

STUDENT_BUSY = "a_student_is_in_one_session_at_a_time"
SLOT_TAKEN = "a_coach_is_in_one_session_at_a_time"


async def settle(
    session: AsyncSession, payment: PaymentSucceededV1, now: datetime
) -> None:
    """Decide for each seat whether this payment confirms it or goes back.

    A payment that was decided before changes nothing, however often it is announced.
    """
    rows = await _lock_seats(session, payment.seat_ids)
    price = sum(seat.price for seat, _ in rows)
    exact = payment.amount.amount == price and all(
        seat.currency == payment.amount.currency for seat, _ in rows
    )
    for seat, booked in rows:
        await _settle_seat(session, seat, booked, payment, exact, now)
    for unknown in set(payment.seat_ids) - {seat.id for seat, _ in rows}:
        await _refuse(session, unknown, payment, "unknown_seat", now)


async def confirm(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    paid_by: Literal["money", "free"],
    now: datetime,
) -> None:
    """The seat will take place; say so."""
    seat.confirmed_at = now
    evidence = {"payment_id": str(seat.payment_id)} if seat.payment_id else None
    await history.move_seat(
        session, seat, booked, Status.CONFIRMED, at=now, by="system", evidence=evidence
    )
    await session.flush()
    await outbox.publish(session, confirmation(seat, booked, paid_by, now))


def confirmation(
    seat: Seat, booked: Session, paid_by: Literal["money", "free"], now: datetime
) -> SeatConfirmedV1:
    return SeatConfirmedV1(
        occurred_at=now,
        seat_id=seat.id,
        session_id=booked.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        start_version=booked.start_version,
        paid_by=paid_by,
        goals=seat.goals,
        sequence=booked.sequence,
    )


async def note_refund(
    session: AsyncSession,
    told: PaymentRefundedV1 | RefundFailedV1,
    status: RefundStatus,
) -> None:
    """Keep how far a refund of a seat has come; older news never undo newer ones."""
    query = select(Seat).where(
        col(Seat.id) == told.seat_id,
        col(Seat.payment_id) == told.payment_id,
        col(Seat.refund_status).is_not(None),
    )
    seat = (await session.exec(query.with_for_update(key_share=True))).first()
    if seat is None:
        return
    news = insert(SeatRefund).values(
        id=told.refund_id,
        seat_id=seat.id,
        payment_id=told.payment_id,
        amount=told.amount.amount,
        status=status,
        told_at=told.occurred_at,
    )
    await session.exec(
        news.on_conflict_do_update(
            index_elements=["id"],
            set_={"status": news.excluded.status, "told_at": news.excluded.told_at},
            where=col(SeatRefund.told_at) <= news.excluded.told_at,
        )
    )
    known = select(SeatRefund).where(
        col(SeatRefund.seat_id) == seat.id,
        col(SeatRefund.payment_id) == seat.payment_id,
    )
    seat.refund_status = refunds.progress(seat, (await session.exec(known)).all())
    session.add(seat)


async def _lock_seats(
    session: AsyncSession, seat_ids: Sequence[UUID]
) -> Sequence[tuple[Seat, Session]]:
    """The seats, alone with them and with their people's times, and their sessions.

    The sessions are not locked: another seat of a group may be expiring, and its turn
    comes before theirs.
    """
    of_seats = col(Seat.id).in_(seat_ids)
    joined = col(Seat.session_id) == col(Session.id)
    who = select(Session.coach_id, Seat.student_id).join(Seat, joined).where(of_seats)
    people = (await session.exec(who)).all()
    await lock_people(session, [c for c, _ in people], [s for _, s in people])
    rows = (
        select(Seat, Session)
        .join(Session, joined)
        .where(of_seats)
        .order_by(col(Seat.id))
        .with_for_update(of=Seat)
    )
    return (await session.exec(rows)).all()


async def _settle_seat(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    payment: PaymentSucceededV1,
    exact: bool,
    now: datetime,
) -> None:
    if seat.payment_id == payment.payment_id:
        return
    if await session.get(RefusedPayment, (payment.payment_id, seat.id)):
        return
    refusal = await _try_to_confirm(session, seat, booked, payment, exact, now)
    if refusal:
        await _refuse(session, seat.id, payment, refusal, now)
        _show_refund(seat, payment, exact)


async def _try_to_confirm(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    payment: PaymentSucceededV1,
    exact: bool,
    now: datetime,
) -> str | None:
    """Confirm the seat with the payment, or return why that cannot be."""
    status = shown_status(seat, now)
    if status is Status.CANCELLED:
        return "cancelled"
    if status not in (Status.HELD, Status.EXPIRED):
        return "paid_already"
    if not exact:
        return "wrong_amount"
    if status is Status.EXPIRED:
        return await _confirm_late(session, seat, booked, payment, now)
    seat.payment_id = payment.payment_id
    await confirm(session, seat, booked, "money", now)
    return None


async def _takes_students(session: AsyncSession, coach_id: UUID, now: datetime) -> bool:
    """Strikes count at once here too, before the directory has heard of them."""
    query = select(Coach.listed, ~pausing(coach_id, now)).where(Coach.id == coach_id)
    return (await session.exec(query)).first() == (True, True)


async def _confirm_late(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    payment: PaymentSucceededV1,
    now: datetime,
) -> str | None:
    """Take the time again if it is still free; the exclusion constraints decide."""
    await expiry.expire_holds_of(session, booked.coach_id, seat.student_id, now)
    await session.refresh(seat)
    await session.refresh(booked)
    if not await _takes_students(session, booked.coach_id, now):
        return "coach_unavailable"
    if booked.starts_at <= now:
        return "too_late"
    if seat.starts_at != booked.starts_at:
        return "moved"  # the group did, after this seat had left it
    if refusal := await _refused_by_group(session, booked, now):
        return refusal
    try:
        async with session.begin_nested():
            seat.payment_id = payment.payment_id
            seat.refund_amount = seat.refund_percent = seat.refund_status = None
            await confirm(session, seat, booked, "money", now)
    except IntegrityError as error:
        await session.refresh(seat)
        if STUDENT_BUSY in str(error.orig):
            return "student_busy"
        if SLOT_TAKEN in str(error.orig):
            return "slot_taken"
        raise
    return None


async def _refused_by_group(
    session: AsyncSession, booked: Session, now: datetime
) -> str | None:
    """Why a seat that expired cannot come back into its session."""
    if booked.fate is Fate.CALLED_OFF:
        return "called_off"
    live = select(func.count()).where(
        col(Seat.session_id) == booked.id, col(Seat.status).in_(LIVE)
    )
    taken = (await session.exec(live)).one()
    if taken >= booked.capacity:
        return "group_full"
    short = taken + 1 < booked.min_participants and booked.fate is None
    if short and now >= deadline(booked.starts_at):
        return "too_few_participants"
    return None


async def _refuse(
    session: AsyncSession,
    seat_id: UUID,
    payment: PaymentSucceededV1,
    reason: str,
    now: datetime,
) -> None:
    """Have the money sent back, and remember it for when it is announced again."""
    refused = await session.exec(
        insert(RefusedPayment)
        .values(payment_id=payment.payment_id, seat_id=seat_id, reason=reason, at=now)
        .on_conflict_do_nothing()
        .returning(col(RefusedPayment.seat_id))
    )
    if refused.first():
        await outbox.publish(
            session,
            PaymentRefusedV1(
                occurred_at=now,
                seat_id=seat_id,
                payment_id=payment.payment_id,
                reason=reason,
            ),
        )


def _show_refund(seat: Seat, payment: PaymentSucceededV1, exact: bool) -> None:
    """Its student sees that the seat's price comes back."""
    if exact and seat.payment_id is None:
        seat.payment_id = payment.payment_id
        seat.refund_amount, seat.refund_percent = seat.price, 100
        seat.refund_status = RefundStatus.PENDING
