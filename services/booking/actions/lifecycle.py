"""What coach and student say of a session while it takes place, and right after.

Every verb raises NotFound for others than the session's people and admins, Forbidden
for the wrong one of them, InvalidRequest if it could mean several seats, WrongStatus if
the seat is not one to do it to (any more), and TooEarly or TooLate.
"""

from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import attendance, history, outcomes, seats
from services.booking.actions.outcomes import Outcome
from services.booking.actions.seats import Locked
from services.booking.actions.sessions import shown_status
from services.booking.domain import attendance as rules
from services.booking.domain.attendance import Evidence, Missed, Side
from services.booking.domain.lifecycle import Status, require
from services.booking.domain.problems import WrongStatus
from services.booking.models import Seat
from services.booking.schemas.attendance import Absence, SeatVerb
from shared.auth import Caller
from shared.errors import Forbidden

UNDER_WAY = (Status.CONFIRMED, Status.IN_PROGRESS)
"""Seats whose outcome is open."""


async def start(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """The coach begins: every confirmed seat is in progress, and the coach has come."""
    found = await seats.lock(session, session_id, caller, now)
    found.require("coach")
    named = found.seat(said.seat_id) if said.seat_id else found.most_alive
    confirmed = [seat for seat in found.seats if seat.status is Status.CONFIRMED]
    if not confirmed:
        require(shown_status(named, now), Status.CONFIRMED)
    booked = found.booked
    rules.require_start(booked.starts_at, booked.ends_at, now)
    await attendance.note_evidence(
        session, booked, None, "coach", Evidence.STARTED, now
    )
    presences = await attendance.presences(session, found.rows)
    steps = [
        history.Step(
            seat,
            booked,
            Status.IN_PROGRESS,
            now,
            "coach",
            said.reason,
            presences[seat.id].as_evidence(),
        )
        for seat in confirmed
    ]
    await history.move_seats(session, steps)


async def complete(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """The coach ends the seat; it took place."""
    found = await seats.lock(session, session_id, caller, now)
    found.require("coach")
    seat, booked = found.seat(said.seat_id), found.booked
    require(shown_status(seat, now), *UNDER_WAY)
    rules.require_complete(booked.starts_at, booked.ends_at, now)
    await _settle(session, found, seat, None, said.reason, now)


async def check_in(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """Coach or student is here; said again it changes nothing.

    Also who is said to be missing already may say so: it speaks for contesting that.
    """
    found = await seats.lock(session, session_id, caller, now)
    found.require("student", "coach")
    seat = found.seat(said.seat_id) if said.seat_id else found.most_alive
    require(shown_status(seat, now), *UNDER_WAY, Status.NO_SHOW)
    booked = found.booked
    rules.require_check_in(booked.starts_at, booked.ends_at, now)
    side: Side = "student" if found.side == "student" else "coach"
    mine = seat if side == "student" else None
    await attendance.note_evidence(
        session, booked, mine, side, Evidence.CHECKED_IN, now
    )


async def report_absence(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: Absence,
    now: datetime,
) -> None:
    """The coach says who did not come; of itself that is final at once.

    Raises HasCome if there is evidence of the student it would name.
    """
    found = await seats.lock(session, session_id, caller, now)
    found.require("coach")
    seat, booked = found.seat(said.seat_id), found.booked
    require(shown_status(seat, now), *UNDER_WAY)
    presences = await attendance.presences(session, found.rows)
    rules.require_no_show(said.party, booked.starts_at, presences[seat.id], now)
    if said.party == "coach":
        await outcomes.admit(session, [(seat, booked)], said.reason, now)
    else:
        await _settle(session, found, seat, "student", said.reason, now)


async def waive(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """The coach no longer says that the student was missing: the seat took place."""
    found = await seats.lock(session, session_id, caller, now)
    found.require("coach")
    seat = found.seat(said.seat_id)
    missed = _require_provisional(seat, now)
    if missed != "student":
        detail = "Only the student's no-show can be waived."
        raise WrongStatus(detail, session_status=seat.status)
    await _settle(session, found, seat, None, said.reason, now)


async def contest(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """A side that was said to be missing says that the session took place."""
    found = await seats.lock(session, session_id, caller, now)
    found.require("student", "coach")
    seat = found.seat(said.seat_id)
    missed = _require_provisional(seat, now)
    if missed not in (found.side, "both"):
        raise Forbidden(f"Only the {missed} may contest this.")
    await _settle(session, found, seat, None, said.reason, now)


def _require_provisional(seat: Seat, now: datetime) -> str:
    """Who is said to have missed the seat, as long as that may change."""
    require(shown_status(seat, now), Status.NO_SHOW)
    assert seat.no_show is not None
    assert seat.provisional_until is not None
    rules.require_provisional(seat.provisional_until, seat.no_show_final, now)
    return seat.no_show


async def _settle(
    session: AsyncSession,
    found: Locked,
    seat: Seat,
    missed: Missed | None,
    reason: str | None,
    now: datetime,
) -> None:
    presences = await attendance.presences(session, [(seat, found.booked)])
    presence = presences[seat.id]
    outcome = Outcome(seat, found.booked, missed, presence, now, found.side, reason)
    await outcomes.settle(session, [outcome], now)
