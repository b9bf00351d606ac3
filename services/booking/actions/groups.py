"""Groups as a whole: how large they are and whether they take place."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import cancellation
from services.booking.actions.locks import lock_people
from services.booking.actions.seats import lock_seats
from services.booking.domain.groups import REASON, Fate, deadline, due_starts
from services.booking.domain.lifecycle import LIVE, Status
from services.booking.domain.problems import WrongStatus
from services.booking.models import Move, Seat, Session
from shared.auth import Caller
from shared.errors import NotFound

BATCH = 100
"""Groups that one tick decides about; what is left waits for the next minute's."""


async def enlarge(
    session: AsyncSession, coach_id: UUID, capacity: int, now: datetime
) -> None:
    """Let the coach's future groups have this many seats, unless they have more.

    Also one that nobody is in any more, as a late payment may bring it back.
    """
    await session.exec(
        update(Session)
        .where(
            col(Session.coach_id) == coach_id,
            col(Session.kind) == "group",
            col(Session.fate).is_distinct_from(Fate.CALLED_OFF),
            col(Session.starts_at) > now,
            col(Session.capacity) < capacity,
        )
        .values(capacity=capacity)
    )


async def run(
    session: AsyncSession, session_id: UUID, caller: Caller, now: datetime
) -> None:
    """The group takes place however few take part. Said again, it changes nothing.

    Raises NotFound for another's session, WrongStatus for what is no live group or
    from 24 hours before its start on, when it has been decided.
    """
    query = select(Session).where(col(Session.id) == session_id).with_for_update()
    booked = (await session.exec(query)).first()
    if booked is None or booked.coach_id != caller.id:
        raise NotFound(f"There is no session {session_id}.")
    if booked.fate is Fate.RUNS and booked.status in LIVE:
        return
    late = now >= deadline(booked.starts_at)
    if booked.kind != "group" or booked.status not in LIVE or late:
        detail = "Only a group that is open can be said to run, until 24 h before."
        raise WrongStatus(detail, session_status=booked.status)
    booked.fate = Fate.RUNS
    session.add(booked)


async def decide(session: AsyncSession, due_by: datetime, now: datetime) -> int:
    """Call off the groups that lack participants a day before, and let the others run.

    Returns how many were decided about. Each is decided once, however late; one that
    had enough participants when that was due runs although some left since.
    """
    due = (
        select(Session)
        .where(
            col(Session.kind) == "group",
            col(Session.fate).is_(None),
            col(Session.status).in_([Status.HELD, Status.CONFIRMED]),
            col(Session.starts_at) <= due_starts(due_by),
        )
        .order_by(col(Session.starts_at))
        .limit(BATCH)
    )
    found = (await session.exec(due)).all()
    if not found:
        return 0
    await lock_people(session, {each.coach_id for each in found}, [])
    seats = await lock_seats(session, [each.id for each in found], now)
    again = due.where(col(Session.id).in_([each.id for each in found]))
    fresh = again.with_for_update().execution_options(populate_existing=True)
    await _decide(session, (await session.exec(fresh)).all(), seats, now)
    return len(found)


async def _decide(
    session: AsyncSession,
    booked: Iterable[Session],
    seats: Iterable[Seat],
    now: datetime,
) -> None:
    left = await _left(session, seats)
    of: dict[UUID, list[Seat]] = defaultdict(list)
    for seat in seats:
        of[seat.session_id].append(seat)
    for each in booked:
        live = [seat for seat in of[each.id] if seat.status in LIVE]
        sold = [seat for seat in live if seat.status is not Status.HELD]
        due = deadline(each.starts_at)
        then = [seat for seat in of[each.id] if _took_part(seat, left, due)]
        if max(len(sold), len(then)) >= each.min_participants:
            each.fate = Fate.RUNS
            session.add(each)
        elif live:
            rows = [(seat, each) for seat in live]
            await cancellation.call_off(session, rows, "system", REASON, now)


async def _left(session: AsyncSession, seats: Iterable[Seat]) -> dict[UUID, datetime]:
    """When those were cancelled that had been confirmed."""
    gone = [s.id for s in seats if s.confirmed_at and s.status is Status.CANCELLED]
    query = select(Move.seat_id, Move.at).where(
        col(Move.seat_id).in_(gone), Move.to_status == Status.CANCELLED
    )
    return dict((await session.exec(query)).all())


def _took_part(seat: Seat, left: dict[UUID, datetime], at: datetime) -> bool:
    """Whether the seat was sold then."""
    if seat.confirmed_at is None or seat.confirmed_at > at:
        return False
    return seat.id not in left or left[seat.id] > at
