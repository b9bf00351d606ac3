"""The ladder of retries and the inbox, over a real RabbitMQ and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from faststream.rabbit import RabbitBroker, RabbitQueue, TestRabbitBroker

from shared import broker as messaging
from shared import db, outbox
from shared.broker import declare_topology, events_exchange, make_broker, next_stop
from shared.contracts import Event, Money
from shared.contracts.booking import SeatExpiredV1
from shared.contracts.payments import RefundFailedV1
from shared.errors import Outage
from shared.ids import new_id
from tests.given import NOW, published
from tests.shared.sample import Sample

Database = Callable[[str], Awaitable[str]]

QUEUE = "sample.on_seat_expired"


def an_event() -> SeatExpiredV1:
    return SeatExpiredV1(occurred_at=NOW, seat_id=new_id())


async def until(happened: Callable[[], object], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - another process is awaited
            await asyncio.sleep(0.02)


async def send(broker: RabbitBroker, event: SeatExpiredV1 | dict[str, Any]) -> None:
    await broker.publish(
        event, exchange=events_exchange(), routing_key=SeatExpiredV1.name, persist=True
    )


async def told(sample: Sample, count: int) -> list[Event]:
    """What was published, once it is that much: a handler is done before it commits."""
    async with asyncio.timeout(15):
        while len(events := await published(sample.parts.sessions)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return events


async def dead_letters(broker: RabbitBroker) -> list[dict[str, Any]]:
    queue = await broker.declare_queue(RabbitQueue(f"{QUEUE}.dead", declare=False))
    found = []
    while (message := await queue.get(fail=False)) is not None:
        await message.ack()
        found.append(dict(message.headers))
    return found


@pytest.fixture
async def sample(
    database: Database, amqp_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sample]:
    """The sample service on a real broker, with delays of hundredths of a second."""
    quick = {"1s": 0.02, "10s": 0.03, "1m": 0.04, "10m": 0.05}
    monkeypatch.setattr(messaging, "DELAYS", quick)
    sample = Sample(await database("scheduler"), make_broker(amqp_vhost))
    async with make_broker(amqp_vhost) as declarer:
        await declare_topology(declarer, sample.handlers)
    await sample.parts.broker.start()
    yield sample
    await sample.parts.broker.stop()
    await db.engine_of(sample.parts.sessions).dispose()


async def test_a_message_delivered_three_times_acts_once(sample: Sample) -> None:
    event, last = an_event(), an_event()

    for each in (event, event, event, last):
        await send(sample.parts.broker, each)
    await until(lambda: last in sample.handled)
    await until(lambda: event in sample.handled)

    assert len(sample.handled) == 2
    assert len(await told(sample, 2)) == 2


async def test_a_failed_message_comes_back_and_its_first_try_leaves_no_trace(
    sample: Sample,
) -> None:
    sample.fail_with = [RuntimeError("once"), RuntimeError("twice")]
    event = an_event()

    await send(sample.parts.broker, event)
    await until(lambda: sample.handled)

    assert sample.handled == [event]
    assert len(await told(sample, 1)) == 1


async def test_a_message_that_always_fails_climbs_the_ladder_and_is_dead(
    sample: Sample,
) -> None:
    sample.fail_with = [RuntimeError(f"try {n}") for n in range(99)]
    dead: list[dict[str, Any]] = []

    await send(sample.parts.broker, an_event())
    async with asyncio.timeout(15):
        while not dead:
            dead = await dead_letters(sample.parts.broker)
            await asyncio.sleep(0.05)

    assert len(sample.fail_with) == 99 - 5
    assert dead[0]["x-attempt"] == 5
    assert dead[0]["x-error"] == "RuntimeError: try 4"
    assert await published(sample.parts.sessions) == []


async def test_an_outage_is_waited_for_longer_than_the_ladder(sample: Sample) -> None:
    sample.fail_with = [ConnectionError() for _ in range(9)]
    event = an_event()

    await send(sample.parts.broker, event)
    await until(lambda: sample.handled)

    assert sample.handled == [event]
    assert await dead_letters(sample.parts.broker) == []


@pytest.mark.parametrize("body", [{"seat_id": 7}, b"\xff{", b"[]"])
async def test_a_message_that_does_not_fit_its_contract_is_dead_at_once(
    sample: Sample, body: Any
) -> None:
    good = an_event()

    await sample.parts.broker.publish(
        body,
        exchange=events_exchange(),
        routing_key=SeatExpiredV1.name,
        content_type="application/json",
    )
    await send(sample.parts.broker, good)
    await until(lambda: sample.handled)
    dead: list[dict[str, Any]] = []
    async with asyncio.timeout(15):
        while not dead:
            dead = await dead_letters(sample.parts.broker)
            await asyncio.sleep(0.05)

    assert dead[0]["x-attempt"] == 1
    assert sample.handled == [good]


async def test_an_event_without_hearers_is_no_error(sample: Sample) -> None:
    exchange = await sample.parts.broker.declare_exchange(events_exchange())
    nobody_hears = RefundFailedV1(
        occurred_at=NOW,
        payment_id=new_id(),
        refund_id=new_id(),
        amount=Money(amount=1, currency="USD"),
        reason="-",
    )
    async with sample.parts.sessions.begin() as session:
        await outbox.publish(session, nobody_hears)

    send = outbox.to_exchange(exchange)
    assert await outbox.send_batch(sample.parts.sessions, send) == 1


async def test_a_handler_is_tried_in_process_with_the_test_broker(
    database: Database,
) -> None:
    sample = Sample(await database("scheduler"))
    event = an_event()

    async with TestRabbitBroker(sample.parts.broker) as broker:
        await send(broker, event)
        await send(broker, event)

    assert sample.handled == [event]
    await db.engine_of(sample.parts.sessions).dispose()


@pytest.mark.parametrize(
    ("headers", "error", "stop"),
    [
        ({}, ValueError(), "1s"),
        ({"x-attempt": 1}, ValueError(), "10s"),
        ({"x-attempt": 3}, ValueError(), "10m"),
        ({"x-attempt": 4}, ValueError(), None),
        ({"x-attempt": 4}, Outage(), "1s"),
        ({"x-outages": 3}, TimeoutError(), "10m"),
        ({"x-outages": 99}, ConnectionRefusedError(), "10m"),
        ({"x-outages": 99}, ValueError(), "1s"),
    ],
)
def test_outages_and_mistakes_climb_ladders_of_their_own(
    headers: dict[str, Any], error: Exception, stop: str | None
) -> None:
    assert next_stop(headers, error)[1] == stop
