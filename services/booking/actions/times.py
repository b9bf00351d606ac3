"""Another time for a session, asked of the rules of the listing (S9)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions.calendars import Offer, read_busy, read_offer
from services.booking.domain.lifecycle import LIVE
from services.booking.domain.listing import nearest
from services.booking.domain.problems import SlotNotOffered, SlotTaken
from services.booking.domain.proposals import OVERLAPS
from services.booking.domain.reasons import Reason, for_others, reasons
from services.booking.domain.slots import Busy, Calendar, slots
from services.booking.models import Seat, Session
from services.booking.schemas.slots import Alternative
from shared.errors import InvalidRequest
from shared.inputs import Money
from shared.statements import in_transaction

NEARBY = timedelta(days=3)
"""Alternatives are looked for this far before and after."""

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Target:
    """A wished start of a session, and the coach's times without the session itself.

    `present` is the start it has; `length` is kept, in elapsed time.
    """

    start: datetime
    length: timedelta
    present: datetime
    price: Money
    calendar: Calendar

    @property
    def minutes(self) -> int:
        return self.length // MINUTE

    @property
    def end(self) -> datetime:
        return self.start + self.length

    def reasons(self) -> list[Reason]:
        """Everything that speaks against it (S10)."""
        return reasons(self.calendar, self.minutes, self.start)

    def alternatives(self) -> list[dict[str, Any]]:
        """Up to five free times nearby, the present one not among them."""
        around = (self.start - NEARBY, self.start + NEARBY)
        present = self.present.timestamp()
        offered = slots(self.calendar, self.minutes, *around)
        free = [at for at in offered if at != present]
        return [
            Alternative(start=at, end=at + self.length, price=self.price).model_dump(
                mode="json"
            )
            for at in nearest(free, self.start)
        ]

    def refuse(self, against: Sequence[Reason]) -> None:
        """Raise SlotTaken or SlotNotOffered unless nothing is held against it."""
        if not against:
            return
        others = self.alternatives()
        if all(reason.code in OVERLAPS for reason in against):
            raise SlotTaken("Choose another time.", alternatives=others)
        raise SlotNotOffered(
            "Choose another time.",
            reasons=[reason._asdict() for reason in for_others(against)],
            alternatives=others,
        )


async def read_target(
    session: AsyncSession,
    booked: Session,
    seat: Seat,
    start: datetime,
    now: datetime,
) -> Target:
    """Read the rules of this moment; length and buffers stay those of the booking.

    The student is no new one, so a pause does not bind it. If this session was its
    first with the coach, it is one of the new students of the week it moves to.
    """
    connection = await in_transaction(session)
    offer = await read_offer(connection, booked.coach_id, seat.student_id, now)
    since, until = start - NEARBY, start + NEARBY
    busy = await read_busy(connection, booked.coach_id, offer, since, until, now)
    others = [each for each in busy if not _is(each, booked)]
    length = booked.ends_at - booked.starts_at
    policy = replace(
        offer.policy,
        durations=(length // MINUTE,),
        buffer_before=(booked.starts_at - booked.blocked_from) // MINUTE,
        buffer_after=(booked.blocked_until - booked.ends_at) // MINUTE,
        paused=False,
    )
    calendar = replace(
        offer.calendar(others, now),
        policy=policy,
        new_student=await _is_first(connection, booked, offer, now),
    )
    price = Money(amount=seat.price, currency=seat.currency)
    return Target(start, length, booked.starts_at, price, calendar)


def _is(busy: Busy, booked: Session) -> bool:
    """No other session of the coach starts when this one does."""
    return busy.counts and busy.start == booked.starts_at


async def _is_first(
    connection: asyncpg.Connection, booked: Session, offer: Offer, now: datetime
) -> bool:
    """Whether it is a student's first session with the coach, if that counts (S6)."""
    if offer.policy.max_students_per_week is None:
        return False
    start = booked.starts_at
    busy = await read_busy(
        connection, booked.coach_id, offer, start, start + MINUTE, now
    )
    return any(each.opened and _is(each, booked) for each in busy)


def require_other_start(booked: Session, start: datetime, now: datetime) -> None:
    """Raise InvalidRequest for the start it has, and for one that has gone by."""
    message = None
    if start == booked.starts_at:
        message = "is when the session starts already"
    elif start <= now:
        message = "must lie ahead"
    if message:
        raise InvalidRequest(
            "Choose another start.",
            errors=[{"field": "body.start", "message": message}],
        )


async def busy_students(
    session: AsyncSession, seats: Collection[Seat], start: datetime, end: datetime
) -> set[UUID]:
    """Of these seats' students those who are in another session then (S5)."""
    query = select(Seat.student_id).where(
        col(Seat.student_id).in_([seat.student_id for seat in seats]),
        col(Seat.id).not_in([seat.id for seat in seats]),
        col(Seat.status).in_(LIVE),
        col(Seat.starts_at) < end,
        col(Seat.ends_at) > start,
    )
    return set(await session.exec(query))
