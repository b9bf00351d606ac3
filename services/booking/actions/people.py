"""Our copy of what people are called, fed by what accounts says."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.models import Person
from shared.contracts.accounts import UserRegisteredV1


async def remember_person(session: AsyncSession, user: UserRegisteredV1) -> None:
    """Keep name and zone unless a newer version of them is known already."""
    values = {
        "version": user.version,
        "display_name": user.display_name,
        "timezone": user.timezone,
    }
    await session.exec(
        insert(Person)
        .values(user_id=user.user_id, **values)
        .on_conflict_do_update(
            index_elements=["user_id"],
            set_=values,
            where=col(Person.version) < user.version,
        )
    )


async def names(session: AsyncSession, people: Iterable[UUID]) -> dict[UUID, str]:
    """What they are called, in one line each; without those nobody spoke of yet."""
    query = select(Person.user_id, Person.display_name).where(
        col(Person.user_id).in_(set(people))
    )
    found = (await session.exec(query)).all()
    return {user_id: " ".join(name.split()) for user_id, name in found}
