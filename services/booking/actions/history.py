"""The steps of seats: each changes the seat, its session and the record of both."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import closing
from services.booking.domain import lifecycle
from services.booking.domain.lifecycle import MOST_ALIVE, Status
from services.booking.models import Move, Seat, Session
from shared.contracts.booking import Party
from shared.ids import new_id
from shared.statements import Statement, a_row_of, in_transaction


@dataclass(frozen=True)
class Step:
    """Where a locked seat and its session go, and what is written down of it."""

    seat: Seat
    booked: Session
    to: Status
    at: datetime
    by: Party
    reason: str | None = None
    evidence: dict[str, Any] | None = None


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
    await move_seats(session, [Step(seat, booked, to, at, by, reason, evidence)])


async def move_seats(session: AsyncSession, steps: Sequence[Step]) -> None:
    """As `move_seat` for each, in as many statements as for one."""
    stood = {step.booked.id: step.booked.status for step in steps}
    rows = [_take(session, step) for step in steps]
    groups = {step.booked.id: step.booked for step in steps if _is_group(step.booked)}
    if groups:
        await session.flush()
        await follow_seats(session, groups)
        await session.exec(
            select(Session)
            .where(col(Session.id).in_(groups))
            .execution_options(populate_existing=True)
        )
    left = [
        booked
        for booked in {step.booked.id: step.booked for step in steps}.values()
        if stood[booked.id] is Status.CONFIRMED and booked.status != Status.CONFIRMED
    ]
    if left:
        await closing.end_proposals(session, left, max(step.at for step in steps))
    await record(session, rows)


def _take(session: AsyncSession, step: Step) -> dict[str, Any]:
    seat, before = step.seat, step.seat.status
    seat.status = lifecycle.move(before, step.to)
    session.add(seat)
    session.add(step.booked)
    if not _is_group(step.booked):
        step.booked.status = step.to
    return {
        "seat_id": seat.id,
        "at": step.at,
        "from_status": before,
        "to_status": step.to,
        "by": step.by,
        "reason": step.reason,
        "evidence": step.evidence,
    }


def _is_group(booked: Session) -> bool:
    return booked.kind != "individual"


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
    rows = [{"id": new_id(), "evidence": None, **move} for move in moves]
    await RECORD.execute(await in_transaction(session), rows)


RECORD = Statement(a_row_of(Move))
