"""What booking hears. A handler runs once per message and in no promised order."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import (
    busy_calendars,
    coaches,
    expiry,
    groups,
    offers,
    payments,
    people,
    proposals,
    resale,
    rooms,
    strikes,
    verdicts,
)
from services.booking.domain.lifecycle import RefundStatus
from shared.broker import Handlers
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.contracts.booking import (
    SeatCancelledV1,
    SeatExpiredV1,
    SessionMovedV1,
    WaitlistDueV1,
)
from shared.contracts.coaches import ProfileChangedV1
from shared.contracts.payments import (
    PaymentRefundedV1,
    PaymentSucceededV1,
    RefundFailedV1,
)
from shared.contracts.scheduler import MinuteTickV1

handlers = Handlers("booking")


@handlers.on(UserRegisteredV1)
async def on_user_registered(
    event: UserRegisteredV1, session: AsyncSession, _: datetime
) -> None:
    """People have names, in calls and calendars."""
    await people.remember_person(session, event)


@handlers.on(UserChangedV1)
async def on_user_changed(
    event: UserChangedV1, session: AsyncSession, _: datetime
) -> None:
    """They may have chosen another one."""
    await people.remember_person(session, event)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_waitlists(
    event: MinuteTickV1, session: AsyncSession, now: datetime
) -> None:
    """Times that only time, a schedule or a policy has opened; those sold again."""
    await resale.settle_resales(session, event.due_at, now)
    await offers.call_lines(session, now)


@handlers.on(WaitlistDueV1)
async def on_waitlist_due(
    event: WaitlistDueV1, session: AsyncSession, now: datetime
) -> None:
    """The first in line may be offered what is free."""
    await offers.offer_free_times(session, event.coach_id, now)


@handlers.on(SeatCancelledV1)
async def on_seat_cancelled(
    event: SeatCancelledV1, session: AsyncSession, now: datetime
) -> None:
    """The time is free for those who wait for it."""
    await offers.offer_free_times(session, event.coach_id, now)


@handlers.on(SeatExpiredV1)
async def on_seat_expired(
    event: SeatExpiredV1, session: AsyncSession, now: datetime
) -> None:
    """The time is free again, perhaps for the next in line."""
    await offers.offer_time_of(session, event.seat_id, now)


@handlers.on(SessionMovedV1)
async def on_session_moved(
    event: SessionMovedV1, session: AsyncSession, now: datetime
) -> None:
    """The time it had is free."""
    await offers.offer_free_times(session, event.coach_id, now)


@handlers.on(ProfileChangedV1)
async def on_profile_changed(
    event: ProfileChangedV1, session: AsyncSession, _: datetime
) -> None:
    """Coaches set the rates and say who may be booked."""
    await coaches.remember_coach(session, event)


@handlers.on(PaymentSucceededV1)
async def on_payment_succeeded(
    event: PaymentSucceededV1, session: AsyncSession, now: datetime
) -> None:
    """The seats are confirmed, or the money goes back."""
    await payments.settle(session, event, now)


@handlers.on(PaymentRefundedV1)
async def on_payment_refunded(
    event: PaymentRefundedV1, session: AsyncSession, _: datetime
) -> None:
    """What was owed for a cancelled seat is on its way back."""
    await payments.note_refund(session, event, RefundStatus.SUCCEEDED)


@handlers.on(RefundFailedV1)
async def on_refund_failed(
    event: RefundFailedV1, session: AsyncSession, _: datetime
) -> None:
    """The seat stays cancelled; its student sees that the money is still owed."""
    await payments.note_refund(session, event, RefundStatus.FAILED)


@handlers.on(MinuteTickV1)
async def on_minute_tick(
    event: MinuteTickV1, session: AsyncSession, now: datetime
) -> None:
    """Holds that ran out are said to be free, also if nobody asked for their time."""
    await expiry.sweep(session, event.due_at, now)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_groups(
    event: MinuteTickV1, session: AsyncSession, now: datetime
) -> None:
    """Groups are decided a day before; apart, since people are locked before rows."""
    await groups.decide(session, event.due_at, now)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_rooms(
    event: MinuteTickV1, session: AsyncSession, _: datetime
) -> None:
    """Sessions of the next day get their rooms; those that need none lose them."""
    await rooms.retire(session, event.due_at)
    await rooms.prepare(session, event.due_at)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_proposals(
    event: MinuteTickV1, session: AsyncSession, now: datetime
) -> None:
    """Proposals that nobody answered end; groups move with those who accepted."""
    await proposals.close_due(session, event.due_at, now)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_outcomes(
    event: MinuteTickV1, session: AsyncSession, now: datetime
) -> None:
    """Who is missing is reminded; what nobody ended, or contested in time, is decided.

    All the tick stands for is caught up with, as it would have been decided in time.
    """
    await verdicts.decide_due(session, event.due_at, now)
    await verdicts.finalise_due(session, event.due_at, now)
    await strikes.tell(session, now)


@handlers.on(MinuteTickV1)
async def on_minute_tick_of_calendars(
    event: MinuteTickV1, session: AsyncSession, _: datetime
) -> None:
    """Coaches' own calendars are read again every quarter of an hour."""
    await busy_calendars.want_due(session, event.due_at)
