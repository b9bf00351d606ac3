"""What decides about a coach's slots, read alike for listing and for booking (S9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import sqlmodel
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions.busy_calendars import private_times
from services.booking.actions.documents import (
    policy_in,
    policy_of,
    schedule_in,
    schedule_of,
)
from services.booking.actions.strikes import pausing
from services.booking.domain.busy_calendars import STALE_AFTER
from services.booking.domain.lifecycle import COUNTED, LIVE, Status
from services.booking.domain.policy import LONGEST, Policy
from services.booking.domain.reasons import covers
from services.booking.domain.schedule import Schedule
from services.booking.domain.seats import Kind
from services.booking.domain.slots import Busy, Calendar, OpenGroup, relevant
from services.booking.models import Coach, Seat, Session, StoredPolicy, StoredSchedule
from shared.errors import InvalidRequest, NotFound
from shared.statements import Statement

LASTING = COUNTED - {Status.HELD}
"""What counts for caps and makes a student known, beside holds that still run."""

NOW: BindParameter[datetime] = bindparam("now")
COACH: BindParameter[UUID] = bindparam("coach_id")
STUDENT: BindParameter[UUID | None] = bindparam("student_id")

EMPTY = Schedule("UTC")


@dataclass(frozen=True)
class Offer:
    """What a coach offers to one student; `known` means not a new one."""

    listed: bool
    currency: str
    hourly_rate: int
    group_rate: int | None
    game_rates: dict[str, int | None]
    schedule: Schedule
    policy: Policy
    known: bool

    @property
    def has_groups(self) -> bool:
        return self.policy.group.enabled and self.group_rate is not None

    def rate(
        self, game: str | None, where: str = "query.game", kind: Kind = "individual"
    ) -> int:
        """Minor units an hour; InvalidRequest on the field `where` for another game."""
        if game is not None and game not in self.game_rates:
            raise InvalidRequest(
                "The coach does not teach this game.",
                errors=[{"field": where, "message": "is not a game of this coach"}],
            )
        if kind == "group" and self.group_rate is not None:
            return self.group_rate
        own = None if game is None else self.game_rates[game]
        return self.hourly_rate if own is None else own

    def calendar(
        self, busy: Sequence[Busy], now: datetime, groups: Sequence[OpenGroup] = ()
    ) -> Calendar:
        return Calendar(
            self.schedule, self.policy, busy, now, not self.known, self.listed, groups
        )


async def read_offer(
    connection: asyncpg.Connection,
    coach_id: UUID,
    student_id: UUID | None,
    now: datetime,
) -> Offer:
    """One query. Raises NotFound for an unknown coach."""
    rows = await OFFER.fetch(
        connection, coach_id=coach_id, student_id=student_id, now=now
    )
    if not rows:
        raise NotFound(f"There is no coach {coach_id}.")
    listed, currency, rate, group_rate, game_rates, schedule, policy, known = rows[0]
    return Offer(
        listed,
        currency,
        rate,
        group_rate,
        game_rates,
        schedule_in(schedule) if schedule else EMPTY,
        policy_in(policy) if policy else Policy(),
        known,
    )


async def read_busy(
    connection: asyncpg.Connection,
    coach_id: UUID,
    offer: Offer,
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Busy]:
    """The busy times that decide about starts in `[since, until)`, in one query."""
    params = _asked(coach_id, offer, since, until, now)
    query = BUSY_WITH_NEW_STUDENTS if _counts_students(offer) else BUSY
    return [Busy._make(row) for row in await query.fetch(connection, **params)]


async def read_calendar(
    connection: asyncpg.Connection,
    coach_id: UUID,
    student_id: UUID | None,
    offer: Offer,
    since: datetime,
    until: datetime,
    now: datetime,
) -> Calendar:
    """All that decides about starts in `[since, until)` for the student, in one query.

    Without groups on offer it does not cost what looking for them costs.
    """
    if not offer.has_groups:
        busy = await read_busy(connection, coach_id, offer, since, until, now)
        return offer.calendar(busy, now)
    params = _asked(coach_id, offer, since, until, now) | {"student_id": student_id}
    query = GROUPS_WITH_NEW_STUDENTS if _counts_students(offer) else GROUPS
    rows = await query.fetch(connection, **params)
    busy = [Busy._make(row[:BUSY_FIELDS]) for row in rows]
    groups = [_group(row) for row in rows if row["kind"] == "group"]
    return offer.calendar(busy, now, groups)


BUSY_FIELDS = len(Busy._fields)


def _group(row: asyncpg.Record) -> OpenGroup:
    minutes = (row["ends_at"] - row["starts_at"]) // MINUTE
    rest = (row[name] for name in ("game", "capacity", "taken", "mine"))
    return OpenGroup(row["id"], row["starts_at"], minutes, *rest)


def _counts_students(offer: Offer) -> bool:
    return offer.policy.max_students_per_week is not None


def _asked(
    coach_id: UUID, offer: Offer, since: datetime, until: datetime, now: datetime
) -> dict[str, Any]:
    low, high = relevant(offer.schedule, since, until)
    return {
        "coach_id": coach_id,
        "earliest": low - timedelta(minutes=LONGEST),
        "since": low,
        "until": high,
        "now": now,
        "fresh_since": now - STALE_AFTER,
    }


MINUTE = timedelta(minutes=1)


async def conflicts(
    session: AsyncSession, coach_id: UUID, now: datetime
) -> list[Session]:
    """Live future sessions that the stored hours, lengths or kinds would not allow."""
    # read anew: what this transaction wrote is what is asked about
    schedule = await session.get(StoredSchedule, coach_id, populate_existing=True)
    policy = await session.get(StoredPolicy, coach_id, populate_existing=True)
    hours = schedule_of(schedule.document) if schedule else EMPTY
    terms = policy_of(policy.document) if policy else Policy()
    sold = (
        sqlmodel.select(Session)
        .where(
            col(Session.coach_id) == coach_id,
            col(Session.starts_at) > now,
            col(Session.status).in_(LIVE),
            _counts(now),
        )
        .order_by(col(Session.starts_at))
    )
    return [
        each
        for each in await session.exec(sold)
        if not covers(hours, each.starts_at, each.ends_at)
        or (each.ends_at - each.starts_at) // MINUTE not in terms.durations
        or (each.kind == "group" and not terms.group.enabled)
    ]


def _counts(now: Any) -> ColumnElement[bool]:
    """Sessions that count; a hold does until it runs out."""
    return or_(col(Session.status).in_(sorted(LASTING)), _held(now))


def _held(now: Any) -> ColumnElement[bool]:
    """Sessions with a hold that runs.

    Most that have none are passed by without a look at their seats.
    """
    running = (
        select(col(Seat.id))
        .where(
            col(Seat.session_id) == col(Session.id),
            col(Seat.status) == Status.HELD,
            col(Seat.hold_expires_at) > now,
        )
        .correlate(Session)
        .exists()
    )
    return and_(
        col(Session.status) == Status.HELD, col(Session.held_until) > now, running
    )


def _seat_counts(seat: Any, now: Any) -> ColumnElement[bool]:
    return or_(
        col(seat.status).in_(sorted(LASTING)),
        and_(col(seat.status) == Status.HELD, col(seat.hold_expires_at) > now),
    )


def _offer() -> Select[*tuple[Any, ...]]:
    known = (
        select(col(Seat.id))
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Seat.student_id) == STUDENT,
            col(Session.coach_id) == COACH,
            _seat_counts(Seat, NOW),
        )
        .exists()
    )
    return (
        select(
            and_(col(Coach.listed), ~pausing(COACH, NOW)),
            col(Coach.currency),
            col(Coach.hourly_rate),
            col(Coach.group_rate),
            col(Coach.game_rates),
            cast(col(StoredSchedule.document), Text),
            cast(col(StoredPolicy.document), Text),
            known,
        )
        .outerjoin(StoredSchedule, col(StoredSchedule.coach_id) == col(Coach.id))
        .outerjoin(StoredPolicy, col(StoredPolicy.coach_id) == col(Coach.id))
        .where(col(Coach.id) == COACH)
    )


def _busy(opened: ColumnElement[int], *more: Any) -> CompoundSelect[*tuple[Any, ...]]:
    """Sessions in two halves, each with an index of its own, and private appointments.

    Holds that ran out and nobody has swept yet are then not even looked at.
    """
    lasting = col(Session.status).in_(sorted(LASTING))
    return union_all(
        _busy_if(lasting, opened, *more),
        _busy_if(_held(NOW), opened, *more),
        private_times(len(more)),
    )


def _busy_if(
    counts: ColumnElement[bool], opened: ColumnElement[int], *more: Any
) -> Select[*tuple[Any, ...]]:
    return select(
        col(Session.starts_at).label("starts_at"),
        col(Session.ends_at).label("ends_at"),
        _minutes(col(Session.starts_at) - col(Session.blocked_from)),
        _minutes(col(Session.blocked_until) - col(Session.ends_at)),
        literal(True),
        opened,
        *more,
    ).where(
        col(Session.coach_id) == COACH,
        col(Session.starts_at) >= bindparam("earliest"),  # what the index can use
        col(Session.starts_at) < bindparam("until"),
        col(Session.ends_at) > bindparam("since"),
        counts,
    )


def _seats() -> Select[int]:
    """How many seats of this session count."""
    return (
        select(func.count())
        .where(col(Seat.session_id) == col(Session.id), _seat_counts(Seat, NOW))
        .correlate(Session)
    )


def _group_columns() -> list[Any]:
    """What `_group` reads; the seats are counted for groups only."""
    is_group = col(Session.kind) == "group"
    mine = _seats().where(col(Seat.student_id) == STUDENT).scalar_subquery()
    return [
        col(Session.id).label("id"),
        col(Session.kind).label("kind"),
        col(Session.game).label("game"),
        col(Session.capacity).label("capacity"),
        case((is_group, _seats().scalar_subquery()), else_=0).label("taken"),
        case((is_group, mine > 0), else_=False).label("mine"),
    ]


def _minutes(length: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(extract("epoch", length), Integer) // 60


def _opened() -> ColumnElement[int]:
    """How many students of this session had none with the coach before."""
    seat, other, earlier = aliased(Seat), aliased(Seat), aliased(Session)
    before = (
        select(col(other.id))
        .join(earlier, col(earlier.id) == col(other.session_id))
        .where(
            col(other.student_id) == col(seat.student_id),
            col(earlier.coach_id) == COACH,
            col(earlier.starts_at) < col(Session.starts_at),
            _seat_counts(other, NOW),
        )
        .correlate(seat, Session)  # by itself it would not reach the outermost
        .exists()
    )
    return (
        select(func.count())
        .select_from(seat)
        .where(
            col(seat.session_id) == col(Session.id), _seat_counts(seat, NOW), ~before
        )
        .correlate(Session)
        .scalar_subquery()
    )


OFFER = Statement(_offer())
BUSY = Statement(_busy(literal(0)))
BUSY_WITH_NEW_STUDENTS = Statement(_busy(_opened()))
GROUPS = Statement(_busy(literal(0), *_group_columns()))
GROUPS_WITH_NEW_STUDENTS = Statement(_busy(_opened(), *_group_columns()))
