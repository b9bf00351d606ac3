"""The steps of seats: each changes the seat, its session and the record of both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain import lifecycle
from services.booking.domain.lifecycle import Status
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
    booked.status = to
    session.add(seat)
    session.add(booked)
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


async def record(session: AsyncSession, moves: Sequence[dict[str, Any]]) -> None:
    """Add these rows of `Move` to the history; each becomes an id of its own."""
    rows = [{"id": new_id(), **move} for move in moves]
    await session.exec(insert(Move).values(rows))
