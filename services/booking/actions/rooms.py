"""Rooms: wanted by the tick, made and closed at their vendor by a worker."""

import secrets
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import claims
from services.booking.clients.rooms import Rooms
from services.booking.clients.vendors import Refused
from services.booking.domain import calls
from services.booking.domain.calls import (
    AHEAD,
    CLOSES_AFTER,
    JOINABLE,
    OPEN,
    Door,
    Order,
    Provider,
    RoomState,
)
from services.booking.models import Room, Session
from shared.clock import Clock
from shared.db import Sessions, leave_work
from shared.errors import Outage

log = structlog.get_logger()

BATCH = 200

MOST_CLOSINGS = 20
"""After so many tries a room is left to run out by itself, which all of them do."""


async def prepare(session: AsyncSession, due_by: datetime) -> int:
    """Want a room for every session that starts within a day; return how many.

    A session that was moved wants another one. Repeated, it finds nothing.
    """
    wanted = 0
    while found := await _without_room(session, due_by):
        await want(session, *found)
        wanted += len(found)
    return wanted


async def want(session: AsyncSession, *sessions: Session) -> None:
    """A room for the present start of each, unless it has one.

    One that is closed is made anew: a late payment may bring a group back.
    """
    rooms = [_wanted(booked) for booked in sessions]
    wanted = insert(Room).values([room.model_dump() for room in rooms])
    anew = {name: wanted.excluded[name] for name in Room.model_fields if name != "id"}
    await session.exec(
        wanted.on_conflict_do_update(
            constraint="a_start_has_one_room",
            set_=anew | {"attempt": col(Room.attempt) + 1},
            where=col(Room.state) == RoomState.CLOSED,
        )
    )
    if any(room.due_at is not None for room in rooms):
        leave_work(session)


def _wanted(booked: Session) -> Room:
    """A link of the coach's own is there already; all others are to be made."""
    brought = booked.meeting is Provider.CUSTOM
    return Room(
        session_id=booked.id,
        start_version=booked.start_version,
        provider=booked.meeting,
        name=f"scrimline-{secrets.token_hex(16)}",
        state=RoomState.READY if brought else RoomState.WANTED,
        closes_at=booked.ends_at + CLOSES_AFTER,
        url=booked.meeting_url if brought else None,
        due_at=None if brought else claims.soon(),
    )


async def retire(session: AsyncSession, due_by: datetime) -> int:
    """Close the rooms of sessions that are cancelled, moved or long over."""
    retired = 0
    while found := await _of_no_use(session, due_by):
        for room in found:
            _retire(session, room)
        await session.flush()
        retired += len(found)
    return retired


async def attend_to_due(sessions: Sessions, rooms: Rooms, clock: Clock) -> int:
    """A worker's step: make or close the rooms that are due, again if need be."""

    async def attend(room: Room) -> None:
        await attend_to(sessions, rooms, room, clock.now())

    return await claims.work_off(sessions, Room, attend)


async def attend_to(
    sessions: Sessions, rooms: Rooms, room: Room, now: datetime
) -> None:
    """Ask the vendor about a claimed room, and keep what it said."""
    if room.state is RoomState.CLOSING:
        await _close(sessions, rooms, room)
        return
    answer: Door | Refused | Outage
    try:
        answer = await rooms.ensure_room(room.provider, await _order(sessions, room))
    except (Refused, Outage) as failure:
        log.warning("room.not_made", room=str(room.id), error=str(failure))
        answer = failure
    async with sessions.begin() as session:
        ours = await claims.still_ours(session, room)
        if ours is not None:
            _note(ours, answer, now)
            return
        present = await session.get(Room, room.id)
    if isinstance(answer, Door) and answer.external_id is not None:
        await _drop_second(rooms, room, answer.external_id, present)


async def waiting(session: AsyncSession) -> int:
    """How many rooms are to be made or closed and were not refused yet."""
    query = select(func.count()).where(
        col(Room.due_at).is_not(None), col(Room.state) != RoomState.FAILED
    )
    return (await session.exec(query)).one()


def _note(room: Room, answer: Door | Refused | Outage, now: datetime) -> None:
    room.claimed_until = None
    if room.state is RoomState.CLOSING:
        if isinstance(answer, Door):  # made while it was given up
            room.external_id = answer.external_id
        room.due_at = claims.soon()
        return
    if isinstance(answer, Door):
        room.url, room.host_url, room.external_id = answer
        room.state, room.due_at, room.last_error = RoomState.READY, None, None
        return
    room.failures += 1
    room.last_error = str(answer)
    if isinstance(answer, Refused):
        room.state = RoomState.FAILED
    pause = calls.pause_after(room.failures)
    room.due_at = None if now > room.closes_at else claims.soon() + pause


def _retire(session: AsyncSession, room: Room) -> None:
    """A room that may be there at the vendor is closed there as well."""
    being_made = room.claimed_until is not None
    if room.external_id is None and not being_made:
        room.state, room.due_at = RoomState.CLOSED, None
        return
    room.state, room.failures = RoomState.CLOSING, 0
    room.due_at = claims.soon()
    leave_work(session)


async def _close(sessions: Sessions, rooms: Rooms, room: Room) -> None:
    failure: Refused | Outage | None = None
    try:
        if room.external_id is not None:
            await rooms.close_room(room.provider, room.external_id)
    except (Refused, Outage) as error:
        log.warning("room.not_closed", room=str(room.id), error=str(error))
        failure = error
    async with sessions.begin() as session:
        ours = await claims.still_ours(session, room)
        if ours is None:
            return
        ours.claimed_until, ours.due_at = None, None
        if failure is None or room.failures >= MOST_CLOSINGS:
            ours.state = RoomState.CLOSED
            return
        ours.failures += 1
        ours.last_error = str(failure)
        ours.due_at = claims.soon() + calls.pause_after(ours.failures)


async def _drop_second(
    rooms: Rooms, room: Room, external_id: str, present: Room | None
) -> None:
    """Somebody else was at the room meanwhile: what we made is one too many."""
    if present is not None and present.state in OPEN:
        # a vendor that goes by our names may be telling somebody else of the same room
        same = present.external_id, present.name
        if external_id in same:
            return
    try:
        await rooms.close_room(room.provider, external_id)
    except (Refused, Outage) as failure:
        log.warning("room.left_over", room=str(room.id), error=str(failure))


async def _order(sessions: Sessions, room: Room) -> Order:
    async with sessions() as session:
        booked = await session.get_one(Session, room.session_id)
    hours = calls.hours(booked.starts_at, booked.ends_at)
    return Order(room.name, hours, booked.kind == "group")


async def _without_room(session: AsyncSession, due_by: datetime) -> Sequence[Session]:
    query = (
        select(Session)
        .where(
            col(Session.status).in_(JOINABLE),
            col(Session.starts_at) <= due_by + AHEAD,
            col(Session.ends_at) > due_by - CLOSES_AFTER,
            col(Session.starts_at) > due_by - AHEAD,  # what the index can use
            ~_has_room(),
        )
        .order_by(col(Session.starts_at))
        .limit(BATCH)
    )
    return (await session.exec(query)).all()


def _has_room() -> ColumnElement[bool]:
    return (
        select(Room.id)
        .where(
            col(Room.session_id) == col(Session.id),
            col(Room.start_version) == col(Session.start_version),
            col(Room.state) != RoomState.CLOSED,
        )
        .correlate(Session)
        .exists()
    )


async def _of_no_use(session: AsyncSession, due_by: datetime) -> Sequence[Room]:
    """Rooms that are open though nobody has to do with them any more."""
    query = (
        select(Room)
        .join(Session, col(Session.id) == col(Room.session_id))
        .where(
            col(Room.state).in_(OPEN),
            or_(
                col(Room.closes_at) < due_by,
                col(Room.start_version) != col(Session.start_version),
                col(Session.status).not_in(JOINABLE),
            ),
        )
        .order_by(col(Room.id))
        .limit(BATCH)
        .with_for_update(of=Room, skip_locked=True)
    )
    return (await session.exec(query)).all()


async def room_of(session: AsyncSession, booked: Session) -> Room | None:
    """The room of the session's present start, if it is wanted yet."""
    query = select(Room).where(
        col(Room.session_id) == booked.id,
        col(Room.start_version) == booked.start_version,
    )
    return (await session.exec(query)).one_or_none()
