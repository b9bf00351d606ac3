"""Sessions at every age, put into the tables as time and people would have left them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.booking.domain.lifecycle import Status
from services.booking.models import ReportedProblem, Seat, Session
from shared.db import Sessions
from shared.ids import new_id
from tests.given import NOW

HOUR = timedelta(hours=1)


async def lived_sessions(sessions: Sessions, me: UUID, other: UUID) -> list[UUID]:
    """Some that `me` coaches, some that `me` takes, and some of strangers.

    Of the first one is under way, some were never ended and of some the student is said
    to be missing; so are those that `me` takes; the strangers' have a problem.
    """
    coached = [(me, other, NOW - 5 * HOUR / 60, Status.CONFIRMED)]
    coached += [(me, other, NOW - n * HOUR, Status.CONFIRMED) for n in (2, 3, 4)]
    coached += [(me, other, NOW - n * HOUR, Status.NO_SHOW) for n in (5, 6)]
    taken = [(other, me, NOW - n * HOUR, Status.NO_SHOW) for n in (2, 3, 4)]
    foreign = [(other, new_id(), NOW - n * HOUR, Status.COMPLETED) for n in (5, 6, 7)]
    ids = []
    async with sessions.begin() as session:
        for coach, student, start, status in coached + taken + foreign:
            booked, seat = _rows(coach, student, start, status)
            session.add(booked)
            await session.flush()
            session.add(seat)
            await session.flush()
            if status is Status.COMPLETED:
                problem = ReportedProblem(seat_id=seat.id, reason=None, reported_at=NOW)
                session.add(problem)
            ids.append(booked.id)
    return ids


def _rows(
    coach: UUID, student: UUID, start: datetime, status: Status
) -> tuple[Session, Seat]:
    times: dict[str, Any] = {
        "starts_at": start,
        "ends_at": start + HOUR,
        "status": status,
    }
    booked = Session(
        coach_id=coach,
        blocked_from=start,
        blocked_until=start + HOUR,
        kind="individual",
        game=None,
        **times,
    )
    missed: dict[str, Any] = {}
    if status is Status.NO_SHOW:
        missed = {"no_show": "student", "provisional_until": NOW + 20 * HOUR}
    seat = Seat(
        session_id=booked.id,
        student_id=student,
        price=6000,
        currency="USD",
        fee_percent=15,
        tiers=[[24, 100], [0, 0]],
        goals=None,
        created_at=NOW - 24 * HOUR,
        hold_expires_at=None,
        confirmed_at=NOW - 24 * HOUR,
        payment_id=new_id(),
        **times,
        **missed,
    )
    return booked, seat
