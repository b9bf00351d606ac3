"""What only the bus does: it remembers, tells how full it is, and leaves nothing."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aio_pika import Message
from aiormq.exceptions import AMQPConnectionError
from faststream.rabbit import ExchangeType, RabbitExchange, RabbitQueue

from local.broker import LocalBroker, MessageBus
from tests.local.broker.given import (
    EVENTS,
    PATIENCE,
    a_queue,
    publish,
    subscribe,
    the_next,
    until,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.sqlite"


@pytest.fixture
async def bus(path: Path) -> AsyncIterator[MessageBus]:
    made = MessageBus(path)
    yield made
    await made.close()


def a_broker(bus: MessageBus) -> LocalBroker:
    return LocalBroker(bus, logger=None, graceful_timeout=0.1)


def killed_in_the_middle(path: Path, after: int) -> dict[str, set[int]]:
    """The messages that were confirmed, acking and acked before the kill -9."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "tests.local.broker.crashing", path],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.readlines()
    said: dict[str, set[int]] = {"confirmed": set(), "acking": set(), "acked": set()}
    for line in lines:
        if line.endswith("\n"):
            word, number = line.split()
            said[word].add(int(number))
    return said


async def test_a_killed_process_loses_nothing_that_was_confirmed_and_not_acknowledged(
    path: Path,
) -> None:
    said = await asyncio.to_thread(killed_in_the_middle, path, 2000)
    left = said["confirmed"] - said["acking"]
    assert said["acked"]
    assert any(number % 10 == 0 for number in left)
    bus = MessageBus(path)
    broker = a_broker(bus)
    heard: Counter[int] = Counter()

    @subscribe(broker, a_queue("work", "work"))
    async def on_it(number: int) -> None:
        heard[number] += 1

    await broker.start()
    await until(lambda: not any(bus.pending().values()))
    await broker.stop()
    await bus.close()

    assert left <= heard.keys()
    assert not heard.keys() & said["acked"]
    assert set(heard.values()) == {1}


async def test_messages_that_fell_due_while_down_are_delivered_at_start(
    path: Path,
) -> None:
    bus = MessageBus(path)
    broker = a_broker(bus)
    await broker.connect()
    await broker.declare_queue(a_queue("own"))
    sent = time.monotonic()
    for name, ttl in (("soon", 200), ("later", 2_000), ("much_later", 600_000)):
        await broker.declare_queue(
            a_queue(
                name,
                x_message_ttl=ttl,
                x_dead_letter_exchange="",
                x_dead_letter_routing_key="own",
            )
        )
        await broker.publish(name, name)
    await broker.stop()
    await bus.close()
    await asyncio.sleep(0.3)

    bus = MessageBus(path)
    assert bus.pending() == {"own": 0, "soon": 1, "later": 1, "much_later": 1}
    broker = a_broker(bus)
    await broker.connect()

    assert (await the_next(broker, "own")).body == b"soon"
    assert bus.pending()["later"] == 1
    assert (await the_next(broker, "own")).body == b"later"
    assert time.monotonic() - sent >= 1.99
    assert bus.pending() == {"own": 2, "soon": 0, "later": 0, "much_later": 1}
    await broker.stop()
    await bus.close()


async def test_a_restart_keeps_what_was_declared_and_how_often_a_message_came(
    path: Path,
) -> None:
    bus = MessageBus(path)
    broker = a_broker(bus)
    await broker.connect()
    queue = await broker.declare_queue(a_queue("q", x_delivery_limit=5))
    await queue.bind(await broker.declare_exchange(EVENTS), routing_key="a.*")
    await broker.publish("first", exchange=EVENTS, routing_key="a.b")
    await (await the_next(broker, "q")).nack(requeue=True)
    await broker.stop()
    await bus.close()

    bus = MessageBus(path)
    broker = a_broker(bus)
    await broker.connect()
    await broker.publish("second", exchange=EVENTS, routing_key="a.c")
    first, second = [await the_next(broker, "q") for _ in range(2)]

    assert (first.body, first.headers["x-delivery-count"]) == (b"first", 1)
    assert (second.body, second.redelivered) == (b"second", False)
    await broker.stop()
    await bus.close()


async def test_what_is_not_durable_does_not_survive_a_restart(path: Path) -> None:
    bus = MessageBus(path)
    broker = a_broker(bus)
    await broker.connect()
    await broker.declare_queue(a_queue("kept"))
    await broker.declare_exchange(EVENTS)
    fleeting = await broker.declare_queue(RabbitQueue("fleeting", durable=False))
    await fleeting.bind("events", routing_key="#")
    await broker.publish("x", exchange=EVENTS, routing_key="x")
    await broker.stop()
    await bus.close()

    bus = MessageBus(path)
    assert bus.pending() == {"kept": 0}
    await bus.close()


async def test_a_file_has_one_process(bus: MessageBus, path: Path) -> None:
    with pytest.raises(RuntimeError, match="locked"):
        MessageBus(path)
    assert bus.pending() == {}


async def test_without_a_file_all_is_forgotten() -> None:
    for _ in range(2):
        bus = MessageBus()
        assert bus.pending() == {}
        broker = a_broker(bus)
        await broker.connect()
        await broker.declare_queue(a_queue("q"))
        await broker.publish("x", "q")
        assert bus.pending() == {"q": 1}
        await broker.stop()
        await bus.close()


async def test_pending_counts_what_is_ready_delayed_and_in_hand(
    bus: MessageBus,
) -> None:
    broker = a_broker(bus)
    enough = asyncio.Event()

    @subscribe(broker, a_queue("q", "key"), prefetch=2)
    async def on_it() -> None:
        await enough.wait()

    await broker.start()
    events = await broker.declare_exchange(EVENTS)
    await broker.declare_queue(
        a_queue("delay", x_message_ttl=60_000, x_dead_letter_exchange="")
    )
    for _ in range(5):
        await publish(events, "key")
    await broker.publish("x", "delay")
    assert bus.pending() == {"q": 5, "delay": 1}

    enough.set()
    async with asyncio.timeout(PATIENCE):
        while bus.pending()["q"]:
            await bus.changed()
    assert bus.pending() == {"q": 0, "delay": 1}
    await broker.stop()


async def test_closing_under_brokers_at_work_leaves_no_task_and_no_message_lost(
    path: Path,
) -> None:
    before = asyncio.all_tasks()
    bus = MessageBus(path)
    broker = a_broker(bus)
    started: list[str] = []

    @subscribe(broker, a_queue("q", "key"))
    async def on_it(body: str) -> None:
        started.append(body)
        await asyncio.sleep(PATIENCE)

    await broker.start()
    await broker.declare_queue(a_queue("delay", x_message_ttl=60_000))
    await broker.publish("later", "delay")
    await broker.publish("now", "q")
    await until(lambda: started == ["now"])
    watching = asyncio.create_task(bus.changed())
    await asyncio.sleep(0)

    await bus.close()
    await bus.close()
    await watching
    assert not await broker.ping(0.01)
    await broker.stop()
    with pytest.raises(AMQPConnectionError):
        await broker.start()
    await until(lambda: asyncio.all_tasks() == before)

    reopened = MessageBus(path)
    assert reopened.pending() == {"q": 1, "delay": 1}
    await reopened.close()


async def test_what_the_bus_cannot_do_is_refused(bus: MessageBus) -> None:
    broker = a_broker(bus)
    await broker.connect()
    headers = RabbitExchange("h", type=ExchangeType.HEADERS, durable=True)
    with pytest.raises(NotImplementedError):
        await broker.declare_exchange(headers)
    for queue in (
        a_queue("q", x_max_length=5),
        RabbitQueue("q", exclusive=True),
        RabbitQueue("q", auto_delete=True),
    ):
        with pytest.raises(NotImplementedError):
            await broker.declare_queue(queue)
    await broker.declare_queue(a_queue("q"))
    default = await broker.declare_exchange(RabbitExchange())
    with pytest.raises(NotImplementedError):
        await default.publish(Message(b"x", expiration=1), routing_key="q")
    assert bus.pending() == {"q": 0}
    await broker.stop()


async def test_an_answer_to_a_message_that_nobody_has_closes_the_channel(
    bus: MessageBus,
) -> None:
    broker = a_broker(bus)
    await broker.connect()
    await broker.declare_queue(a_queue("q"))
    await broker.publish("x", "q")
    message = await the_next(broker, "q")
    channel = message.channel

    await message.ack()
    with pytest.raises(Exception, match="unknown delivery tag"):
        await channel.basic_ack(1)

    assert channel.is_closed
    await broker.stop()


async def test_one_answer_may_stand_for_all_messages_before(bus: MessageBus) -> None:
    broker = a_broker(bus)
    await broker.connect()
    await broker.declare_queue(a_queue("q"))
    for body in ("a", "b", "c"):
        await broker.publish(body, "q")
    messages = [await the_next(broker, "q") for _ in range(3)]

    await messages[1].ack(multiple=True)

    assert bus.pending() == {"q": 1}
    await messages[2].ack()
    assert bus.pending() == {"q": 0}
    await broker.stop()
