from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches.actions import profiles, users
from services.coaches.models import Coach
from shared.broker import Handlers
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.contracts.booking import (
    CoachPausedV1,
    CoachResumedV1,
    SeatConfirmedV1,
    SeatHeldV1,
)

handlers = Handlers("coaches")


@handlers.on(UserRegisteredV1)
async def on_user_registered(
    event: UserRegisteredV1, session: AsyncSession, now: datetime
) -> None:
    """Whoever joined may apply, or has applied before we heard of them."""
    await _remember(event, session, now)


@handlers.on(UserChangedV1)
async def on_user_changed(
    event: UserChangedV1, session: AsyncSession, now: datetime
) -> None:
    """A coach may have a new name, or be suspended."""
    await _remember(event, session, now)


@handlers.on(SeatHeldV1)
async def on_seat_held(event: SeatHeldV1, session: AsyncSession, _: datetime) -> None:
    """The first hold fixes the currency, for good: its money may come after it ends."""
    await profiles.fix_currency(session, event.coach_id)


@handlers.on(SeatConfirmedV1)
async def on_seat_confirmed(
    event: SeatConfirmedV1, session: AsyncSession, _: datetime
) -> None:
    """A sale fixes the currency, too: we may hear of it before its hold."""
    if event.paid_by == "money":
        await profiles.fix_currency(session, event.coach_id)


@handlers.on(CoachPausedV1)
async def on_coach_paused(
    event: CoachPausedV1, session: AsyncSession, now: datetime
) -> None:
    """Who let students down too often is not listed for a while."""
    await profiles.pause(session, event.coach_id, event.version, True, now)


@handlers.on(CoachResumedV1)
async def on_coach_resumed(
    event: CoachResumedV1, session: AsyncSession, now: datetime
) -> None:
    await profiles.pause(session, event.coach_id, event.version, False, now)


async def _remember(
    event: UserRegisteredV1, session: AsyncSession, now: datetime
) -> None:
    user = await users.remember(session, event)
    if user is None:
        return
    coach = await session.get(Coach, user.id)
    if coach is not None:
        await profiles.announce(session, coach, user, now)
