"""Holding a seat: the one place where a time is given away."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlmodel
from sqlalchemy import Select, and_, bindparam, or_, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from services.booking.actions import expiry, history
from services.booking.actions.calendars import Offer, read_calendar, read_offer
from services.booking.actions.locks import lock_people
from services.booking.actions.payments import confirmation
from services.booking.domain.calls import Provider
from services.booking.domain.holds import HOUR, Hold, require_room
from services.booking.domain.lifecycle import LIVE, Status
from services.booking.domain.listing import nearest
from services.booking.domain.policy import Group, require_duration
from services.booking.domain.pricing import price, require_chargeable, step_of
from services.booking.domain.problems import (
    OwnSlot,
    PriceChanged,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
)
from services.booking.domain.reasons import Code, for_others
from services.booking.domain.seats import (
    Wish,
    against,
    group_at,
    require_kind,
    starts,
)
from services.booking.domain.slots import Calendar, OpenGroup
from services.booking.models import Seat, Session
from services.booking.schemas.sessions import SessionRequest
from services.booking.schemas.slots import Alternative
from shared import outbox
from shared.contracts import Money as Price
from shared.contracts.booking import Party, SeatHeldV1
from shared.ids import new_id
from shared.inputs import Money
from shared.statements import Statement, a_row_of, in_transaction

LOST = {Code.BUSY, Code.BUFFER, Code.GROUP_FULL}
"""Reasons that say that another student was faster."""

NEARBY = timedelta(days=3)
"""Alternatives are looked for this far before and after."""


@dataclass(frozen=True)
class Terms:
    """What the house decides: how long a hold lasts, and its part of the price."""

    hold: timedelta
    fee_percent: int


async def hold_seat(
    session: AsyncSession,
    student_id: UUID,
    wanted: SessionRequest,
    terms: Terms,
    now: datetime,
) -> UUID:
    """Give the time to the student until it is paid for; for good if it costs nothing.

    Returns the session's id. Runs the rule of the listing again, alone with the times
    of coach and student (S9). Raises OwnSlot, NotFound, StudentBusy, TooManyHolds,
    SlotTaken, SlotNotOffered or PriceChanged; then nothing has changed.
    """
    if wanted.coach_id == student_id:
        raise OwnSlot("Book with another coach.")
    await lock_people(session, [wanted.coach_id], [student_id])
    await expiry.expire_holds_of(session, wanted.coach_id, student_id, now)
    connection = await in_transaction(session)
    offer = await read_offer(connection, wanted.coach_id, student_id, now)
    require_duration(offer.policy, wanted.duration_minutes, "body.duration_minutes")
    require_kind(offer.has_groups, wanted.kind, "body.kind")
    rate = offer.rate(wanted.game, "body.game", wanted.kind)
    amount = price(rate, wanted.duration_minutes, step_of(offer.currency))
    require_chargeable(amount, "body.duration_minutes")
    cost = Money(amount=amount, currency=offer.currency)
    await _require_room(session, student_id, wanted, cost, now)
    group = await _require_offered(session, student_id, wanted, offer, cost, now)
    if wanted.expected_price not in (None, cost):
        raise PriceChanged("Confirm the new price.", price=cost.model_dump())
    return await _place(session, student_id, wanted, offer, cost, terms, now, group)


def _end(wanted: SessionRequest) -> datetime:
    return wanted.start + timedelta(minutes=wanted.duration_minutes)


async def _require_room(
    session: AsyncSession,
    student_id: UUID,
    wanted: SessionRequest,
    cost: Money,
    now: datetime,
) -> None:
    """The student is free at that time and may hold one more seat, if it is one."""
    seats = await SEATS_OF_STUDENT.fetch(
        await in_transaction(session),
        student_id=student_id,
        coach_id=wanted.coach_id,
        since=wanted.start,
        until=_end(wanted),
        recent=now - HOUR,
    )
    if any(seat["overlaps"] for seat in seats):
        raise StudentBusy("Choose a time at which you are free.")
    if cost.amount:
        count = len(Taken._fields)
        taken = [(Taken._make(seat[:count]), seat["coach_id"]) for seat in seats]
        require_room(holds_of(taken), wanted.coach_id, now)


class Taken(NamedTuple):
    """What counts of a seat that its student has."""

    id: UUID
    series_id: UUID | None
    offer: bool
    status: str
    created_at: datetime
    hold_expires_at: datetime | None


def holds_of(rows: Iterable[tuple[Seat | Taken, UUID]]) -> list[Hold]:
    """Seats with their coaches as holds: a series is one, an offer is none."""
    found = {seat.series_id or seat.id: _hold(seat, coach) for seat, coach in rows}
    return [hold for hold in found.values() if hold is not None]


def _hold(seat: Seat | Taken, coach_id: UUID) -> Hold | None:
    """None for a seat that never waited for money, and for one we offered."""
    if seat.hold_expires_at is None or seat.offer:
        return None
    waits = seat.status == Status.HELD
    end = seat.hold_expires_at if waits else seat.created_at
    return Hold(coach_id, seat.created_at, end)


def _seats_of_student() -> Select[*tuple[Any, ...]]:
    """Those that overlap or count for the limits of holds."""
    overlaps = and_(
        col(Seat.status).in_(sorted(LIVE)),
        col(Seat.starts_at) < bindparam("until"),
        col(Seat.ends_at) > bindparam("since"),
    )
    recent = and_(
        col(Session.coach_id) == bindparam("coach_id"),
        col(Seat.created_at) > bindparam("recent"),
    )
    return (
        select(
            *(col(getattr(Seat, name)) for name in Taken._fields),
            col(Session.coach_id),
            overlaps.label("overlaps"),
        )
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Seat.student_id) == bindparam("student_id"),
            or_(overlaps, recent, col(Seat.status) == Status.HELD),
        )
    )


SEATS_OF_STUDENT = Statement(_seats_of_student())


async def _require_offered(
    session: AsyncSession,
    student_id: UUID,
    wanted: SessionRequest,
    offer: Offer,
    cost: Money,
    now: datetime,
) -> OpenGroup | None:
    """Return the group that the student joins, None for a session of its own."""
    since, until = wanted.start - NEARBY, wanted.start + NEARBY
    connection = await in_transaction(session)
    calendar = await read_calendar(
        connection, wanted.coach_id, student_id, offer, since, until, now
    )
    wish = Wish(wanted.duration_minutes, wanted.kind, wanted.game)
    found = against(calendar, wish, wanted.start)
    if not found:
        joins = wish.kind == "group"
        return group_at(calendar, wish, wanted.start) if joins else None
    others = _alternatives(calendar, wish, wanted.start, cost)
    if all(reason.code in LOST for reason in found):
        raise SlotTaken("Choose another time.", alternatives=others)
    raise SlotNotOffered(
        "Choose another time.",
        reasons=[reason._asdict() for reason in for_others(found)],
        alternatives=others,
    )


def _alternatives(
    calendar: Calendar, wish: Wish, wanted: datetime, cost: Money
) -> list[dict[str, Any]]:
    length = timedelta(minutes=wish.minutes)
    free = starts(calendar, wish, wanted - NEARBY, wanted + NEARBY)
    return [
        Alternative(start=start, end=start + length, price=cost).model_dump(mode="json")
        for start in nearest(free, wanted)
    ]


async def _place(
    session: AsyncSession,
    student_id: UUID,
    wanted: SessionRequest,
    offer: Offer,
    cost: Money,
    terms: Terms,
    now: datetime,
    group: OpenGroup | None,
) -> UUID:
    """Write the session, unless it is joined, and the seat, and say so.

    Both bear all terms of this moment. The check before was made under the locks; the
    constraints have the last word all the same. ON CONFLICT, because plain inserts that
    race deadlock.
    """
    booked = session_row(wanted, offer, cost)
    if group is not None:
        booked = (await session.exec(_joined(group.id))).one()
    seat = seat_row(student_id, booked, wanted, offer, cost, terms, now)
    if booked.kind == "individual" and seat.hold_expires_at is not None:
        booked.held_until = seat.hold_expires_at  # nobody else will hold it
    if group is None and not await insert_row(session, booked):
        raise SlotTaken("Choose another time.", alternatives=[])
    if not await insert_row(session, seat):
        raise StudentBusy("Choose a time at which you are free.")
    if group is not None:
        await history.follow_seats(session, [booked.id])
    await tell(session, seat, booked, now)
    return booked.id


async def tell(
    session: AsyncSession,
    seat: Seat,
    booked: Session,
    now: datetime,
    by: Party = "student",
) -> None:
    """Write down and say that this seat was given away."""
    step = {
        "seat_id": seat.id,
        "at": now,
        "from_status": None,
        "to_status": seat.status,
        "by": by,
        "reason": None,
    }
    await history.record(session, [step])
    await outbox.publish(
        session,
        held(seat, booked, now)
        if seat.status is Status.HELD
        else confirmation(seat, booked, "free", now),
    )


def _joined(session_id: UUID) -> SelectOfScalar[Session]:
    """What another seat has just changed is read again."""
    query = sqlmodel.select(Session).where(col(Session.id) == session_id)
    return query.execution_options(populate_existing=True)


async def insert_row(session: AsyncSession, row: Session | Seat) -> bool:
    """False if an exclusion constraint has the row's time taken."""
    connection = await in_transaction(session)
    placed = INSERT_SEAT if isinstance(row, Seat) else INSERT_SESSION
    return bool(await placed.fetch(connection, **row.model_dump()))


INSERT_SESSION = Statement(
    a_row_of(Session).on_conflict_do_nothing().returning(col(Session.id))
)
INSERT_SEAT = Statement(a_row_of(Seat).on_conflict_do_nothing().returning(col(Seat.id)))


def session_row(wanted: SessionRequest, offer: Offer, cost: Money) -> Session:
    """A session as the policy of this moment makes it; it is not written yet."""
    end, policy = _end(wanted), offer.policy
    group = policy.group if wanted.kind == "group" else Group()
    return Session(
        id=new_id(),
        coach_id=wanted.coach_id,
        starts_at=wanted.start,
        ends_at=end,
        blocked_from=wanted.start - timedelta(minutes=policy.buffer_before),
        blocked_until=end + timedelta(minutes=policy.buffer_after),
        status=Status.HELD if cost.amount else Status.CONFIRMED,
        kind=wanted.kind,
        game=wanted.game,
        capacity=group.capacity,
        min_participants=group.min_participants,
        meeting=Provider(policy.meeting),
        meeting_url=policy.meeting_url,
    )


def seat_row(
    student_id: UUID,
    booked: Session,
    wanted: SessionRequest,
    offer: Offer,
    cost: Money,
    terms: Terms,
    now: datetime,
) -> Seat:
    """A seat with all terms of this moment; it is not written yet."""
    expires = min(now + terms.hold, booked.starts_at)
    return Seat(
        id=new_id(),
        session_id=booked.id,
        student_id=student_id,
        starts_at=booked.starts_at,
        ends_at=booked.ends_at,
        status=Status.HELD if cost.amount else Status.CONFIRMED,
        price=cost.amount,
        currency=cost.currency,
        fee_percent=terms.fee_percent,
        tiers=[list(tier) for tier in offer.policy.cancellation_tiers],
        goals=wanted.goals,
        created_at=now,
        # never past the start: what cannot be cancelled must not be paid for late
        hold_expires_at=expires if cost.amount else None,
        confirmed_at=None if cost.amount else now,
        refund_on_resale=offer.policy.refund_on_resale,
    )


def held(seat: Seat, booked: Session, now: datetime) -> SeatHeldV1:
    assert seat.hold_expires_at is not None
    return SeatHeldV1(
        occurred_at=now,
        seat_id=seat.id,
        session_id=booked.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        kind=booked.kind,
        price=Price(amount=seat.price, currency=seat.currency),
        fee_percent=seat.fee_percent,
        hold_expires_at=seat.hold_expires_at,
        series_id=seat.series_id,
    )
