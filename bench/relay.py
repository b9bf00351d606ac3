"""The outbox relay beside publishing the same messages without an outbox.

Both wait for the broker's confirmation of every message, two hundred in flight, on the
same exchange with a quorum queue behind it; the relay also reads and deletes its rows,
in transactions that wait for the disk.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractQueue

from bench.effort import Effort, interleaved
from bench.figures import Figure, ratio, typical
from bench.servers import Servers, database, declare
from services.booking.events import handlers
from shared import outbox
from shared.broker import events_exchange, make_broker
from shared.contracts import Money
from shared.contracts.booking import SeatHeldV1
from shared.db import Sessions, engine_of, make_sessions
from shared.ids import new_id

LEAST = 0.5
SHARE_OF_EVENTS = outbox.BATCH
HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def a_seat_held() -> SeatHeldV1:
    now = datetime.now(UTC)
    return SeatHeldV1(
        occurred_at=now,
        correlation_id=str(new_id()),
        seat_id=new_id(),
        session_id=new_id(),
        coach_id=new_id(),
        student_id=new_id(),
        start=now,
        end=now + timedelta(hours=1),
        kind="individual",
        price=Money(amount=6000, currency="USD"),
        fee_percent=15,
        hold_expires_at=now + timedelta(minutes=15),
    )


@dataclass(frozen=True)
class Post:
    """Two ways onto one exchange, and the queue that takes what comes."""

    sessions: Sessions
    ours: AbstractExchange
    raw: AbstractExchange
    queue: AbstractQueue
    messages: int

    async def relayed(self) -> float:
        """Messages a second out of the outbox."""
        await self._fill()
        send, sent = outbox.to_exchange(self.ours), 0
        began = perf_counter()
        while done := await outbox.send_batch(self.sessions, send):
            sent += done
        took = perf_counter() - began
        await self._empty(sent)
        return sent / took

    async def published(self) -> float:
        """Messages a second without an outbox."""
        events = [a_seat_held() for _ in range(self.messages)]
        bodies = [event.model_dump_json().encode() for event in events]
        began = perf_counter()
        for first in range(0, len(bodies), outbox.BATCH):
            batch = bodies[first : first + outbox.BATCH]
            await asyncio.gather(*map(self._publish, batch))
        took = perf_counter() - began
        await self._empty(len(bodies))
        return len(bodies) / took

    async def _publish(self, body: bytes) -> object:
        message = aio_pika.Message(
            body,
            headers=dict(HEADERS),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        return await self.raw.publish(message, SeatHeldV1.name, mandatory=False)

    async def _fill(self) -> None:
        for first in range(0, self.messages, SHARE_OF_EVENTS):
            count = min(SHARE_OF_EVENTS, self.messages - first)
            async with self.sessions.begin() as session:
                await outbox.publish(session, *(a_seat_held() for _ in range(count)))

    async def _empty(self, expected: int) -> None:
        purged = (await self.queue.purge()).message_count
        if purged != expected:
            raise RuntimeError(f"{expected} were sent, {purged} are there")


@asynccontextmanager
async def a_post(servers: Servers, messages: int) -> AsyncIterator[Post]:
    await declare(servers.amqp, handlers)
    async with (
        database(servers.postgres, "services.booking") as url,
        make_broker(servers.amqp) as broker,
        await aio_pika.connect(servers.amqp) as connection,
    ):
        sessions = make_sessions(url)
        ours = await broker.declare_exchange(events_exchange())
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("events")
        queue = await a_queue(channel, "bench.relay", SeatHeldV1.name)
        yield Post(sessions, ours, exchange, queue, messages)
        await queue.delete(if_unused=False, if_empty=False)
        await engine_of(sessions).dispose()


async def a_queue(channel: Any, name: str, routing_key: str) -> AbstractQueue:
    """A quorum queue that hears one event."""
    queue: AbstractQueue = await channel.declare_queue(
        name, durable=True, arguments={"x-queue-type": "quorum"}
    )
    await queue.bind("events", routing_key)
    return queue


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    async with a_post(servers, effort.messages) as post:
        both = {"relay": post.relayed, "raw publish": post.published}
        await interleaved(1, both)
        raw = await interleaved(effort.pairs, both)
    return [
        typical("out of the outbox", raw["relay"], "msg/s"),
        typical("published without an outbox", raw["raw publish"], "msg/s"),
        ratio("relay : raw publish", raw, LEAST, at_least=True),
    ]
