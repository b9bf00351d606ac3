"""Offering what has become free to those who wait for it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import expiry, holds
from services.booking.actions.calendars import Offer, read_busy, read_offer
from services.booking.actions.holds import Terms
from services.booking.actions.locks import lock_people
from services.booking.actions.series import own_times
from services.booking.actions.waitlist import in_line
from services.booking.domain.lifecycle import COUNTED, Status
from services.booking.domain.pricing import MOST, price, step_of
from services.booking.domain.problems import SlotTaken, StudentBusy
from services.booking.domain.waitlist import (
    MOST_IN_LINE,
    OFFER,
    Match,
    Place,
    serve,
)
from services.booking.models import Coach, Seat, Session, Waiting
from services.booking.schemas.sessions import SessionRequest
from shared import outbox
from shared.contracts import Money as Price
from shared.contracts.booking import OfferMadeV1, WaitlistDueV1
from shared.inputs import Money
from shared.statements import in_transaction

BATCH = 500


async def call_lines(session: AsyncSession, now: datetime) -> None:
    """Have every line looked at, each in a transaction of its own.

    What frees time says so at once; this is for what only time, a schedule or a policy
    has opened.
    """
    waiting = (
        select(Waiting.coach_id)
        .where(
            col(Waiting.seat_id).is_(None),
            col(Waiting.withdrawn_at).is_(None),
            col(Waiting.until_at) > now,
        )
        .distinct()
    )
    coaches = (await session.exec(waiting)).all()
    for first in range(0, len(coaches), BATCH):
        await outbox.publish(
            session,
            *(
                WaitlistDueV1(occurred_at=now, coach_id=each)
                for each in coaches[first : first + BATCH]
            ),
        )


async def offer_time_of(session: AsyncSession, seat_id: UUID, now: datetime) -> None:
    """As `offer_free_times`, for the coach of this seat."""
    query = (
        select(Session.coach_id)
        .join(Seat, col(Seat.session_id) == col(Session.id))
        .where(Seat.id == seat_id)
    )
    if coach_id := (await session.exec(query)).one_or_none():
        await offer_free_times(session, coach_id, now)


async def offer_free_times(
    session: AsyncSession, coach_id: UUID, now: datetime
) -> None:
    """Reserve each free time of the coach for the first in line whom it fits.

    Alone with the coach's times; called again, or twice at once, it offers nothing
    twice. Nobody has two offers of one coach at a time.
    """
    waits = select(Waiting).where(in_line(coach_id, now)).order_by(col(Waiting.id))
    if (await session.exec(waits.limit(1))).first() is None:
        return
    if await session.get(Coach, coach_id) is None:
        return
    await lock_people(session, [coach_id], [])
    connection = await in_transaction(session)
    offer = await read_offer(connection, coach_id, None, now)
    found = await session.exec(
        waits.limit(MOST_IN_LINE).execution_options(populate_existing=True)
    )
    line = await _priced(session, coach_id, offer, found.all(), now)
    if not line:
        return
    since, until = _range(line.values())
    busy = await read_busy(connection, coach_id, offer, since, until, now)
    places = await _places(session, coach_id, list(line.values()), now)
    matches = serve(offer.calendar(busy, now), places)
    if matches:
        await _make(session, offer, matches, line, now)


async def _priced(
    session: AsyncSession,
    coach_id: UUID,
    offer: Offer,
    entries: Sequence[Waiting],
    now: datetime,
) -> dict[UUID, Waiting]:
    """Those who can be offered something: a game that is taught, no open offer yet."""
    offered = await _offered(session, coach_id, {e.student_id for e in entries}, now)
    return {
        entry.id: entry
        for entry in entries
        if entry.student_id not in offered
        and (entry.game is None or entry.game in offer.game_rates)
        and _cost(offer, entry).amount <= MOST
    }


async def _offered(
    session: AsyncSession, coach_id: UUID, students: Collection[UUID], now: datetime
) -> Collection[UUID]:
    """The students with an open offer of this coach."""
    query = (
        select(Seat.student_id)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Session.coach_id) == coach_id,
            col(Seat.student_id).in_(students),
            col(Seat.offer).is_(True),
            col(Seat.status) == Status.HELD,
            col(Seat.hold_expires_at) > now,
        )
    )
    return set(await session.exec(query))


def _cost(offer: Offer, entry: Waiting) -> Price:
    rate = offer.rate(entry.game, "body.game")
    amount = price(rate, entry.duration_minutes, step_of(offer.currency))
    return Price(amount=amount, currency=offer.currency)


def _range(entries: Iterable[Waiting]) -> tuple[datetime, datetime]:
    bounds = [(entry.from_at, entry.until_at) for entry in entries]
    return min(since for since, _ in bounds), max(until for _, until in bounds)


async def _places(
    session: AsyncSession, coach_id: UUID, line: Sequence[Waiting], now: datetime
) -> list[Place]:
    students = list({entry.student_id for entry in line})
    own = defaultdict(list)
    for student, start, end in await own_times(session, students, *_range(line), now):
        own[student].append((start, end))
    known = await _known(session, coach_id, students, now)
    return [
        Place(
            id=entry.id,
            student_id=entry.student_id,
            since=entry.from_at,
            until=entry.until_at,
            minutes=entry.duration_minutes,
            new=entry.student_id not in known,
            own=own[entry.student_id],
        )
        for entry in line
    ]


async def _known(
    session: AsyncSession, coach_id: UUID, students: Sequence[UUID], now: datetime
) -> Collection[UUID]:
    """The students who are not new to the coach (S6)."""
    counts = or_(
        col(Seat.status).in_(COUNTED - {Status.HELD}),
        and_(col(Seat.status) == Status.HELD, col(Seat.hold_expires_at) > now),
    )
    query = (
        select(Seat.student_id)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(
            col(Session.coach_id) == coach_id,
            col(Seat.student_id).in_(students),
            counts,
        )
        .distinct()
    )
    return set(await session.exec(query))


async def _make(
    session: AsyncSession,
    offer: Offer,
    matches: Sequence[Match],
    line: dict[UUID, Waiting],
    now: datetime,
) -> None:
    """Write the offers, now that the students' times are ours too.

    Who has become busy meanwhile is left to the next look, and so is who has left.
    """
    await lock_people(session, [], [each.place.student_id for each in matches])
    ids = [each.place.id for each in matches]
    query = (
        select(Waiting.id)
        .where(
            col(Waiting.id).in_(ids),
            col(Waiting.seat_id).is_(None),
            col(Waiting.withdrawn_at).is_(None),
        )
        .order_by(col(Waiting.id))
        .with_for_update()
    )
    still = set(await session.exec(query))
    busy = await _busy_by_now(session, matches, now)
    for match in matches:
        if match.place.id in still and match.place.id not in busy:
            await _offer(session, offer, match, line[match.place.id], now)


async def _busy_by_now(
    session: AsyncSession, matches: Sequence[Match], now: datetime
) -> Collection[UUID]:
    starts = [match.start for match in matches]
    students = [match.place.student_id for match in matches]
    latest = max(starts) + timedelta(days=1)
    times = await own_times(session, students, min(starts), latest, now)
    return {
        match.place.id
        for match in matches
        for student, since, until in times
        if student == match.place.student_id
        and since < match.start + timedelta(minutes=match.place.minutes)
        and match.start < until
    }


async def _offer(
    session: AsyncSession, offer: Offer, match: Match, entry: Waiting, now: datetime
) -> None:
    """A held seat; at a price of 0 it is confirmed, and so taken, at once."""
    cost = _cost(offer, entry)
    wanted = SessionRequest(
        coach_id=entry.coach_id,
        start=match.start,
        duration_minutes=entry.duration_minutes,
        game=entry.game,
    )
    terms = Terms(hold=OFFER, fee_percent=entry.fee_percent)
    await expiry.expire_holds_of(session, entry.coach_id, entry.student_id, now)
    money = Money(amount=cost.amount, currency=cost.currency)
    booked = holds.session_row(wanted, offer, money)
    seat = holds.seat_row(entry.student_id, booked, wanted, offer, money, terms, now)
    seat.offer = True
    if seat.hold_expires_at is not None:
        booked.held_until = seat.hold_expires_at
    if not await holds.insert_row(session, booked):
        raise SlotTaken("Look again.", alternatives=[])
    if not await holds.insert_row(session, seat):
        raise StudentBusy("Look again.")
    await holds.tell(session, seat, booked, now, by="system")
    entry.seat_id = seat.id
    session.add(entry)
    if seat.hold_expires_at is not None:
        await outbox.publish(session, _made(entry, booked, seat, cost, now))


def _made(
    entry: Waiting, booked: Session, seat: Seat, cost: Price, now: datetime
) -> OfferMadeV1:
    assert seat.hold_expires_at is not None
    return OfferMadeV1(
        occurred_at=now,
        waitlist_id=entry.id,
        session_id=booked.id,
        seat_id=seat.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        price=cost,
        expires_at=seat.hold_expires_at,
    )
