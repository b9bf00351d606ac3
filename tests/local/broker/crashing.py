"""A process that is about to be killed: `python -m tests.local.broker.crashing FILE`.

Says `confirmed N` when the broker has taken message N, and `acking N`, `acked N` before
and after its acknowledgement. Every tenth message takes a way round by a delay queue.
"""

import asyncio
import sys
from pathlib import Path

from faststream.rabbit import RabbitMessage

from local.broker import LocalBroker, MessageBus
from tests.local.broker.given import a_queue, subscribe


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def publish_and_handle(path: Path) -> None:
    bus = MessageBus(path)
    broker = LocalBroker(bus, logger=None)

    @subscribe(broker, a_queue("work", "work"))
    async def on_it(number: int, message: RabbitMessage) -> None:
        await asyncio.sleep(0.005)
        say(f"acking {number}")
        await message.ack()
        say(f"acked {number}")

    await broker.start()
    await broker.declare_queue(
        a_queue(
            "delay",
            x_message_ttl=500,
            x_dead_letter_exchange="",
            x_dead_letter_routing_key="work",
        )
    )
    number = 0
    while True:
        number += 1
        queue = "work" if number % 10 else "delay"
        await broker.publish(number, queue)
        say(f"confirmed {number}")


if __name__ == "__main__":
    asyncio.run(publish_and_handle(Path(sys.argv[1])))
