"""Where a message goes that nobody took: the same on the bus and on RabbitMQ."""

import time
from typing import Any

from faststream.rabbit import (
    ExchangeType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
)

from tests.local.broker.given import (
    EVENTS,
    Join,
    a_queue,
    count_in,
    publish,
    subscribe,
    the_next,
    until,
)

DELAY = RabbitExchange("retry", type=ExchangeType.FANOUT, durable=True)
TTL = 300
"""Milliseconds."""


def a_queue_with_a_grave(name: str, **arguments: Any) -> RabbitQueue:
    return a_queue(
        name,
        "key",
        x_dead_letter_exchange="",
        x_dead_letter_routing_key=f"{name}.dead",
        x_dead_letter_strategy="at-least-once",
        x_overflow="reject-publish",
        **arguments,
    )


async def declare_delay(broker: RabbitBroker) -> None:
    """Fanout in, default exchange out: the routing key names the queue to go to."""
    delay = await broker.declare_exchange(DELAY)
    queue = await broker.declare_queue(
        a_queue("retry", x_message_ttl=TTL, x_dead_letter_exchange="")
    )
    await queue.bind(delay)


async def test_a_rejected_message_goes_to_the_dead_queue_with_its_story(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("q.dead"))
    queue = await broker.declare_queue(a_queue_with_a_grave("q"))
    events = await broker.declare_exchange(EVENTS)
    await queue.bind(events, routing_key="key")
    await broker.publish(
        "x", exchange=EVENTS, routing_key="key", message_id="m", headers={"own": 1}
    )

    await (await the_next(broker, "q")).reject(requeue=False)

    dead = await the_next(broker, "q.dead")
    assert (dead.body, dead.message_id, dead.headers["own"]) == (b"x", "m", 1)
    assert (dead.exchange, dead.routing_key) == ("", "q.dead")
    death: Any = dead.headers["x-death"]
    story = {key: value for key, value in death[0].items() if key != "time"}
    assert story == {
        "count": 1,
        "reason": "rejected",
        "queue": "q",
        "exchange": "events",
        "routing-keys": ["key"],
    }
    assert dead.headers["x-first-death-queue"] == "q"
    assert dead.headers["x-first-death-exchange"] == "events"
    assert dead.headers["x-first-death-reason"] == "rejected"
    assert await count_in(broker, "q") == 0


async def test_a_rejected_message_without_a_dead_letter_exchange_is_gone(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("q"))
    await broker.publish("x", "q")
    await broker.publish("y", "q")

    await (await the_next(broker, "q")).reject(requeue=False)

    assert (await the_next(broker, "q")).body == b"y"


async def test_a_delayed_message_comes_back_to_its_own_queue_after_the_delay(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    await declare_delay(broker)
    for name in ("own", "other"):
        await broker.declare_queue(a_queue(name))

    sent = time.monotonic()
    await broker.publish("x", exchange=DELAY, routing_key="own", message_id="m")
    back = await the_next(broker, "own")
    waited = time.monotonic() - sent

    assert TTL / 1000 - 0.01 <= waited < TTL / 1000 + 2
    assert (back.message_id, back.exchange, back.routing_key) == ("m", "", "own")
    death: Any = back.headers["x-death"]
    assert [(each["queue"], each["reason"]) for each in death] == [("retry", "expired")]
    assert await count_in(broker, "other") == 0


async def test_a_message_that_goes_round_twice_counts_its_deaths(join: Join) -> None:
    broker = join()
    deaths: list[list[tuple[str, int]]] = []
    await broker.connect()
    await declare_delay(broker)

    @subscribe(broker, a_queue("own", "key"))
    async def on_it(message: RabbitMessage) -> None:
        died: Any = message.headers.get("x-death", [])
        deaths.append([(each["queue"], each["count"]) for each in died])
        if len(deaths) < 3:
            await broker.publish(
                message.body, exchange=DELAY, routing_key="own", headers=message.headers
            )

    await broker.start()
    await publish(await broker.declare_exchange(EVENTS), "key")

    await until(lambda: len(deaths) == 3)
    assert deaths == [[], [("retry", 1)], [("retry", 2)]]


async def test_a_deadly_message_is_delivered_once_more_often_than_the_limit(
    join: Join,
) -> None:
    broker = join()
    calls = 0

    @subscribe(broker, a_queue_with_a_grave("q", x_delivery_limit=2))
    async def on_it() -> None:
        nonlocal calls
        calls += 1
        raise ValueError

    await broker.connect()
    await broker.declare_queue(a_queue("q.dead"))
    await broker.start()
    await publish(await broker.declare_exchange(EVENTS), "key", "deadly")

    dead = await the_next(broker, "q.dead")
    assert dead.body == b'"deadly"'
    death: Any = dead.headers["x-death"]
    assert [(each["queue"], each["reason"]) for each in death] == [
        ("q", "delivery_limit")
    ]
    assert not dead.redelivered
    assert calls == 3


async def test_a_consumer_that_keeps_going_away_uses_up_the_limit(join: Join) -> None:
    staying = join()
    await staying.connect()
    await staying.declare_queue(a_queue("q.dead"))
    await staying.declare_queue(a_queue_with_a_grave("q", x_delivery_limit=1))
    await staying.publish("deadly", "q")

    for _ in range(2):
        leaving = join()
        await leaving.connect()
        await the_next(leaving, "q")
        await leaving.stop()

    assert (await the_next(staying, "q.dead")).body == b"deadly"
