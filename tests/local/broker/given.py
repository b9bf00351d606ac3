"""What the broker's tests start from."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aio_pika import Message
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from faststream import AckPolicy
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitQueue,
)

EVENTS = RabbitExchange("events", type=ExchangeType.TOPIC, durable=True)
PATIENCE = 10.0

Join = Callable[..., RabbitBroker]
"""Makes one more broker on the same server, to be started; takes its options."""


def a_queue(name: str, routing_key: str = "", **arguments: Any) -> RabbitQueue:
    """A durable quorum queue; `x_message_ttl=50` is its argument `x-message-ttl`."""
    named: Any = {key.replace("_", "-"): value for key, value in arguments.items()}
    return RabbitQueue(
        name,
        routing_key=routing_key,
        queue_type=QueueType.QUORUM,
        arguments=named,
    )


def subscribe(
    broker: RabbitBroker, queue: RabbitQueue, prefetch: int = 32
) -> Callable[[Callable[..., Awaitable[None]]], object]:
    """Decorates a handler as a service's are: prefetch of its own, asked for again."""
    return broker.subscriber(
        queue,
        EVENTS,
        channel=Channel(prefetch_count=prefetch),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )


async def publish(exchange: AbstractExchange, key: str, body: object = None) -> None:
    """As the relay does, confirmed."""
    message = Message(json.dumps(body).encode(), content_type="application/json")
    await exchange.publish(message, routing_key=key, mandatory=False, timeout=PATIENCE)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds; TimeoutError when it does not."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def the_next(broker: RabbitBroker, name: str) -> AbstractIncomingMessage:
    """Take the next message of a queue, waiting for it; it is still to be answered."""
    queue = await broker.declare_queue(RabbitQueue(name, declare=False))
    async with asyncio.timeout(PATIENCE):
        while (message := await queue.get(fail=False)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return message


async def reopened(broker: RabbitBroker) -> None:
    """Wait until aio-pika has opened another channel for one that an error closed."""
    channel = (await broker.declare_exchange(RabbitExchange())).channel
    await until(lambda: not channel.is_closed)


async def count_in(broker: RabbitBroker, name: str) -> int:
    """How many messages of a queue wait for somebody."""
    channel = (await broker.declare_exchange(RabbitExchange())).channel
    underlay = await channel.get_underlay_channel()
    declared = await underlay.queue_declare(
        name,
        passive=True,
        durable=True,
        exclusive=False,
        auto_delete=False,
        arguments=None,
    )
    return declared.message_count or 0
