"""Who can be reached, and where."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.notifications.models import Contact
from shared.contracts.accounts import UserRegisteredV1
from shared.db import leave_work


async def know(session: AsyncSession, user: UserRegisteredV1) -> None:
    """Keep what accounts says of a user, unless something newer is known.

    Mails that waited for this contact go out once it is committed.
    """
    known = insert(Contact).values(user.model_dump(include=set(Contact.model_fields)))
    newer = {name: known.excluded[name] for name in Contact.model_fields}
    await session.exec(
        known.on_conflict_do_update(
            index_elements=[col(Contact.user_id)],
            set_=newer,
            where=col(Contact.version) < known.excluded.version,
        )
    )
    leave_work(session)
