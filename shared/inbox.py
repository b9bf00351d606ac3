"""What a service has already handled, so that a message seen twice acts once."""

from datetime import UTC, datetime

from sqlalchemy import Column, DateTime, String, Table
from sqlalchemy.dialects.postgresql import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.db import MECHANISMS

INBOX = Table(
    "inbox",
    MECHANISMS,
    Column("handler", String, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("handled_at", DateTime(timezone=True), nullable=False),
)
"""One row for each message that one handler of this service has handled."""


async def claim(session: AsyncSession, handler: str, message_id: object) -> bool:
    """Claim the message for `handler`; False if it was handled before.

    The claim commits or rolls back with the caller's transaction. A concurrent
    delivery of the same message waits here for that outcome.
    """
    statement = (
        insert(INBOX)
        .values(
            handler=handler, message_id=str(message_id), handled_at=datetime.now(UTC)
        )
        .on_conflict_do_nothing()
        .returning(INBOX.c.handler)
    )
    return (await session.exec(statement)).first() is not None
