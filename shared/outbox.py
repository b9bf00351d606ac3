"""Events leave a service only through here, so that no event is lost or invented."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractExchange
from pydantic_core import to_json
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    LargeBinary,
    String,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from shared import logs, traces
from shared.contracts import Event
from shared.db import MECHANISMS, Sessions, leave_work
from shared.statements import Statement, a_row_of, connected, in_transaction

log = structlog.get_logger()

OUTBOX = Table(
    "outbox",
    MECHANISMS,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("name", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""Events that are committed and about to be on the broker; a sent one is deleted."""

INSERT = Statement(a_row_of(OUTBOX))

BATCH = 200
CORRELATION = "x-correlation-id"
PUBLISH_TIMEOUT = 10.0

UNSENT = Statement(
    select(
        OUTBOX.c.id, OUTBOX.c.event_id, OUTBOX.c.name, OUTBOX.c.body, OUTBOX.c.headers
    )
    .order_by(OUTBOX.c.id)
    .limit(bindparam("size"))
    .with_for_update(skip_locked=True)
)
SENT = Statement(
    delete(OUTBOX).where(
        OUTBOX.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))
    )
)


class Unsent(NamedTuple):
    """A row of the outbox, as it is sent."""

    id: int
    event_id: UUID
    name: str
    body: bytes
    headers: dict[str, Any]


Publish = Callable[[Unsent], Awaitable[object]]


async def publish(session: AsyncSession, *events: Event) -> None:
    """Send the events if, and only if, the caller's transaction commits.

    One round trip for all of them. The correlation id and the trace of the present
    request or message go along.
    """
    correlation_id = logs.correlation_id()
    headers = traces.current_headers()
    if correlation_id is not None:
        headers[CORRELATION] = correlation_id
    rows = [
        {
            "event_id": event.event_id,
            "name": event.name,
            "body": to_json(
                event
                if event.correlation_id
                else event.model_copy(update={"correlation_id": correlation_id})
            ),
            "headers": headers,
            "created_at": datetime.now(UTC),
        }
        for event in events
    ]
    if rows:
        await INSERT.execute(await in_transaction(session), rows)
        leave_work(session)


async def send_batch(sessions: Sessions, send: Publish, size: int = BATCH) -> int:
    """Put up to `size` events on the broker, oldest first; return how many arrived.

    Confirms are awaited together; what was confirmed is deleted in the same
    transaction, what was not stays. A crash in between sends an event again, with the
    same `event_id`: consumers deduplicate in their inbox. Several relays may run this
    at once (SKIP LOCKED), so order between events is not promised.
    """
    async with connected(sessions) as connection, connection.transaction():
        rows = [Unsent(*row) for row in await UNSENT.fetch(connection, size=size)]
        if not rows:
            return 0
        answers = await asyncio.gather(
            *(send(row) for row in rows), return_exceptions=True
        )
        failures = [each for each in answers if isinstance(each, BaseException)]
        sent = [
            row.id
            for row, answer in zip(rows, answers, strict=True)
            if not isinstance(answer, BaseException)
        ]
        await SENT.fetch(connection, ids=sent)
    if failures:
        log.warning("outbox.not_confirmed", count=len(failures), error=failures[0])
        if not sent:
            raise failures[0]
    return len(sent)


def to_exchange(exchange: AbstractExchange) -> Publish:
    """Publish on `exchange`, persistent; returns once the broker has confirmed."""

    async def send(row: Unsent) -> object:
        return await exchange.publish(
            Message(
                row.body,
                headers=row.headers,
                message_id=str(row.event_id),
                correlation_id=row.headers.get(CORRELATION) or str(row.event_id),
                content_type="application/json",
                delivery_mode=DeliveryMode.PERSISTENT,
            ),
            routing_key=row.name,
            mandatory=False,
            timeout=PUBLISH_TIMEOUT,
        )

    return send


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many events wait to be sent, and since when the oldest does."""
    query = select(func.count(), func.min(OUTBOX.c.created_at))
    count, oldest = (await session.exec(query)).one()  # type: ignore[call-overload]
    return count, oldest


__all__ = ["OUTBOX", "publish", "send_batch", "to_exchange", "waiting"]
