from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments.actions import refunds, seats
from services.payments.domain import Cause
from shared.broker import Handlers
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.contracts.booking import (
    PaymentRefusedV1,
    ProblemDecidedV1,
    RefundTerms,
    SeatCancelledV1,
    SeatExpiredV1,
    SeatHeldV1,
    SeatMissedV1,
    SeatResoldV1,
    SessionMovedV1,
)

handlers = Handlers("payments")


@handlers.on(SeatHeldV1)
async def on_seat_held(event: SeatHeldV1, session: AsyncSession, _: datetime) -> None:
    await seats.hold(session, event)


@handlers.on(SessionMovedV1)
async def on_session_moved(
    event: SessionMovedV1, session: AsyncSession, _: datetime
) -> None:
    await seats.move(session, event)


@handlers.on(SeatExpiredV1)
async def on_seat_expired(
    event: SeatExpiredV1, session: AsyncSession, now: datetime
) -> None:
    await seats.close(session, event.seat_id, now)


@handlers.on(SeatCancelledV1)
async def on_seat_cancelled(
    event: SeatCancelledV1, session: AsyncSession, now: datetime
) -> None:
    owed = event.refund.amount if event.refund else None
    await seats.close(session, event.seat_id, now, owed)


@handlers.on(SeatMissedV1)
async def on_seat_missed(
    event: SeatMissedV1, session: AsyncSession, now: datetime
) -> None:
    """A provisional no-show moves no money: it may still be contested."""
    if event.final:
        await _owe(session, event.seat_id, Cause.MISSED, event.refund, now)


@handlers.on(ProblemDecidedV1)
async def on_problem_decided(
    event: ProblemDecidedV1, session: AsyncSession, now: datetime
) -> None:
    await _owe(session, event.seat_id, Cause.PROBLEM, event.refund, now)


async def _owe(
    session: AsyncSession,
    seat_id: UUID,
    cause: Cause,
    terms: RefundTerms | None,
    now: datetime,
) -> None:
    if terms and terms.amount:
        await refunds.owe(session, seat_id, cause, terms.amount, now)


@handlers.on(PaymentRefusedV1)
async def on_payment_refused(
    event: PaymentRefusedV1, session: AsyncSession, now: datetime
) -> None:
    assert event.seat_id is not None  # nothing else is paid for yet
    await refunds.refuse(session, event.payment_id, event.seat_id, now)


@handlers.on(UserRegisteredV1)
async def on_user_registered(
    event: UserRegisteredV1, session: AsyncSession, _: datetime
) -> None:
    await seats.know_payer(session, event.user_id, event.version, event.email)


@handlers.on(SeatResoldV1)
async def on_seat_resold(
    event: SeatResoldV1, session: AsyncSession, now: datetime
) -> None:
    """What a late cancellation had kept goes back as well."""
    await refunds.owe(session, event.seat_id, Cause.RESOLD, event.refund.amount, now)


@handlers.on(UserChangedV1)
async def on_user_changed(
    event: UserChangedV1, session: AsyncSession, _: datetime
) -> None:
    await seats.know_payer(session, event.user_id, event.version, event.email)
