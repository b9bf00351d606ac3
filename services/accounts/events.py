from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts.actions import users
from services.accounts.domain import Role
from services.accounts.models import User
from shared.broker import Handlers
from shared.contracts.coaches import ProfileChangedV1

handlers = Handlers("accounts")


@handlers.on(ProfileChangedV1)
async def on_profile_changed(
    event: ProfileChangedV1, session: AsyncSession, now: datetime
) -> None:
    """Whoever applies becomes a coach, with the next access token."""
    if await session.get(User, event.coach_id) is not None:
        await users.add_role(session, event.coach_id, Role.COACH, now)
