"""The steps of seats: each changes the seat, its session and the record of both."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain import lifecycle
from services.booking.domain.lifecycle import MOST_ALIVE, Status
from services.booking.models import Move, Seat, Session
from shared.contracts.booking import Party
from shared.ids import new_id


async def move_seat(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    to: Status,
    *,
    at: datetime,
    by: Party,
    reason: str | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    """Take a locked seat and its session to `to`, and write down who did it and why.

    Raises WrongStatus if a seat never goes there from where it is.
    """
    before, seat.status = seat.status, lifecycle.move(seat.status, to)
    session.add(seat)
    session.add(booked)
    if booked.kind == "individual":
        booked.status = to
    else:
        await session.flush()
        await follow_seats(session, [booked.id])
        await session.refresh(booked)
    await record(
        session,
        [
            {
                "seat_id": seat.id,
                "at": at,
                "from_status": before,
                "to_status": to,
                "by": by,
                "reason": reason,
                "evidence": evidence,
            }
        ],
    )


async def move_seats(
    session: AsyncSession,
    seats: Sequence[Seat],
    booked: Session,
    to: Status,
    *,
    at: datetime,
    by: Party,
    reason: str | None = None,
) -> None:
    """As `move_seat`, for several seats of one session and in as many queries."""
    steps = []
    for seat in seats:
        before, seat.status = seat.status, lifecycle.move(seat.status, to)
        session.add(seat)
        steps.append(
            {
                "seat_id": seat.id,
                "at": at,
                "from_status": before,
                "to_status": to,
                "by": by,
                "reason": reason,
            }
        )
    session.add(booked)
    await session.flush()
    await follow_seats(session, [booked.id])
    await session.refresh(booked)
    await record(session, steps)


async def follow_seats(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Give each session the status of its most alive seat.

    They are locked first: a seat that joins meanwhile is then waited for and counted,
    which one statement for both would not do.
    """
    locked = (
        select(Session.id)
        .where(col(Session.id).in_(ids))
        .order_by(col(Session.id))
        .with_for_update()
    )
    await session.exec(locked)
    await session.exec(
        update(Session)
        .where(col(Session.id).in_(ids))
        .values(status=MOST_ALIVE_SEAT.scalar_subquery())
    )


MOST_ALIVE_SEAT = (
    select(Seat.status)
    .where(col(Seat.session_id) == col(Session.id))
    .order_by(
        case(
            {status: place for place, status in enumerate(MOST_ALIVE)},
            value=col(Seat.status),
        )
    )
    .limit(1)
    .correlate(Session)
)


async def record(session: AsyncSession, moves: Sequence[dict[str, Any]]) -> None:
    """Add these rows of `Move` to the history; each becomes an id of its own."""
    rows = [{"id": new_id(), **move} for move in moves]
    await session.exec(insert(Move).values(rows))
