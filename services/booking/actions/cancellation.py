"""Giving a seat up. The quote and the execution ask one rule."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import history
from services.booking.actions.sessions import shown_status
from services.booking.domain import cancellation
from services.booking.domain.cancellation import Party, Terms
from services.booking.domain.lifecycle import RefundStatus, Status
from services.booking.domain.policy import Tier
from services.booking.domain.pricing import step_of
from services.booking.models import Seat, Session
from services.booking.schemas.sessions import Quote
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import RefundTerms, SeatCancelledV1
from shared.errors import InvalidRequest, NotFound
from shared.inputs import Money


async def quote(
    session: AsyncSession, session_id: UUID, caller: Caller, now: datetime
) -> Quote:
    """What `cancel` would do for the same caller at the same instant.

    Raises NotFound for others than its people and admins, WrongStatus if the seat
    cannot be cancelled any more.
    """
    seat, _, by = await _lock_seat(session, session_id, caller)
    found = _decide(seat, by, now)
    return Quote(
        percent=found.percent,
        refund=Money(amount=found.refund, currency=seat.currency),
        tier=_name(found),
        free_until=found.free_until,
        quoted_at=now,
    )


async def cancel(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    reason: str | None,
    now: datetime,
) -> None:
    """Free the time at once and say what the student is owed.

    Raises InvalidRequest when coach or admin give no reason, NotFound for others than
    its people and admins, WrongStatus if the seat cannot be cancelled (any more).
    """
    seat, booked, by = await _lock_seat(session, session_id, caller)
    reason = (reason or "").strip() or None
    if reason is None and by != "student":
        message = "say why, for the student"
        raise InvalidRequest(
            "A reason is needed.", errors=[{"field": "body.reason", "message": message}]
        )
    found, was = _decide(seat, by, now), seat.status
    booked.sequence += 1
    seat.cancelled_by = by
    if _paid(seat):
        _owe(seat, found)
    await history.move_seat(
        session, seat, booked, Status.CANCELLED, at=now, by=by, reason=reason
    )
    said = _cancelled(seat, booked, was, found, reason, now)
    await outbox.publish(session, said)


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


async def _lock_seat(
    session: AsyncSession, session_id: UUID, caller: Caller
) -> tuple[Seat, Session, Party]:
    """The seat the caller may cancel, and as whom."""
    query = (
        select(Seat, Session)
        .join(Session, col(Session.id) == col(Seat.session_id))
        .where(col(Seat.session_id) == session_id)
        .with_for_update()
    )
    row = (await session.exec(query)).first()
    if row is not None:
        seat, booked = row
        if caller.id == seat.student_id:
            return seat, booked, "student"
        if caller.id == booked.coach_id:
            return seat, booked, "coach"
        if "admin" in caller.roles:
            return seat, booked, "admin"
    raise NotFound(f"There is no session {session_id}.")


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
