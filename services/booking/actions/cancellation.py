"""Giving a seat up. The quote and the execution ask one rule."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import history
from services.booking.actions.locks import lock_people
from services.booking.actions.seats import lock_seats
from services.booking.actions.sessions import shown_status
from services.booking.domain import cancellation
from services.booking.domain.cancellation import Party, Terms
from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import LIVE, RefundStatus, Status
from services.booking.domain.policy import Tier
from services.booking.domain.pricing import step_of
from services.booking.models import Seat, Session
from services.booking.schemas.sessions import Quote, SeatQuote
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import RefundTerms, SeatCancelledV1
from shared.errors import InvalidRequest, NotFound
from shared.inputs import Money


async def quote(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    now: datetime,
    seat_id: UUID | None = None,
) -> Quote:
    """What `cancel` would do for the same caller at the same instant.

    Raises NotFound for others than its people and admins, WrongStatus if the seat
    cannot be cancelled any more.
    """
    seats, _, by = await _lock(session, session_id, caller, seat_id, now)
    quotes = [_seat_quote(seat, _decide(seat, by, now)) for seat in seats]
    refund = sum(each.refund.amount for each in quotes)
    return Quote(
        percent=quotes[0].percent,
        refund=Money(amount=refund, currency=seats[0].currency),
        tier=quotes[0].tier,
        free_until=quotes[0].free_until if len(quotes) == 1 else None,
        quoted_at=now,
        seats=None if by == "student" else quotes,
    )


def _seat_quote(seat: Seat, found: cancellation.Quote) -> SeatQuote:
    return SeatQuote(
        seat_id=seat.id,
        percent=found.percent,
        refund=Money(amount=found.refund, currency=seat.currency),
        tier=_name(found),
        free_until=found.free_until,
    )


async def cancel(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    reason: str | None,
    now: datetime,
    seat_id: UUID | None = None,
) -> None:
    """Free the seat, or the whole session, at once and say what students are owed.

    A student gives up its own seat. Coach and admin cancel all seats that are live, or
    the one they name. Raises InvalidRequest when they give no reason, NotFound for
    others than its people and admins, WrongStatus if nothing can be cancelled (any
    more).
    """
    seats, booked, by = await _lock(session, session_id, caller, seat_id, now)
    reason = (reason or "").strip() or None
    if reason is None and by != "student":
        message = "say why, for the student"
        raise InvalidRequest(
            "A reason is needed.", errors=[{"field": "body.reason", "message": message}]
        )
    if booked.kind == "group" and by != "student" and seat_id is None:
        await call_off(session, booked, seats, by, reason, now)
    else:
        await _give_up(session, booked, seats, by, reason, now)


async def call_off(
    session: AsyncSession,
    booked: Session,
    seats: Sequence[Seat],
    by: Party,
    reason: str | None,
    now: datetime,
) -> None:
    """Give up all these locked live seats of a group; no late payment revives it."""
    await _give_up(session, booked, seats, by, reason, now)
    booked.fate = Fate.CALLED_OFF


async def _give_up(
    session: AsyncSession,
    booked: Session,
    seats: Sequence[Seat],
    by: Party,
    reason: str | None,
    now: datetime,
) -> None:
    """Nothing changes if one of them cannot be given up."""
    found = [(seat, seat.status, _decide(seat, by, now)) for seat in seats]
    booked.sequence += 1
    for seat, _, terms in found:
        seat.cancelled_by = by
        if _paid(seat):
            _owe(seat, terms)
    await history.move_seats(
        session, seats, booked, Status.CANCELLED, at=now, by=by, reason=reason
    )
    said = [_cancelled(seat, booked, was, q, reason, now) for seat, was, q in found]
    await outbox.publish(session, *said)


def _cancelled(
    seat: Seat,
    booked: Session,
    was: Status,
    found: cancellation.Quote,
    reason: str | None,
    now: datetime,
) -> SeatCancelledV1:
    refund = RefundTerms(
        amount=found.refund,
        currency=seat.currency,
        percent=found.percent,
        rule=_name(found),
    )
    return SeatCancelledV1(
        occurred_at=now,
        seat_id=seat.id,
        session_id=booked.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        was="held" if was is Status.HELD else "confirmed",
        by=seat.cancelled_by,
        reason=reason,
        refund=refund if _paid(seat) else None,
        credit="none",
        sequence=booked.sequence,
    )


def _owe(seat: Seat, found: cancellation.Quote) -> None:
    """Nothing to give back is given back already."""
    seat.refund_amount, seat.refund_percent = found.refund, found.percent
    seat.refund_status = (
        RefundStatus.PENDING if found.refund else RefundStatus.SUCCEEDED
    )


async def _lock(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    seat_id: UUID | None,
    now: datetime,
) -> tuple[Sequence[Seat], Session, Party]:
    """The seats that the caller may cancel, and as whom."""
    booked = await session.get(Session, session_id)
    if booked is not None:
        if booked.kind == "group":  # nobody may join meanwhile
            await lock_people(session, [booked.coach_id], [])
        seats = await lock_seats(session, [session_id], now)
        await session.refresh(booked, with_for_update=True)
        by = _party(caller, booked, seats)
        chosen = _chosen(seats, caller, by, seat_id) if by else []
        if by and chosen:
            return chosen, booked, by
    raise NotFound(f"There is no session {session_id}.")


def _party(caller: Caller, booked: Session, seats: Sequence[Seat]) -> Party | None:
    if any(seat.student_id == caller.id for seat in seats):
        return "student"
    if caller.id == booked.coach_id:
        return "coach"
    return "admin" if "admin" in caller.roles else None


def _chosen(
    seats: Sequence[Seat], caller: Caller, by: Party, seat_id: UUID | None
) -> Sequence[Seat]:
    """The named seat, a student's latest, or all that are live (else the latest)."""
    own = [s for s in seats if by != "student" or s.student_id == caller.id]
    if seat_id is not None:
        return [seat for seat in own if seat.id == seat_id]
    live = [seat for seat in own if seat.status in LIVE]
    return live or own[-1:]


def _decide(seat: Seat, by: Party, now: datetime) -> cancellation.Quote:
    terms = Terms(
        status=shown_status(seat, now),
        start=seat.starts_at,
        confirmed_at=seat.confirmed_at,
        tiers=[Tier(*tier) for tier in seat.tiers],
        paid=_paid(seat),
        step=step_of(seat.currency),
    )
    return cancellation.quote(terms, by, now)


def _paid(seat: Seat) -> int:
    return 0 if seat.payment_id is None else seat.price


def _name(found: cancellation.Quote) -> str:
    """The rule, for a tier with the hours that were met: "tier 24h"."""
    return f"tier {found.tier.hours}h" if found.tier else found.rule
