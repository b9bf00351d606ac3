"""A whole service with its inbox and its ladder: the same on the bus and on RabbitMQ."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from faststream.rabbit import Channel

from shared import broker as messaging
from shared import db
from shared.broker import DELAYS, dead_queue_name, declare_topology, events_exchange
from shared.contracts.booking import SeatExpiredV1
from shared.ids import new_id
from tests.given import NOW
from tests.local.broker.given import Join, count_in, the_next, until
from tests.shared.sample import Sample

QUEUE = "sample.on_seat_expired"


@pytest.fixture
async def sample(
    database: Callable[[str], Awaitable[str]],
    join: Join,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Sample]:
    """The sample service at work, with delays of hundredths of a second."""
    quick = {name: (number + 2) / 100 for number, name in enumerate(DELAYS)}
    monkeypatch.setattr(messaging, "DELAYS", quick)
    broker = join(default_channel=Channel(on_return_raises=True))
    sample = Sample(await database("scheduler"), broker)
    await broker.connect()
    await declare_topology(broker, sample.handlers)
    await broker.stop()
    await broker.start()
    yield sample
    await broker.stop()
    await db.engine_of(sample.parts.sessions).dispose()


async def send(sample: Sample, body: Any) -> None:
    await sample.parts.broker.publish(
        body,
        exchange=events_exchange(),
        routing_key=SeatExpiredV1.name,
        content_type="application/json",
        persist=True,
    )


def an_event() -> SeatExpiredV1:
    return SeatExpiredV1(occurred_at=NOW, seat_id=new_id())


async def test_a_handler_that_fails_is_asked_again_after_each_delay(
    sample: Sample,
) -> None:
    event = an_event()
    sample.fail_with = [RuntimeError("once"), ConnectionError("twice"), OSError("more")]

    await send(sample, event)
    await send(sample, event)

    await until(lambda: sample.handled == [event])
    assert sample.fail_with == []
    assert await count_in(sample.parts.broker, dead_queue_name(QUEUE)) == 0


async def test_what_never_succeeds_and_what_does_not_fit_end_in_the_dead_queue(
    sample: Sample,
) -> None:
    sample.fail_with = [RuntimeError(f"try {number}") for number in range(99)]

    await send(sample, an_event())
    failed = await the_next(sample.parts.broker, dead_queue_name(QUEUE))
    await failed.ack()
    await send(sample, b"\xff{")
    unfit = await the_next(sample.parts.broker, dead_queue_name(QUEUE))
    await unfit.ack()

    assert len(sample.fail_with) == 99 - (len(DELAYS) + 1)
    assert failed.headers["x-attempt"] == len(DELAYS) + 1
    assert unfit.headers["x-attempt"] == 1
    assert unfit.body == b"\xff{"
    assert sample.handled == []
