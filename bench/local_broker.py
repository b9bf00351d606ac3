"""How fast the in-process broker is.

The relay's pattern: batches of 200 confirmed publishes at once, one consumer that
acknowledges by hand with a prefetch of 32, the journal in a file.
"""

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter

from aio_pika import DeliveryMode, Message
from faststream import AckPolicy
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitExchange,
    RabbitQueue,
)

from bench.effort import Effort, interleaved
from bench.figures import Figure, typical
from bench.servers import Servers
from local.broker import LocalBroker, MessageBus

BATCH = 200
BODY = b'{"event_id": "01900000-0000-7000-8000-000000000000", "text": "%s"}' % (
    b"x" * 400
)


async def throughput(path: Path | None, messages: int) -> float:
    """Messages per second, published, handled and acknowledged."""
    bus = MessageBus(path)
    broker = LocalBroker(bus, logger=None)
    events = RabbitExchange("events", type=ExchangeType.TOPIC, durable=True)
    queue = RabbitQueue(
        "bench", routing_key="bench.#", durable=True, queue_type=QueueType.QUORUM
    )

    @broker.subscriber(
        queue,
        events,
        channel=Channel(prefetch_count=32),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def on_it(body: dict[str, str]) -> None:
        """Only decoded and acknowledged."""

    await broker.start()
    exchange = await broker.declare_exchange(events)
    started = perf_counter()
    for _ in range(messages // BATCH):
        message = Message(
            BODY,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        await asyncio.gather(
            *(
                exchange.publish(message, routing_key="bench.it", mandatory=False)
                for _ in range(BATCH)
            )
        )
    while bus.pending()["bench"]:
        await bus.changed()
    elapsed = perf_counter() - started
    await broker.stop()
    await bus.close()
    return messages / elapsed


async def measure(_: Servers, effort: Effort) -> list[Figure]:
    async def in_memory() -> float:
        return await throughput(None, effort.messages)

    async def in_a_file() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "broker.sqlite"
            return await throughput(path, effort.messages)

    measures = {"in memory": in_memory, "in a file": in_a_file}
    raw = await interleaved(effort.pairs, measures)
    return [
        typical(f"published and handled, {place}", values, "msg/s")
        for place, values in raw.items()
    ]
