"""What the minute's tick decides about seats nobody has ended."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from services.booking.actions import attendance, outcomes
from services.booking.actions.outcomes import Outcome
from services.booking.domain import attendance as rules
from services.booking.domain.attendance import LATEST, NUDGE, PATIENCE, Presence, Side
from services.booking.domain.lifecycle import Status
from services.booking.models import Seat, Session
from shared import outbox
from shared.contracts.booking import AttendanceMissingV1

BATCH = 200
MOST = 50
"""Looks a tick; what is left after so many is for the next one."""

PAUSE = 0.02
"""Seconds between two looks at what somebody else is about to change."""

Rows = Sequence[tuple[Seat, Session]]
Query = Select[Seat, Session]


async def decide_due(session: AsyncSession, until: datetime, now: datetime) -> int:
    """Remind who is missing and decide what is due by then; how many were looked at."""
    looked = 0
    async for rows in _batches(session, _begun(until)):
        presences = await attendance.presences(session, rows)
        await outbox.publish(session, *_reminders(rows, presences, now))
        for seat, _ in rows:
            seat.looked_at = rules.milestone(seat.starts_at, until)
        await outcomes.settle(session, list(_decide(rows, presences, until)), now)
        await session.flush()
        looked += len(rows)
    return looked


async def finalise_due(session: AsyncSession, until: datetime, now: datetime) -> int:
    """No-shows that nobody contested in time stand; how many they were."""
    final = 0
    query = _seats().where(
        col(Seat.status) == Status.NO_SHOW,
        ~col(Seat.no_show_final),
        col(Seat.provisional_until) <= until,
    )
    async for rows in _batches(session, query):
        await outcomes.finalise(session, rows, now)
        await session.flush()
        final += len(rows)
    return final


def _begun(until: datetime) -> Query:
    """Open seats that were not looked at since they should have been."""
    start, looked_at = col(Seat.starts_at), col(Seat.looked_at)
    unseen = [
        and_(
            start <= until - after,
            or_(looked_at.is_(None), looked_at < start + after),
        )
        for after in (NUDGE, PATIENCE)
    ]
    return _seats().where(
        col(Seat.status).in_((Status.CONFIRMED, Status.IN_PROGRESS)),
        start <= until - NUDGE,
        or_(*unseen, col(Seat.ends_at) <= until - LATEST),
    )


def _seats() -> Query:
    return select(Seat, Session).join(Session, col(Session.id) == col(Seat.session_id))


async def _batches(session: AsyncSession, query: Query) -> AsyncIterator[Rows]:
    """Locked seats of the query until there are none; each is to leave it by a flush.

    One that somebody else is about to change is looked for again, for a second. Nobody
    waits for its lock: they may wait for one of ours.
    """
    for _ in range(MOST):
        if rows := await _locked(session, query):
            yield rows
        elif await _are_there(session, query):
            await asyncio.sleep(PAUSE)
        else:
            break


async def _locked(session: AsyncSession, query: Query) -> Rows:
    """Not what somebody is about to change; what a new row points at is not that."""
    lock = query.with_for_update(of=[Seat, Session], skip_locked=True, key_share=True)
    first = lock.order_by(col(Seat.starts_at), col(Seat.id)).limit(BATCH)
    return (await session.exec(first)).all()


async def _are_there(session: AsyncSession, query: Query) -> bool:
    one = query.with_only_columns(col(Seat.id)).limit(1)
    return (await (await session.connection()).execute(one)).first() is not None


def _reminders(
    rows: Rows, presences: dict[UUID, Presence], now: datetime
) -> Iterator[AttendanceMissingV1]:
    """One for each student that is missing, and one for the coach of a session."""
    for seat, booked in rows:
        missing = rules.to_nudge(booked.starts_at, presences[seat.id], now)
        if missing in ("student", "both"):
            yield _reminder(seat, booked, "student", now)
        if (
            missing in ("coach", "both")
            and booked.coach_nudged_version != booked.start_version
        ):
            booked.coach_nudged_version = booked.start_version
            yield _reminder(seat, booked, "coach", now)


def _reminder(
    seat: Seat, booked: Session, party: Side, now: datetime
) -> AttendanceMissingV1:
    of_all = party == "coach" and booked.kind == "group"
    return AttendanceMissingV1(
        occurred_at=now,
        session_id=booked.id,
        seat_id=None if of_all else seat.id,
        coach_id=booked.coach_id,
        student_id=None if of_all else seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        start_version=booked.start_version,
        party=party,
    )


def _decide(
    rows: Rows, presences: dict[UUID, Presence], until: datetime
) -> Iterator[Outcome]:
    for seat, booked in rows:
        presence = presences[seat.id]
        found = rules.verdict(
            booked.starts_at,
            booked.ends_at,
            presence,
            until,
            in_progress=seat.status is Status.IN_PROGRESS,
        )
        if found is not None:
            seen = presence.until(found.at)
            yield Outcome(seat, booked, found.missed, seen, found.at, "system")
