"""Weekly sessions booked together: all that were chosen, in one go, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import expiry, history, holds, sessions
from services.booking.actions.calendars import Offer, read_busy, read_offer
from services.booking.actions.coaches import get_coach
from services.booking.actions.holds import LOST, Terms
from services.booking.actions.locks import lock_people
from services.booking.actions.payments import confirmation
from services.booking.actions.sessions import SessionFilter
from services.booking.domain.holds import HOUR, require_room
from services.booking.domain.lifecycle import LIVE, MOST_ALIVE, Status
from services.booking.domain.policy import require_duration
from services.booking.domain.pricing import price, require_chargeable, step_of
from services.booking.domain.problems import (
    OwnSlot,
    PriceChanged,
    SeriesNotOffered,
    SeriesTaken,
)
from services.booking.domain.reasons import Code, for_others
from services.booking.domain.series import Occurrence, check
from services.booking.domain.zones import weekly
from services.booking.models import Seat, Series, Session
from services.booking.schemas.series import (
    OccurrenceView,
    ReasonView,
    SeriesBooking,
    SeriesPreview,
    SeriesRequest,
    SeriesView,
)
from services.booking.schemas.sessions import SessionRequest
from shared import outbox
from shared.auth import Caller
from shared.errors import InvalidRequest, NotFound
from shared.ids import new_id
from shared.inputs import Money
from shared.pages import Keyset
from shared.statements import in_transaction

BEHIND = LOST | {Code.STUDENT_BUSY}
"""Reasons that say that somebody was faster, the student itself included."""


@dataclass(frozen=True)
class Asked:
    """A series as the coach offers it now; `cost` is one session's."""

    wanted: SeriesRequest
    offer: Offer
    cost: Money

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.wanted.duration_minutes)

    @property
    def weeks(self) -> list[datetime]:
        zone = self.offer.schedule.timezone
        return weekly(zone, self.wanted.first_start, self.wanted.count)

    def times(self, count: int) -> Money:
        """The price of so many; InvalidRequest if it cannot be charged at once."""
        amount = self.cost.amount * count
        require_chargeable(amount, "body.starts")
        return Money(amount=amount, currency=self.cost.currency)


async def preview(
    session: AsyncSession, student_id: UUID, wanted: SeriesRequest, now: datetime
) -> SeriesPreview:
    """Ask for each week whether it can be had, as booking would. Nothing changes.

    Raises OwnSlot, NotFound, InvalidRequest for a length or game that is not offered.
    """
    asked = await _ask(session, student_id, wanted, now)
    found = await _check(session, student_id, asked, asked.weeks, now)
    total = asked.cost.amount * sum(each.ok for each in found)
    return SeriesPreview(
        coach_id=wanted.coach_id,
        timezone=asked.offer.schedule.timezone,
        price=asked.cost,
        total=asked.cost.model_copy(update={"amount": total}),
        occurrences=_shown(asked, found),
    )


async def book(
    session: AsyncSession,
    student_id: UUID,
    wanted: SeriesBooking,
    terms: Terms,
    now: datetime,
) -> UUID:
    """Hold all of `wanted.starts` until they are paid for together; return the series.

    For good if they cost nothing. Runs the rule of the slots again, alone with the
    times of coach and student. Raises what `preview` does, InvalidRequest for a start
    that is no week of the series, TooManyHolds, SeriesTaken, SeriesNotOffered or
    PriceChanged; then nothing has changed.
    """
    await lock_people(session, [wanted.coach_id], [student_id])
    await expiry.expire_holds_of(session, wanted.coach_id, student_id, now)
    asked = await _ask(session, student_id, wanted, now)
    starts = _chosen(wanted, asked.weeks)
    total = asked.times(len(starts))
    if total.amount:
        await _require_room(session, student_id, wanted.coach_id, now)
    found = await _check(session, student_id, asked, starts, now)
    _require_all(asked, found)
    if wanted.expected_price not in (None, total):
        raise PriceChanged("Confirm the new price.", price=total.model_dump())
    return await _place(session, student_id, wanted, asked, starts, terms, now)


async def _ask(
    session: AsyncSession, student_id: UUID, wanted: SeriesRequest, now: datetime
) -> Asked:
    if wanted.coach_id == student_id:
        raise OwnSlot("Book with another coach.")
    await get_coach(session, wanted.coach_id)  # what begins the transaction
    connection = await in_transaction(session)
    offer = await read_offer(connection, wanted.coach_id, student_id, now)
    require_duration(offer.policy, wanted.duration_minutes, "body.duration_minutes")
    rate, step = offer.rate(wanted.game, "body.game"), step_of(offer.currency)
    amount = price(rate, wanted.duration_minutes, step)
    require_chargeable(amount, "body.duration_minutes")
    return Asked(wanted, offer, Money(amount=amount, currency=offer.currency))


async def _check(
    session: AsyncSession,
    student_id: UUID,
    asked: Asked,
    starts: Sequence[datetime],
    now: datetime,
) -> list[Occurrence]:
    """Two queries, however many weeks there are."""
    since, until = starts[0], starts[-1] + asked.length
    coach_id, offer = asked.wanted.coach_id, asked.offer
    connection = await in_transaction(session)
    busy = await read_busy(connection, coach_id, offer, since, until, now)
    own = await own_times(session, [student_id], since, until, now)
    calendar = offer.calendar(busy, now)
    times = [(start, end) for _, start, end in own]
    return check(calendar, asked.wanted.duration_minutes, starts, times)


async def own_times(
    session: AsyncSession,
    students: Sequence[UUID],
    since: datetime,
    until: datetime,
    now: datetime,
) -> Sequence[tuple[UUID, datetime, datetime]]:
    """The live sessions of these students, with whomever, that overlap the range."""
    runs = or_(col(Seat.status) != Status.HELD, col(Seat.hold_expires_at) > now)
    query = select(Seat.student_id, Seat.starts_at, Seat.ends_at).where(
        col(Seat.student_id).in_(students),
        col(Seat.status).in_(LIVE),
        col(Seat.starts_at) < until,
        col(Seat.ends_at) > since,
        runs,
    )
    return (await session.exec(query)).all()


def _chosen(wanted: SeriesBooking, weeks: Sequence[datetime]) -> list[datetime]:
    """The starts in order; InvalidRequest for one that is no week, or there twice."""
    errors = []
    for place, start in enumerate(wanted.starts):
        field = f"body.starts.{place}"
        if start not in weeks:
            message = "is not a week of this series"
            errors.append({"field": field, "message": message})
        elif start in wanted.starts[:place]:
            errors.append({"field": field, "message": "is there twice"})
    if errors:
        raise InvalidRequest("Choose among the weeks of the series.", errors=errors)
    return sorted(wanted.starts)


async def _require_room(
    session: AsyncSession, student_id: UUID, coach_id: UUID, now: datetime
) -> None:
    """TooManyHolds if the student may not hold one more; a series is one."""
    recent = and_(col(Session.coach_id) == coach_id, col(Seat.created_at) > now - HOUR)
    query = (
        select(Seat, Session.coach_id)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Seat.student_id) == student_id,
            or_(recent, col(Seat.status) == Status.HELD),
        )
    )
    rows = (await session.exec(query)).all()
    require_room(holds.holds_of(rows), coach_id, now)


def _require_all(asked: Asked, found: Sequence[Occurrence]) -> None:
    against = {reason.code for each in found for reason in each.against}
    if not against:
        return
    shown = [each.model_dump(mode="json") for each in _shown(asked, found)]
    if against <= BEHIND:
        raise SeriesTaken("Choose again which of them to book.", occurrences=shown)
    raise SeriesNotOffered("Choose again which to book.", occurrences=shown)


async def _place(
    session: AsyncSession,
    student_id: UUID,
    wanted: SeriesBooking,
    asked: Asked,
    starts: Sequence[datetime],
    terms: Terms,
    now: datetime,
) -> UUID:
    """Write all of it and say so. The constraints have the last word all the same."""
    series = Series(
        id=new_id(),
        coach_id=wanted.coach_id,
        student_id=student_id,
        duration_minutes=wanted.duration_minutes,
        game=wanted.game,
        created_at=now,
    )
    await session.exec(insert(Series).values(series.model_dump()))
    pairs = [_rows(student_id, wanted, asked, start, terms, now) for start in starts]
    first = pairs[0][1]
    for booked, seat in pairs:
        seat.series_id = series.id
        seat.hold_expires_at = first.hold_expires_at  # all run out with the first
        if first.hold_expires_at is not None:
            booked.held_until = first.hold_expires_at
    await _write(session, pairs, now)
    return series.id


def _rows(
    student_id: UUID,
    wanted: SeriesBooking,
    asked: Asked,
    start: datetime,
    terms: Terms,
    now: datetime,
) -> tuple[Session, Seat]:
    single = SessionRequest(
        coach_id=wanted.coach_id,
        start=start,
        duration_minutes=wanted.duration_minutes,
        game=wanted.game,
        goals=wanted.goals,
    )
    offer, cost = asked.offer, asked.cost
    booked = holds.session_row(single, offer, cost)
    seat = holds.seat_row(student_id, booked, single, offer, cost, terms, now)
    return booked, seat


async def _write(
    session: AsyncSession,
    pairs: Sequence[tuple[Session, Seat]],
    now: datetime,
) -> None:
    booked = await _insert(session, Session, [row for row, _ in pairs])
    if not (booked and await _insert(session, Seat, [seat for _, seat in pairs])):
        raise SeriesTaken("Choose again which to book.", occurrences=[])
    steps = [
        {
            "seat_id": seat.id,
            "at": now,
            "from_status": None,
            "to_status": seat.status,
            "by": "student",
            "reason": None,
        }
        for _, seat in pairs
    ]
    await history.record(session, steps)
    await outbox.publish(session, *(_said(each, len(pairs), now) for each in pairs))


def _said(pair: tuple[Session, Seat], size: int, now: datetime) -> Any:
    booked, seat = pair
    if seat.status is not Status.HELD:
        return confirmation(seat, booked, "free", now)
    held = holds.held(seat, booked, now)
    return held.model_copy(update={"series_size": size})


async def _insert(
    session: AsyncSession, table: type[Session] | type[Seat], rows: Sequence[Any]
) -> bool:
    """False if an exclusion constraint has the time of one of them taken."""
    placed = await session.exec(
        insert(table)
        .values([row.model_dump() for row in rows])
        .on_conflict_do_nothing()
        .returning(col(table.id))
    )
    return len(placed.all()) == len(rows)


def _shown(asked: Asked, found: Sequence[Occurrence]) -> list[OccurrenceView]:
    zone = ZoneInfo(asked.offer.schedule.timezone)
    return [
        OccurrenceView(
            start=each.start,
            end=each.start + asked.length,
            local_start=each.start.astimezone(zone).isoformat(),
            ok=each.ok,
            reasons=[
                ReasonView(code=code, detail=detail)
                for code, detail in for_others(each.against)
            ],
            price=asked.cost,
        )
        for each in found
    ]


async def get_series(
    session: AsyncSession, series_id: UUID, caller: Caller, now: datetime
) -> SeriesView:
    """Raises NotFound unless the caller is one of its people or an admin."""
    series = await session.get(Series, series_id)
    wanted = SessionFilter(series_id=series_id)
    page = await sessions.list_sessions(session, caller, wanted, Keyset(100, None), now)
    if series is None or not page.items:
        raise NotFound(f"There is no series {series_id}.")
    shown = min(page.items, key=lambda each: MOST_ALIVE.index(each.status))
    total = sum(each.price.amount for each in page.items)
    return SeriesView(
        id=series.id,
        coach_id=series.coach_id,
        student_id=series.student_id,
        status=shown.status,
        duration_minutes=series.duration_minutes,
        game=series.game,
        price=shown.price.model_copy(update={"amount": total}),
        hold_expires_at=shown.hold_expires_at,
        payment_id=shown.payment_id,
        created_at=series.created_at,
        sessions=page.items,
    )
