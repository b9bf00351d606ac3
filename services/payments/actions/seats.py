"""What booking says about seats: which are to be paid, and which not any more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments import domain
from services.payments.actions import checkout, payments, refunds
from services.payments.domain import Cause
from services.payments.models import Closure, Payable, Payer, SeatTime
from shared.contracts.booking import SeatHeldV1, SessionMovedV1
from shared.db import leave_work


async def hold(session: AsyncSession, held: SeatHeldV1) -> None:
    """From now on the seat can be paid for, unless it was given up already.

    It may have been moved before we hear of it: then it takes place when that says.
    """
    starts_at, ends_at = await _times_of(session, held)
    await session.exec(
        insert(Payable)
        .values(
            seat_id=held.seat_id,
            session_id=held.session_id,
            coach_id=held.coach_id,
            student_id=held.student_id,
            kind=held.kind,
            starts_at=starts_at,
            ends_at=ends_at,
            amount=held.price.amount,
            currency=held.price.currency,
            fee_percent=held.fee_percent,
            hold_expires_at=held.hold_expires_at,
            series_id=held.series_id,
            series_size=held.series_size,
        )
        .on_conflict_do_nothing()
    )


async def _times_of(
    session: AsyncSession, held: SeatHeldV1
) -> tuple[datetime, datetime]:
    """The newest times known. Who moves the seat meanwhile waits, or is waited for."""
    times = insert(SeatTime).values(
        seat_id=held.seat_id, start_version=0, starts_at=held.start, ends_at=held.end
    )
    found = await session.exec(
        times.on_conflict_do_update(
            index_elements=["seat_id"], set_={"seat_id": times.excluded.seat_id}
        ).returning(col(SeatTime.starts_at), col(SeatTime.ends_at))
    )
    newest = found.one()
    return newest.starts_at, newest.ends_at


async def move(session: AsyncSession, moved: SessionMovedV1) -> None:
    """Keep when these seats take place now, unless a newer time is known."""
    rows = [
        {
            "seat_id": seat_id,
            "start_version": moved.start_version,
            "starts_at": moved.start,
            "ends_at": moved.end,
        }
        for seat_id in sorted(moved.seat_ids)
    ]
    times = insert(SeatTime).values(rows)
    await session.exec(
        times.on_conflict_do_update(
            index_elements=["seat_id"],
            set_={
                name: times.excluded[name]
                for name in ("start_version", "starts_at", "ends_at")
            },
            where=col(SeatTime.start_version) < times.excluded.start_version,
        )
    )
    await session.exec(
        update(Payable)
        .where(
            col(Payable.seat_id).in_(moved.seat_ids),
            col(Payable.seat_id) == col(SeatTime.seat_id),
        )
        .values(starts_at=SeatTime.starts_at, ends_at=SeatTime.ends_at)
    )


async def close(
    session: AsyncSession, seat_id: UUID, now: datetime, owed: int | None = None
) -> None:
    """The seat is not to be paid any more; of what was paid, `owed` goes back, once.

    Heard before the seat itself, or before its money, it holds for what comes later.
    With one seat of a series the page for all of them goes: it would charge too much.
    """
    closure = insert(Closure).values(seat_id=seat_id, closed_at=now)
    await session.exec(closure.on_conflict_do_nothing())
    if await payments.lock_seats(session, [seat_id]):
        for payment in await payments.lock_payments(session, [seat_id]):
            if payment.status in domain.OPEN:
                checkout.give_up(payment)
                leave_work(session)
    if owed:
        await refunds.owe(session, seat_id, Cause.CANCELLED, owed, now)


async def know_payer(
    session: AsyncSession, user_id: UUID, version: int, email: str
) -> None:
    """Keep the address for Stripe's receipt, unless a newer one is known."""
    payer = insert(Payer).values(user_id=user_id, version=version, email=email)
    await session.exec(
        payer.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"version": version, "email": email},
            where=col(Payer.version) < version,
        )
    )
