"""Who there is, and what the other services are told of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts.actions import mailed_tokens
from services.accounts.domain import EmailTaken, Purpose, Role
from services.accounts.models import User
from shared import outbox
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.errors import NotFound


async def register(
    session: AsyncSession,
    *,
    email: str,
    password_hash: str,
    display_name: str,
    timezone: str,
    locale: str,
    roles: list[str],
    now: datetime,
) -> User:
    """A new user, told to everybody; the address gets a mail to verify it.

    Raises EmailTaken; of several who take one address at once, one gets it.
    """
    user = User(
        email=email,
        email_key=email.casefold(),
        password_hash=password_hash,
        display_name=display_name,
        timezone=timezone,
        locale=locale,
        roles=roles,
        created_at=now,
    )
    taken = (
        insert(User)
        .values(user.model_dump())
        .on_conflict_do_nothing(constraint="an_email_belongs_to_one_user")
        .returning(col(User.id))
    )
    if (await session.exec(taken)).first() is None:
        raise EmailTaken("Sign in, or ask for a new password.")
    await outbox.publish(session, UserRegisteredV1(**_told(user, now)))
    verify, real_now = Purpose.VERIFY_EMAIL, datetime.now(UTC)
    await mailed_tokens.send(session, user, verify, real_now, now)
    return user


async def get(session: AsyncSession, user_id: UUID) -> User:
    """Raises NotFound."""
    user = await session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


async def find(session: AsyncSession, email: str) -> User | None:
    """By the address, whatever its case."""
    query = select(User).where(col(User.email_key) == email.casefold())
    return (await session.exec(query)).first()


async def change(
    session: AsyncSession, user_id: UUID, changes: Mapping[str, Any], now: datetime
) -> User:
    """Set the fields named in `changes`; tells everybody if anything is different."""
    user = await lock(session, user_id)
    different = {
        name: value for name, value in changes.items() if getattr(user, name) != value
    }
    if different:
        user.sqlmodel_update(different)
        await tell(session, user, now)
    return user


async def add_role(
    session: AsyncSession, user_id: UUID, role: Role, now: datetime
) -> bool:
    """Give the user a role; False, and nothing told, if they had it."""
    user = await lock(session, user_id)
    if role in user.roles:
        return False
    user.roles = [*user.roles, role.value]
    await tell(session, user, now)
    return True


async def lock(session: AsyncSession, user_id: UUID) -> User:
    """Load a user; others wait to change it until we commit. Raises NotFound."""
    user = await session.get(
        User, user_id, with_for_update=True, populate_existing=True
    )
    if user is None:
        raise NotFound("There is no such user.")
    return user


async def tell(session: AsyncSession, user: User, now: datetime) -> None:
    """Store the user as a new version and tell everybody."""
    user.version += 1
    session.add(user)
    await session.flush()
    await outbox.publish(session, UserChangedV1(**_told(user, now)))


def _told(user: User, now: datetime) -> dict[str, Any]:
    told = user.model_dump(exclude={"id", "email_key", "password_hash", "created_at"})
    return {"user_id": user.id, "occurred_at": now, **told}


__all__ = ["add_role", "change", "find", "get", "lock", "register", "tell"]
