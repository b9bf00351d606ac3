"""Our copy of the users, fed by what accounts says."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches.models import User
from shared.contracts.accounts import UserRegisteredV1


async def remember(session: AsyncSession, told: UserRegisteredV1) -> User | None:
    """Keep what accounts told and lock the user; None if we know as much already."""
    values = {
        "version": told.version,
        "display_name": told.display_name,
        "timezone": told.timezone,
        "suspended": told.suspended,
    }
    keep = (
        insert(User)
        .values(id=told.user_id, **values)
        .on_conflict_do_update(
            index_elements=["id"], set_=values, where=col(User.version) < told.version
        )
        .returning(col(User.id))
    )
    if (await session.exec(keep)).first() is None:
        return None
    return await session.get_one(User, told.user_id)


async def lock(session: AsyncSession, user_id: UUID) -> User:
    """Load a user; other changes to the same coach wait until we commit.

    A user whom accounts has not told of yet gets a row without a name.
    """
    unknown = insert(User).values(id=user_id, version=0, suspended=False)
    await session.exec(unknown.on_conflict_do_nothing())
    query = select(User).where(col(User.id) == user_id).with_for_update()
    return (await session.exec(query)).one()
