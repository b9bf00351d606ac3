"""Coaches' own calendars: subscribed to, read by a worker, taken into account."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy
import structlog
from sqlalchemy import Select, bindparam, func, insert, literal, null, update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import claims
from services.booking.actions.coaches import get_coach
from services.booking.actions.locks import lock_people
from services.booking.clients.calendars import Calendars
from services.booking.domain import busy_calendars
from services.booking.domain.busy_calendars import (
    EVERY,
    LATER,
    MOST_CALENDARS,
    Range,
    TooCostly,
    Unreadable,
)
from services.booking.domain.policy import LONGEST_HORIZON
from services.booking.domain.problems import TooManyCalendars
from services.booking.models import BusyCalendar, BusyTime, StoredSchedule
from services.booking.schemas.calendars import BusyCalendars, BusyCalendarView
from shared.clock import Clock
from shared.db import Sessions, leave_work
from shared.errors import NotFound
from shared.ids import new_id

log = structlog.get_logger()

BATCH = 500
AHEAD = timedelta(days=LONGEST_HORIZON + 2)
"""No session is sold further ahead, in whatever zone."""


async def subscribe(
    session: AsyncSession, coach_id: UUID, name: str, url: str, now: datetime
) -> BusyCalendarView:
    """Have the calendar read at once. Another URL for a name forgets what was read.

    Raises NotFound for who is no coach, TooManyCalendars beyond five.
    """
    await get_coach(session, coach_id)
    await lock_people(session, [coach_id], [])
    known = await _find(session, coach_id, name)
    if known is not None and known.url == url:
        known.due_at = claims.soon()
        leave_work(session)
        return _view(known, await _count(session, known.id), now)
    if known is not None:
        await session.delete(known)
        await session.flush()
    elif await _how_many(session, coach_id) >= MOST_CALENDARS:
        raise TooManyCalendars(f"At most {MOST_CALENDARS}: remove one first.")
    calendar = BusyCalendar(
        id=new_id(),
        coach_id=coach_id,
        name=name,
        url=url,
        next_at=now + EVERY,
        due_at=claims.soon(),
    )
    session.add(calendar)
    leave_work(session)
    return _view(calendar, 0, now)


async def unsubscribe(session: AsyncSession, coach_id: UUID, name: str) -> None:
    """Its times go with it. Raises NotFound if there is no such calendar."""
    await lock_people(session, [coach_id], [])
    known = await _find(session, coach_id, name)
    if known is None:
        raise NotFound(f"There is no calendar {name}.")
    await session.delete(known)


async def list_calendars(
    session: AsyncSession, coach_id: UUID, now: datetime
) -> BusyCalendars:
    """All of the coach's, by name, in one query."""
    query = (
        select(BusyCalendar, func.count(col(BusyTime.starts_at)))
        .outerjoin(BusyTime, col(BusyTime.calendar_id) == col(BusyCalendar.id))
        .where(col(BusyCalendar.coach_id) == coach_id)
        .group_by(col(BusyCalendar.id))
        .order_by(col(BusyCalendar.name))
    )
    rows = (await session.exec(query)).all()
    return BusyCalendars(items=[_view(each, count, now) for each, count in rows])


async def want_due(session: AsyncSession, due_by: datetime) -> int:
    """Have those read whose quarter of an hour is over; return how many."""
    due = (
        select(col(BusyCalendar.id))
        .where(col(BusyCalendar.next_at) <= due_by, col(BusyCalendar.due_at).is_(None))
        .order_by(col(BusyCalendar.next_at))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    wanted = 0
    while True:
        statement = (
            update(BusyCalendar)
            .where(col(BusyCalendar.id).in_(due.scalar_subquery()))
            .values(due_at=claims.soon())
            .returning(col(BusyCalendar.id))
        )
        found = len((await session.exec(statement)).all())
        if not found:
            break
        wanted += found
        leave_work(session)
    return wanted


def private_times(more: int) -> Select[*tuple[Any, ...]]:
    """What coaches' own calendars say, as long as they can be believed.

    In the columns of a `Busy` and `more` of which they say nothing. It asks for the
    parameters `coach_id`, `since`, `until` and `fresh_since`.
    """
    nothing: list[Any] = [null()] * more
    return (
        sqlalchemy.select(
            col(BusyTime.starts_at),
            col(BusyTime.ends_at),
            literal(0),
            literal(0),
            literal(False),
            literal(0),
            *nothing,
        )
        .join(BusyCalendar, col(BusyCalendar.id) == col(BusyTime.calendar_id))
        .where(
            col(BusyTime.coach_id) == bindparam("coach_id"),
            col(BusyTime.ends_at) > bindparam("since"),
            col(BusyTime.starts_at) < bindparam("until"),
            col(BusyCalendar.read_at) > bindparam("fresh_since"),
        )
    )


async def read_due(sessions: Sessions, calendars: Calendars, clock: Clock) -> int:
    """A worker's step: read the calendars that are due, outside any transaction."""

    async def read(calendar: BusyCalendar) -> None:
        await _read(sessions, calendars, calendar, clock.now())

    return await claims.work_off(sessions, BusyCalendar, read)


async def waiting(session: AsyncSession) -> int:
    """How many calendars are to be read now."""
    query = select(func.count()).where(col(BusyCalendar.due_at).is_not(None))
    return (await session.exec(query)).one()


async def _read(
    sessions: Sessions, calendars: Calendars, calendar: BusyCalendar, now: datetime
) -> None:
    found: Sequence[Range] | Unreadable
    try:
        source = await calendars.read(calendar.url)
        async with sessions() as session:
            schedule = await session.get(StoredSchedule, calendar.coach_id)
        zone = schedule.document["timezone"] if schedule else "UTC"
        found = await asyncio.to_thread(
            busy_calendars.busy_times, source, zone, now, now + AHEAD
        )
    except Unreadable as failure:
        log.warning("calendar.not_read", calendar=str(calendar.id), error=str(failure))
        found = failure
    async with sessions.begin() as session:
        ours = await claims.still_ours(session, calendar)
        if ours is not None:
            await _note(session, ours, found, now)


async def _note(
    session: AsyncSession,
    calendar: BusyCalendar,
    found: Sequence[Range] | Unreadable,
    now: datetime,
) -> None:
    """What was read replaces all before; what failed leaves it as it was."""
    calendar.due_at = calendar.claimed_until = None
    calendar.checked_at = now
    costly = isinstance(found, TooCostly)
    calendar.next_at = now + (LATER if costly else EVERY)
    if isinstance(found, Unreadable):
        calendar.last_error = str(found)
        return
    calendar.last_error, calendar.read_at = None, now
    mine = col(BusyTime.calendar_id) == calendar.id
    await session.exec(delete(BusyTime).where(mine))
    rows = [
        {
            "calendar_id": calendar.id,
            "coach_id": calendar.coach_id,
            "starts_at": each.start,
            "ends_at": each.end,
        }
        for each in found
    ]
    if rows:
        await session.exec(insert(BusyTime), params=rows)


async def _find(
    session: AsyncSession, coach_id: UUID, name: str
) -> BusyCalendar | None:
    query = (
        select(BusyCalendar)
        .where(col(BusyCalendar.coach_id) == coach_id, col(BusyCalendar.name) == name)
        .with_for_update()
    )
    return (await session.exec(query)).one_or_none()


async def _how_many(session: AsyncSession, coach_id: UUID) -> int:
    query = select(func.count()).where(col(BusyCalendar.coach_id) == coach_id)
    return (await session.exec(query)).one()


async def _count(session: AsyncSession, calendar_id: UUID) -> int:
    query = select(func.count()).where(col(BusyTime.calendar_id) == calendar_id)
    return (await session.exec(query)).one()


def _view(calendar: BusyCalendar, busy: int, now: datetime) -> BusyCalendarView:
    return BusyCalendarView(
        name=calendar.name,
        url=calendar.url,
        state=busy_calendars.state(calendar.read_at, calendar.last_error, now),
        last_read_at=calendar.read_at,
        last_tried_at=calendar.checked_at,
        last_error=calendar.last_error,
        busy=busy,
    )
