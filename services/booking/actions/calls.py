"""Joining a call: who may, that they came, and where they enter."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import attendance, claims, people, rooms
from services.booking.clients.rooms import Rooms
from services.booking.clients.vendors import Refused
from services.booking.domain import calls
from services.booking.domain.attendance import Evidence, Side
from services.booking.domain.calls import (
    JOINABLE,
    OPEN,
    Door,
    Guest,
    Provider,
    RoomState,
)
from services.booking.domain.problems import RoomUnavailable
from services.booking.models import Room, Seat, Session
from services.booking.schemas.calls import Ticket
from shared.auth import Caller
from shared.db import Sessions
from shared.errors import NotFound, Outage

log = structlog.get_logger()

PATIENCE = 10.0
"""Seconds, real time, in which a room that somebody else is making is waited for."""

GLANCE = 0.2
RETRY_AFTER = 15


@dataclass(frozen=True)
class Doorman:
    """Who runs calls, and whether Jitsi takes those whose own provider is down."""

    rooms: Rooms
    fallback: bool


async def join(
    sessions: Sessions,
    doorman: Doorman,
    session_id: UUID,
    caller: Caller,
    now: datetime,
) -> Ticket:
    """A link for this person, who has come by asking for it.

    Raises NotFound for others than its people, WrongStatus, CallNotOpen, and
    RoomUnavailable when no room can be had; the coming is noted then too. May be
    repeated: all meet in one room. Commits in steps, as it waits for a vendor.
    """
    async with sessions.begin() as session:
        booked, guest = await _let_in(session, session_id, caller, now)
    try:
        room = await _room(sessions, doorman, booked, now)
        url = await _ticket(doorman, room, booked, guest)
    except (Refused, Outage) as failure:
        log.warning("call.no_ticket", session=str(session_id), error=str(failure))
        raise RoomUnavailable(
            "Your coming is noted. Try again in a moment.", retry_after=RETRY_AFTER
        ) from failure
    changed = room.provider is not booked.meeting
    return Ticket(url=url, provider=room.provider.value, fallback=changed)


async def _let_in(
    session: AsyncSession, session_id: UUID, caller: Caller, now: datetime
) -> tuple[Session, Guest]:
    """The session and who enters it; notes that they came.

    The seats are locked, or a tick decides about them before what is noted is there.
    """
    query = select(Seat).where(col(Seat.session_id) == session_id)
    lock = query.order_by(col(Seat.id)).with_for_update(key_share=True)
    seats = (await session.exec(lock)).all()
    booked = await session.get(Session, session_id)
    if booked is None:
        raise NotFound(f"There is no session {session_id}.")
    if caller.id == booked.coach_id:
        mine, own = seats, None
    else:
        mine = [seat for seat in seats if seat.student_id == caller.id]
        own = _livest(mine)
        if own is None:
            raise NotFound(f"There is no session {session_id}.")
    statuses = [seat.status for seat in mine]
    calls.require_open(statuses, booked.starts_at, booked.ends_at, now)
    side: Side = "student" if own else "coach"
    joined = Evidence.JOINED
    await attendance.note_evidence(session, booked, own, side, joined, now)
    await rooms.want(session, booked)
    names = await people.names(session, [caller.id])
    name = names.get(caller.id, side.capitalize())
    return booked, Guest(caller.id, name, side)


def _livest(seats: Sequence[Seat]) -> Seat | None:
    """The seat that can be joined, if any; somebody may have cancelled one before."""
    return min(seats, key=lambda seat: seat.status not in JOINABLE, default=None)


async def _room(
    sessions: Sessions, doorman: Doorman, booked: Session, now: datetime
) -> Room:
    """The session's room, made now if need be; without a door if it cannot be."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        async with sessions.begin() as session:
            room = await _present(session, booked)
            if room.state is RoomState.READY:
                return room
            claimed = await claims.claim(session, Room, room.id)
        if claimed is not None:
            await rooms.attend_to(sessions, doorman.rooms, claimed, now)
            break
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(GLANCE)
    async with sessions() as session:
        room = await _present(session, booked)
    if room.state is not RoomState.READY and doorman.fallback:
        return await _fall_back(sessions, doorman.rooms, booked, room.name)
    return room


async def _present(session: AsyncSession, booked: Session) -> Room:
    """The room as it is now; raises Outage when there is none to be had any more."""
    room = await rooms.room_of(session, booked)
    if room is None or room.state not in OPEN:
        raise Outage("the session was moved or has ended meanwhile")
    return room


async def _fall_back(
    sessions: Sessions, hosts: Rooms, booked: Session, name: str
) -> Room:
    """The session takes place at Jitsi from now on, also for who comes later.

    Only while nobody can be elsewhere: a room that is ready stays what it is.
    """
    order = calls.Order(name, calls.hours(booked.starts_at, booked.ends_at))
    door = await hosts.ensure_room(Provider.JITSI, order)
    async with sessions.begin() as session:
        room = await _present(session, booked)
        await session.refresh(room, with_for_update=True)
        if room.state in (RoomState.WANTED, RoomState.FAILED):
            log.warning("room.fell_back", room=str(room.id), provider=room.provider)
            room.provider, room.state = Provider.JITSI, RoomState.READY
            room.url, room.host_url, room.external_id = door
            room.attempt += 1  # whoever is still asking the vendor has lost
            room.due_at = room.claimed_until = None
    return room


async def _ticket(doorman: Doorman, room: Room, booked: Session, guest: Guest) -> str:
    if room.url is None:
        raise Outage("the room is not there yet")
    door = Door(room.url, room.host_url, room.external_id)
    hours = calls.hours(booked.starts_at, booked.ends_at)
    return await doorman.rooms.ticket(room.provider, room.name, door, guest, hours)
