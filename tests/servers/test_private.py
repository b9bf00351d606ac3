import asyncio

import aio_pika
import pytest

from tests.servers.private import private_rabbitmq

SETTLING = 6.0
"""Seconds from the declaration of a quorum queue until it survives a kill."""


async def publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url, timeout=20) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(
            "scores", durable=True, arguments={"x-queue-type": "quorum"}
        )
        message = aio_pika.Message(body, delivery_mode=2)
        await channel.default_exchange.publish(message, queue.name, timeout=20)


async def received(url: str) -> list[bytes]:
    bodies = []
    async with await aio_pika.connect(url, timeout=20) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("scores")
        while message := await queue.get(fail=False):
            bodies.append(message.body)
    return bodies


@pytest.mark.timeout(240)
async def test_a_node_killed_and_frozen_keeps_what_it_confirmed() -> None:
    with private_rabbitmq() as node:
        await publish(node.url, b"before the kill")
        await asyncio.sleep(SETTLING)
        node.kill9()
        with pytest.raises(OSError, match="Connect"):
            await publish(node.url, b"lost")
        await asyncio.to_thread(node.start)
        await publish(node.url, b"before the pause")

        node.pause()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await publish(node.url, b"too late?")
        node.resume()
        await publish(node.url, b"after the pause")

        assert await received(node.url) == [
            b"before the kill",
            b"before the pause",
            b"after the pause",
        ]
