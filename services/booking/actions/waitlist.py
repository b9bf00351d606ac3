"""The line for a coach's times: joining it, looking at it, leaving it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from services.booking.actions import cancellation
from services.booking.actions.calendars import read_offer
from services.booking.actions.locks import lock_people
from services.booking.actions.sessions import shown_status
from services.booking.domain.lifecycle import Status
from services.booking.domain.policy import require_duration
from services.booking.domain.problems import OwnSlot, TooManyWaits, WaitlistFull
from services.booking.domain.waitlist import (
    BEYOND_HORIZON,
    LONGEST_RANGE,
    MOST_A_DAY,
    MOST_IN_LINE,
    MOST_OPEN,
    Standing,
)
from services.booking.models import Seat, Waiting
from services.booking.schemas.waitlist import WaitRequest, WaitView
from shared.auth import Caller
from shared.errors import InvalidRequest, NotFound
from shared.ids import new_id
from shared.pages import Keyset, Page
from shared.statements import in_transaction

A_DAY = timedelta(days=1)


async def join(
    session: AsyncSession,
    student_id: UUID,
    coach_id: UUID,
    wanted: WaitRequest,
    fee_percent: int,
    now: datetime,
) -> UUID:
    """Stand behind all who wait for this coach; return the id of the entry.

    Raises OwnSlot, NotFound for an unknown coach, InvalidRequest for a range, length or
    game that cannot be waited for, TooManyWaits, WaitlistFull.
    """
    if coach_id == student_id:
        raise OwnSlot("Wait for another coach.")
    await lock_people(session, [coach_id], [student_id])
    offer = await read_offer(await in_transaction(session), coach_id, student_id, now)
    require_duration(offer.policy, wanted.duration_minutes, "body.duration_minutes")
    offer.rate(wanted.game, "body.game")
    furthest = now + timedelta(days=offer.policy.horizon_days) + BEYOND_HORIZON
    _require_range(wanted, now, furthest)
    await _require_room(session, student_id, coach_id, now)
    entry = Waiting(
        id=new_id(),
        coach_id=coach_id,
        student_id=student_id,
        from_at=wanted.since,
        until_at=wanted.until,
        duration_minutes=wanted.duration_minutes,
        game=wanted.game,
        fee_percent=fee_percent,
        joined_at=now,
    )
    session.add(entry)
    await session.flush()
    return entry.id


def _require_range(wanted: WaitRequest, now: datetime, furthest: datetime) -> None:
    length = timedelta(minutes=wanted.duration_minutes)
    errors = []
    if wanted.until < max(wanted.since, now) + length:
        message = "must leave time for one session that lies ahead"
        errors.append({"field": "body.to", "message": message})
    elif wanted.until - wanted.since > LONGEST_RANGE:
        message = f"must be {LONGEST_RANGE.days} days later at most"
        errors.append({"field": "body.to", "message": message})
    elif wanted.until > furthest:
        message = f"must be {furthest:%Y-%m-%d} at the latest"
        errors.append({"field": "body.to", "message": message})
    if errors:
        raise InvalidRequest("Nobody can wait for this time.", errors=errors)


async def _require_room(
    session: AsyncSession, student_id: UUID, coach_id: UUID, now: datetime
) -> None:
    """Counted under the locks of both, so that no two join at once."""
    own = (
        select(Waiting, Seat)
        .outerjoin(Seat, col(Seat.id) == col(Waiting.seat_id))
        .where(
            col(Waiting.coach_id) == coach_id,
            col(Waiting.student_id) == student_id,
            or_(col(Waiting.until_at) > now, col(Waiting.joined_at) > now - A_DAY),
        )
    )
    rows = (await session.exec(own)).all()
    open_now = (Standing.WAITING, Standing.OFFERED)
    still = [
        entry
        for entry, seat in rows
        if entry.withdrawn_at is None and standing(entry, seat, now) in open_now
    ]
    if len(still) >= MOST_OPEN:
        raise TooManyWaits(f"At most {MOST_OPEN} times may be waited for at once.")
    if sum(entry.joined_at > now - A_DAY for entry, _ in rows) >= MOST_A_DAY:
        raise TooManyWaits(f"At most {MOST_A_DAY} times a day.")
    line = select(func.count()).where(in_line(coach_id, now))
    if (await session.exec(line)).one() >= MOST_IN_LINE:
        raise WaitlistFull("Try again in some days.")


def in_line(coach_id: UUID, now: datetime) -> ColumnElement[bool]:
    """The entries that wait for an offer of this coach."""
    return and_(
        col(Waiting.coach_id) == coach_id,
        col(Waiting.seat_id).is_(None),
        col(Waiting.withdrawn_at).is_(None),
        col(Waiting.until_at) > now,
    )


def standing(entry: Waiting, seat: Seat | None, now: datetime) -> Standing:
    """What became of the entry is what became of the seat that was offered."""
    if seat is None:
        last = entry.until_at - timedelta(minutes=entry.duration_minutes)
        return Standing.EXPIRED if last < now else Standing.WAITING
    match shown_status(seat, now):
        case Status.HELD:
            return Standing.OFFERED
        case Status.EXPIRED:
            return Standing.EXPIRED
        case Status.CANCELLED if seat.confirmed_at is None:
            return Standing.EXPIRED
        case _:
            return Standing.TAKEN


async def list_own(
    session: AsyncSession, student_id: UUID, page: Keyset, now: datetime
) -> Page[WaitView]:
    """The student's entries, newest first, without those it has left."""
    query = _own(student_id).order_by(col(Waiting.id).desc()).limit(page.limit + 1)
    if after := page.after(UUID):
        query = query.where(col(Waiting.id) < after[0])
    rows = (await session.exec(query)).all()
    return page.page(rows, lambda row: (row[0].id,), lambda row: _view(*row, now))


async def get_own(
    session: AsyncSession, entry_id: UUID, student_id: UUID, now: datetime
) -> WaitView:
    """Raises NotFound for another student's entry."""
    query = _own(student_id).where(col(Waiting.id) == entry_id)
    row = (await session.exec(query)).one_or_none()
    if row is None:
        raise NotFound(f"You have no entry {entry_id}.")
    return _view(*row, now)


async def leave(
    session: AsyncSession, entry_id: UUID, caller: Caller, now: datetime
) -> None:
    """Wait no more, and give up what is offered. What was taken stays as it is.

    Raises NotFound for another student's entry and for one that was left before.
    """
    query = (
        select(Waiting)
        .where(
            Waiting.id == entry_id,
            Waiting.student_id == caller.id,
            col(Waiting.withdrawn_at).is_(None),
        )
        .with_for_update()
    )
    entry = (await session.exec(query)).one_or_none()
    if entry is None:
        raise NotFound(f"You have no entry {entry_id}.")
    entry.withdrawn_at = now
    session.add(entry)
    seat = await session.get(Seat, entry.seat_id) if entry.seat_id else None
    if seat and standing(entry, seat, now) is Standing.OFFERED:
        await cancellation.cancel(session, seat.session_id, caller, None, now)


def _own(student_id: UUID) -> Select[Waiting, Seat]:
    return (
        select(Waiting, Seat)
        .outerjoin(Seat, col(Seat.id) == col(Waiting.seat_id))
        .where(
            col(Waiting.student_id) == student_id,
            col(Waiting.withdrawn_at).is_(None),
        )
    )


def _view(entry: Waiting, seat: Seat | None, now: datetime) -> WaitView:
    status = standing(entry, seat, now)
    return WaitView(
        id=entry.id,
        coach_id=entry.coach_id,
        since=entry.from_at,
        until=entry.until_at,
        duration_minutes=entry.duration_minutes,
        game=entry.game,
        status=status,
        session_id=seat.session_id if seat else None,
        offer_expires_at=(
            seat.hold_expires_at if seat and status is Standing.OFFERED else None
        ),
        joined_at=entry.joined_at,
    )
