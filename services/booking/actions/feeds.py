"""Calendars that people's programs read: one session's, and all of one's own."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import people
from services.booking.domain import entries
from services.booking.domain.entries import MOST_ENTRIES, PAST, Entry
from services.booking.domain.lifecycle import Status, words
from services.booking.domain.policy import LONGEST_HORIZON
from services.booking.domain.problems import WrongStatus
from services.booking.models import CalendarToken, Seat, Session
from shared.errors import NotFound


async def session_entries(
    session: AsyncSession, session_id: UUID, user_id: UUID, public_url: str
) -> bytes:
    """The entries of one session: the caller's own seat, or all of them for the coach.

    Raises NotFound for others than its people, WrongStatus before it is confirmed.
    """
    query = (
        select(Seat, Session)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Session.id) == session_id,
            or_(col(Seat.student_id) == user_id, col(Session.coach_id) == user_id),
        )
        .order_by(col(Seat.id))
    )
    rows = (await session.exec(query)).all()
    if not rows:
        raise NotFound(f"There is no session {session_id}.")
    confirmed = [row for row in rows if row[0].confirmed_at is not None]
    if not confirmed:
        status = rows[0][0].status
        detail = f"A session that is {words(status)} is in no calendar."
        raise WrongStatus(detail, session_status=status)
    return await _calendar(session, confirmed, user_id, public_url)


async def make_token(session: AsyncSession, user_id: UUID, now: datetime) -> str:
    """A new token for the user's calendar; the one before is good no longer.

    It is told this once: only its digest is kept.
    """
    token = secrets.token_urlsafe(32)
    values = {"digest": _digest(token), "created_at": now}
    await session.exec(
        insert(CalendarToken)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )
    return token


async def revoke_token(session: AsyncSession, user_id: UUID) -> None:
    """Nobody reads the user's calendar by a token from now on. May be repeated."""
    mine = col(CalendarToken.user_id) == user_id
    await session.exec(delete(CalendarToken).where(mine))


async def own_calendar(
    session: AsyncSession, token: str, now: datetime, public_url: str
) -> bytes:
    """The sessions of the token's owner, 30 days back and as far ahead as there are.

    Raises NotFound for a token that is not good (any more). Three queries.
    """
    query = select(CalendarToken.user_id).where(
        col(CalendarToken.digest) == _digest(token)
    )
    user_id = (await session.exec(query)).one_or_none()
    if user_id is None:
        raise NotFound("There is no such calendar (any more).")
    rows = await _sessions_of(session, user_id, now)
    return await _calendar(session, rows, user_id, public_url)


async def _sessions_of(
    session: AsyncSession, user_id: UUID, now: datetime
) -> Sequence[tuple[Seat, Session]]:
    """Seats that were confirmed once, the latest start last; bounded."""
    since, until = now - PAST, now + timedelta(days=LONGEST_HORIZON + 1)
    # two ways to a session, an index for each
    attended = select(Seat.session_id).where(
        col(Seat.student_id) == user_id, col(Seat.starts_at).between(since, until)
    )
    given = select(Session.id).where(
        col(Session.coach_id) == user_id, col(Session.starts_at).between(since, until)
    )
    query = (
        select(Seat, Session)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Session.id).in_(union_all(attended, given)),
            or_(col(Seat.student_id) == user_id, col(Session.coach_id) == user_id),
            col(Seat.confirmed_at).is_not(None),
            col(Session.starts_at).between(since, until),
        )
        .order_by(col(Session.starts_at), col(Seat.id))
        .limit(MOST_ENTRIES)
    )
    return (await session.exec(query)).all()


async def _calendar(
    session: AsyncSession,
    rows: Sequence[tuple[Seat, Session]],
    user_id: UUID,
    public_url: str,
) -> bytes:
    others = {_other(seat, booked, user_id) for seat, booked in rows}
    names = await people.names(session, others)
    found = [
        _entry(seat, booked, _name(names, seat, booked, user_id))
        for seat, booked in rows
    ]
    return entries.calendar(found, public_url)


def _other(seat: Seat, booked: Session, user_id: UUID) -> UUID:
    return booked.coach_id if seat.student_id == user_id else seat.student_id


def _name(names: dict[UUID, str], seat: Seat, booked: Session, user_id: UUID) -> str:
    unknown = "your coach" if seat.student_id == user_id else "a student"
    return names.get(_other(seat, booked, user_id), unknown)


def _entry(seat: Seat, booked: Session, other: str) -> Entry:
    assert seat.confirmed_at is not None
    return Entry(
        seat_id=seat.id,
        session_id=booked.id,
        start=booked.starts_at,
        end=booked.ends_at,
        sequence=booked.sequence,
        cancelled=seat.status is Status.CANCELLED,
        group=booked.kind == "group",
        other=other,
        stamped_at=seat.confirmed_at,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
