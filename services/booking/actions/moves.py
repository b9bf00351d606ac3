"""Moving a session: at once, or because both sides want it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import closing, expiry, times
from services.booking.actions.cancellation import terms_of
from services.booking.actions.locks import lock_people
from services.booking.actions.sessions import shown_status
from services.booking.actions.times import Target
from services.booking.domain import moves
from services.booking.domain.lifecycle import MOST_ALIVE, Status
from services.booking.domain.moves import Side
from services.booking.domain.problems import (
    GroupNotMoved,
    NeedsProposal,
    SlotTaken,
    StudentBusy,
)
from services.booking.models import Relocation, Seat, Session
from services.booking.schemas.moves import MoveRequest
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import SessionMovedV1
from shared.errors import Forbidden, NotFound

STUDENT_BUSY = "a_student_is_in_one_session_at_a_time"
SLOT_TAKEN = "a_coach_is_in_one_session_at_a_time"


class Booked(NamedTuple):
    """A locked session with all its seats."""

    session: Session
    seats: list[Seat]

    def confirmed(self) -> list[Seat]:
        return [seat for seat in self.seats if seat.status is Status.CONFIRMED]

    def require_movable(self, now: datetime) -> None:
        """Raises WrongStatus unless somebody's seat is confirmed and it lies ahead."""
        shown = [shown_status(seat, now) for seat in self.seats]
        status = min(shown, key=MOST_ALIVE.index)
        moves.require_movable(status, self.session.starts_at, now)

    def side(self, caller: Caller) -> Side:
        """Raises NotFound for others than its people, Forbidden for an admin."""
        if caller.id == self.session.coach_id:
            return "coach"
        if any(seat.student_id == caller.id for seat in self.seats):
            return "student"
        if "admin" in caller.roles:
            raise Forbidden("Only its coach and its students agree on another time.")
        raise NotFound(f"There is no session {self.session.id}.")


@dataclass(frozen=True)
class Wish:
    """Whose wish a move is, and what the other side agreed to, if anything."""

    asked_by: Side
    reason: str | None
    proposal_id: UUID | None = None


async def reschedule(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    body: MoveRequest,
    now: datetime,
) -> None:
    """Move the student's session at once.

    Raises NotFound, Forbidden for its coach, GroupNotMoved, WrongStatus, TooManyMoves,
    NeedsProposal, InvalidRequest, StudentBusy, SlotTaken or SlotNotOffered; then
    nothing has changed.
    """
    booked = (await lock(session, [session_id], now))[session_id]
    if booked.side(caller) == "coach":
        raise Forbidden("Propose another time to the student.")
    if booked.session.kind == "group":
        raise GroupNotMoved("Ask the coach, or book another session.")
    booked.require_movable(now)
    [seat] = booked.confirmed()
    moves.require_moves_left(seat.moves_by_student)
    if not moves.may_move_alone(terms_of(seat, now), now):
        raise NeedsProposal("Propose the other time; the coach accepts or declines it.")
    times.require_other_start(booked.session, body.start, now)
    target = await times.read_target(session, booked.session, seat, body.start, now)
    await require_free(session, [seat], target)
    target.refuse(target.reasons())
    await move(session, booked, [seat], target, Wish("student", body.reason), now)


async def require_free(
    session: AsyncSession, seats: Sequence[Seat], target: Target
) -> None:
    """Raise StudentBusy if one of these students is elsewhere then."""
    if await times.busy_students(session, seats, target.start, target.end):
        raise StudentBusy("Choose a time at which the student is free.")


async def lock(
    session: AsyncSession, ids: Collection[UUID], now: datetime
) -> dict[UUID, Booked]:
    """These sessions, alone with them and with the times of all their people.

    What stands in the way of the constraints, holds that ran out, is expired. Raises
    NotFound if one of them does not exist.
    """
    coaches, students = await _people(session, ids)
    await lock_people(session, coaches, students)
    await _lock_seats(session, ids, coaches, students, now)
    await expiry.expire_holds(session, coaches, students, now)
    seats = await _seats(session, ids)
    rows = (
        select(Session)
        .where(col(Session.id).in_(ids))
        .order_by(col(Session.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {
        row.id: Booked(row, [seat for seat in seats if seat.session_id == row.id])
        for row in await session.exec(rows)
    }


async def _people(
    session: AsyncSession, ids: Collection[UUID]
) -> tuple[set[UUID], set[UUID]]:
    query = (
        select(Session.id, Session.coach_id, Seat.student_id)
        .join(Seat, col(Seat.session_id) == col(Session.id))
        .where(col(Session.id).in_(ids))
    )
    found = (await session.exec(query)).all()
    for unknown in set(ids) - {session_id for session_id, _, _ in found}:
        raise NotFound(f"There is no session {unknown}.")
    return {coach for _, coach, _ in found}, {student for _, _, student in found}


async def _lock_seats(
    session: AsyncSession,
    ids: Collection[UUID],
    coaches: Collection[UUID],
    students: Collection[UUID],
    now: datetime,
) -> None:
    """Their seats and, in one order with them, the holds that are about to expire."""
    ran_out = and_(
        col(Seat.status) == Status.HELD,
        col(Seat.hold_expires_at) <= now,
        expiry.of_people(coaches, students),
    )
    await session.exec(
        select(Seat.id)
        .where(or_(col(Seat.session_id).in_(ids), ran_out))
        .order_by(col(Seat.id))
        .with_for_update()
    )


async def _seats(session: AsyncSession, ids: Collection[UUID]) -> Sequence[Seat]:
    query = (
        select(Seat)
        .where(col(Seat.session_id).in_(ids))
        .order_by(col(Seat.id))
        .execution_options(populate_existing=True)
    )
    return (await session.exec(query)).all()


async def move(
    session: AsyncSession,
    booked: Booked,
    seats: Sequence[Seat],
    target: Target,
    wish: Wish,
    now: datetime,
) -> None:
    """Take the session and these seats to the target, write it down and say it.

    The check before was made under the locks; the constraints have the last word all
    the same: raises SlotTaken or StudentBusy.
    """
    row, old = booked.session, (booked.session.starts_at, booked.session.ends_at)
    try:
        async with session.begin_nested():
            _place(row, seats, target, wish, now)
            await session.flush()
    except IntegrityError as error:
        if STUDENT_BUSY in str(error.orig):
            raise StudentBusy("Choose a time at which the student is free.") from error
        if SLOT_TAKEN in str(error.orig):
            others = target.alternatives()
            raise SlotTaken("Choose another time.", alternatives=others) from error
        raise
    session.add(_relocation(row, old[0], wish, now))
    await closing.end_proposals(session, [row], now, but=wish.proposal_id)
    await outbox.publish(session, _moved(row, seats, old, wish, now))


def _place(
    row: Session, seats: Sequence[Seat], target: Target, wish: Wish, now: datetime
) -> None:
    """Length and buffers are kept, in elapsed time."""
    by = target.start - row.starts_at
    row.starts_at, row.ends_at = target.start, target.end
    row.blocked_from += by
    row.blocked_until += by
    row.start_version += 1
    row.sequence += 1
    for seat in seats:
        after = moves.moved(terms_of(seat, now), wish.asked_by, target.start, now)
        seat.starts_at, seat.ends_at = target.start, target.end
        seat.marks, seat.moved_by_coach = list(after.marks), after.moved_by_coach
        seat.moves_by_student += wish.asked_by == "student"


def _relocation(
    row: Session, old_start: datetime, wish: Wish, now: datetime
) -> Relocation:
    return Relocation(
        session_id=row.id,
        at=now,
        old_start=old_start,
        start=row.starts_at,
        asked_by=wish.asked_by,
        reason=wish.reason,
        proposal_id=wish.proposal_id,
    )


def _moved(
    row: Session,
    seats: Sequence[Seat],
    old: tuple[datetime, datetime],
    wish: Wish,
    now: datetime,
) -> SessionMovedV1:
    return SessionMovedV1(
        occurred_at=now,
        session_id=row.id,
        coach_id=row.coach_id,
        seat_ids=tuple(seat.id for seat in seats),
        student_ids=tuple(seat.student_id for seat in seats),
        old_start=old[0],
        old_end=old[1],
        start=row.starts_at,
        end=row.ends_at,
        game=row.game,
        kind=row.kind,
        start_version=row.start_version,
        sequence=row.sequence,
        by=wish.asked_by,
        reason=wish.reason,
    )
