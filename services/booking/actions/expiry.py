"""Holds that ran out: free on every read at once, and said to be free by these."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import history
from services.booking.domain.lifecycle import Status
from services.booking.models import Seat, Session
from shared import outbox
from shared.contracts.booking import SeatExpiredV1
from shared.statements import Statement, in_transaction

BATCH = 500


async def sweep(session: AsyncSession, due_by: datetime, now: datetime) -> int:
    """Expire all holds due by then, and return how many they were.

    A hold that somebody else is about to change is left to them, or to the next sweep.
    """
    swept = 0
    while found := await _expire(session, due_by, now, skip_locked=True):
        swept += found
    return swept


async def expire_holds_of(
    session: AsyncSession, coach_id: UUID, student_id: UUID, now: datetime
) -> None:
    """Expire what stands between these two and a new seat."""
    await expire_holds(session, [coach_id], [student_id], now)


async def expire_holds(
    session: AsyncSession,
    coaches: Collection[UUID],
    students: Collection[UUID],
    now: datetime,
) -> None:
    """Expire what stands between these people and another time.

    The exclusion constraints know no clock, so this comes before every insert and
    every move, under the locks of all of them.
    """
    people = {"coaches": list(coaches), "students": list(students), "now": now}
    if await STALE.fetch(await in_transaction(session), **people):
        while await _expire(session, now, now, of_people(coaches, students)):
            pass


def of_people(
    coaches: Collection[UUID], students: Collection[UUID]
) -> ColumnElement[bool]:
    """Seats of these students, and those of these coaches that may be holds."""
    return _of(literal(list(coaches), PEOPLE), literal(list(students), PEOPLE))


PEOPLE = ARRAY(Uuid())


def _of(
    coaches: ColumnElement[Any], students: ColumnElement[Any]
) -> ColumnElement[bool]:
    sold_in_part = and_(
        col(Session.kind) == "group", col(Session.status) == Status.CONFIRMED
    )
    of_coaches = select(col(Session.id)).where(
        col(Session.coach_id) == func.any(coaches),
        or_(col(Session.status) == Status.HELD, sold_in_part),
    )
    return or_(
        col(Seat.student_id) == func.any(students),
        col(Seat.session_id).in_(of_coaches),
    )


def _stale() -> Select[*tuple[Any, ...]]:
    """Whether anything stands between people; most of the time nothing does."""
    coaches, students = (
        bindparam(name, type_=PEOPLE) for name in ("coaches", "students")
    )
    return (
        select(col(Seat.id))
        .where(
            col(Seat.status) == Status.HELD,
            col(Seat.hold_expires_at) <= bindparam("now"),
            _of(coaches, students),
        )
        .limit(1)
    )


STALE = Statement(_stale())


async def expire_holds_in(
    session: AsyncSession, session_ids: Collection[UUID], now: datetime
) -> None:
    """Expire what ran out in these sessions; the caller has locked their seats."""
    while await _expire(session, now, now, col(Seat.session_id).in_(session_ids)):
        pass


async def _expire(
    session: AsyncSession,
    due_by: datetime,
    now: datetime,
    *which: ColumnElement[bool],
    skip_locked: bool = False,
) -> int:
    due = (
        select(col(Seat.id))
        .where(
            col(Seat.status) == Status.HELD, col(Seat.hold_expires_at) <= due_by, *which
        )
        .order_by(col(Seat.id))
        .limit(BATCH)
        .with_for_update(skip_locked=skip_locked, key_share=True)
    )
    expire = (
        update(Seat)
        .where(col(Seat.id).in_(due.scalar_subquery()), col(Seat.status) == Status.HELD)
        .values(status=Status.EXPIRED)
        .returning(col(Seat.id), col(Seat.session_id), col(Seat.hold_expires_at))
    )
    seats = (await session.exec(expire)).all()
    if seats:
        await _tell(session, seats, now)
    return len(seats)


async def _tell(
    session: AsyncSession, seats: Sequence[Row[Any]], now: datetime
) -> None:
    """Let the sessions of these expired seats follow, write it down and say it."""
    await history.follow_seats(session, {seat.session_id for seat in seats})
    await history.record(
        session,
        [
            {
                "seat_id": seat.id,
                "at": seat.hold_expires_at,
                "from_status": Status.HELD,
                "to_status": Status.EXPIRED,
                "by": "system",
                "reason": None,
            }
            for seat in seats
        ],
    )
    await outbox.publish(
        session, *(SeatExpiredV1(occurred_at=now, seat_id=seat.id) for seat in seats)
    )
