"""Who came to a session: evidence is noted once, and only while it counts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain import attendance
from services.booking.domain.attendance import Evidence, Presence, Side
from services.booking.models import Attendance, Seat, Session
from shared.ids import new_id


async def note_evidence(
    session: AsyncSession,
    booked: Session,
    seat: Seat | None,
    party: Side,
    kind: Evidence,
    now: datetime,
) -> bool:
    """Note that a side came: the student to its `seat`, the coach (None) to all seats.

    Returns whether it counts: from 15 minutes before the start to the end. The first
    of a kind is kept; noting it again changes nothing. The caller has locked the
    session's seats.
    """
    if not attendance.counts(booked.starts_at, booked.ends_at, now):
        return False
    values = {
        "id": new_id(),
        "session_id": booked.id,
        "seat_id": seat.id if seat else None,
        "start_version": booked.start_version,
        "party": party,
        "kind": kind,
        "at": now,
    }
    await session.exec(insert(Attendance).values(values).on_conflict_do_nothing())
    return True


async def presences(
    session: AsyncSession, rows: Sequence[tuple[Seat, Session]]
) -> dict[UUID, Presence]:
    """By seat, when both sides were first seen at its present start. One query.

    The rows are locked, or what is noted meanwhile is missed.
    """
    versions = {booked.id: booked.start_version for _, booked in rows}
    query = select(Attendance).where(col(Attendance.session_id).in_(versions))
    students: dict[UUID, datetime] = {}
    coaches: dict[UUID, datetime] = {}
    for each in await session.exec(query.order_by(col(Attendance.at).desc())):
        if each.start_version != versions[each.session_id]:
            continue
        if each.seat_id is None:
            coaches[each.session_id] = each.at
        else:
            students[each.seat_id] = each.at
    return {
        seat.id: Presence(students.get(seat.id), coaches.get(booked.id))
        for seat, booked in rows
    }
