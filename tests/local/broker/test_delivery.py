"""How a message comes to a consumer: the same on the bus and on RabbitMQ."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any

from aio_pika import DeliveryMode, Message
from aiormq.exceptions import ChannelPreconditionFailed
from faststream import BaseMiddleware, Context
from faststream.exceptions import AckMessage
from faststream.rabbit import RabbitExchange, RabbitMessage

from tests.local.broker.given import (
    EVENTS,
    PATIENCE,
    Join,
    a_queue,
    count_in,
    publish,
    subscribe,
    the_next,
    until,
)


async def test_headers_and_properties_arrive_unchanged(join: Join) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("q"))
    default = await broker.declare_exchange(RabbitExchange())
    sent = Message(
        b"\x00\xffbody",
        headers={
            "text": "für",
            "number": 7,
            "big": 2**40,
            "yes": True,
            "nothing": None,
            "at": datetime(2026, 6, 15, 12, tzinfo=UTC),
            "nested": {"list": [1, "two", {"three": 3}]},
        },
        message_id="m-1",
        correlation_id="c-1",
        content_type="application/json",
        content_encoding="identity",
        delivery_mode=DeliveryMode.PERSISTENT,
        timestamp=datetime(2026, 6, 15, 12, tzinfo=UTC),
        type="booking.seat_held.v1",
        app_id="booking",
        reply_to="somebody",
    )

    await default.publish(sent, routing_key="q", timeout=PATIENCE)

    came = await the_next(broker, "q")
    # RabbitMQ counts from 0 for who asks, but from the second time for who listens.
    came.headers.pop("x-delivery-count", None)
    assert came.body == sent.body
    assert Message.info(came) == sent.info()  # type: ignore[arg-type]
    assert came.delivery_mode is DeliveryMode.PERSISTENT
    assert (came.exchange, came.routing_key, came.redelivered) == ("", "q", False)


async def test_no_more_messages_are_in_hand_than_the_prefetch_allows(
    join: Join,
) -> None:
    broker = join()
    in_hand, most, done = 0, 0, 0
    enough = asyncio.Event()

    @subscribe(broker, a_queue("q", "key"), prefetch=3)
    async def on_it() -> None:
        nonlocal in_hand, most, done
        in_hand += 1
        most = max(most, in_hand)
        await enough.wait()
        in_hand -= 1
        done += 1

    await broker.start()
    events = await broker.declare_exchange(EVENTS)
    for _ in range(10):
        await publish(events, "key")
    await until(lambda: in_hand == 3)

    assert await count_in(broker, "q") == 7
    enough.set()
    await until(lambda: done == 10)
    assert most == 3


async def test_two_consumers_share_a_queue(join: Join) -> None:
    heard: list[str] = []
    for service in ("first", "second"):
        broker = join()
        broker.context.set_global("service", service)

        @subscribe(broker, a_queue("q", "key"), prefetch=1)
        async def on_it(service: str = Context()) -> None:
            heard.append(service)

        await broker.start()

    events = await broker.declare_exchange(EVENTS)
    for _ in range(20):
        await publish(events, "key")

    await until(lambda: len(heard) == 20)
    assert set(heard) == {"first", "second"}


async def test_what_a_stopped_consumer_left_unanswered_comes_to_the_next(
    join: Join,
) -> None:
    leaving, staying = join(), join()
    started: list[str] = []
    cancelled: list[str] = []

    @subscribe(leaving, a_queue("q", "key"))
    async def on_it(body: str) -> None:
        started.append(body)
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.append(body)
            raise

    await leaving.start()
    await staying.connect()
    events = await staying.declare_exchange(EVENTS)
    for body in ("a", "b"):
        await publish(events, "key", body)
    await until(lambda: len(started) == 2)
    await leaving.stop()

    again = [await the_next(staying, "q") for _ in range(2)]
    assert [each.body for each in again] == [b'"a"', b'"b"']
    assert all(each.redelivered for each in again)
    assert [each.headers["x-delivery-count"] for each in again] == [1, 1]
    assert sorted(cancelled) == ["a", "b"]


async def test_a_stopped_broker_starts_again_and_hears_what_it_missed(
    join: Join,
) -> None:
    broker, other = join(), join()
    heard: list[str] = []

    @subscribe(broker, a_queue("q", "key"))
    async def on_it(body: str) -> None:
        heard.append(body)

    await other.connect()
    events = await other.declare_exchange(EVENTS)
    await broker.start()
    await publish(events, "key", "before")
    await until(lambda: heard == ["before"])
    await broker.stop()
    await publish(events, "key", "meanwhile")
    assert not await broker.ping(0.01)

    await broker.start()
    assert await broker.ping(1)
    await until(lambda: heard == ["before", "meanwhile"])


async def test_a_message_sent_back_comes_again(join: Join) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("q"))
    await broker.publish("x", "q", headers={"own": 1})

    first = await the_next(broker, "q")
    await first.nack(requeue=True)
    again = await the_next(broker, "q")

    assert not first.redelivered
    assert again.redelivered
    assert again.headers == {"own": 1, "x-delivery-count": 1}


async def test_a_handler_that_fails_gets_its_message_again(join: Join) -> None:
    broker = join()
    counts: list[object] = []

    @subscribe(broker, a_queue("q", "key"))
    async def on_it(message: RabbitMessage) -> None:
        counts.append(message.headers.get("x-delivery-count"))
        if len(counts) < 3:
            raise ValueError

    await broker.start()
    await publish(await broker.declare_exchange(EVENTS), "key")

    await until(lambda: len(counts) == 3)
    assert counts == [None, 1, 2]
    await broker.stop()
    await broker.connect()
    assert await count_in(broker, "q") == 0


async def test_a_consumer_goes_on_after_an_error_closed_its_channel(join: Join) -> None:
    broker = join()
    heard: list[tuple[str, bool]] = []

    @subscribe(broker, a_queue("q", "key"))
    async def on_it(body: str, message: RabbitMessage) -> None:
        raw = message.raw_message
        heard.append((body, bool(raw.redelivered)))
        if body == "bad" and not raw.redelivered:
            # Our broker says so at once, RabbitMQ a moment later.
            with suppress(ChannelPreconditionFailed):
                await raw.channel.basic_ack(999)
            await asyncio.sleep(PATIENCE)

    await broker.start()
    events = await broker.declare_exchange(EVENTS)
    await publish(events, "key", "bad")
    await until(lambda: ("bad", True) in heard)
    await publish(events, "key", "good")

    await until(lambda: ("good", False) in heard)
    assert heard == [("bad", False), ("bad", True), ("good", False)]


async def test_poison_json_reaches_the_middleware(join: Join) -> None:
    poison: list[tuple[object, bytes]] = []

    class Catching(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            try:
                return await call_next(msg)
            except JSONDecodeError as error:
                poison.append((error, msg.body))
                raise AckMessage from error

    broker = join(middlewares=[Catching])
    heard: list[dict[str, int]] = []

    @subscribe(broker, a_queue("q", "key"))
    async def on_it(body: dict[str, int]) -> None:
        heard.append(body)

    await broker.start()
    events = await broker.declare_exchange(EVENTS)
    for body in (b"{not json", b'{"fine": 1}'):
        message = Message(body, content_type="application/json")
        await events.publish(message, routing_key="key")

    await until(lambda: heard == [{"fine": 1}])
    assert [body for _, body in poison] == [b"{not json"]


async def test_an_empty_queue_gives_nothing_and_an_unanswered_message_stays(
    join: Join,
) -> None:
    taking, other = join(), join()
    for broker in (taking, other):
        await broker.connect()
    queue = await taking.declare_queue(a_queue("q"))
    assert await queue.get(fail=False) is None
    await taking.publish("x", "q")

    assert (await the_next(taking, "q")).body == b"x"
    assert await queue.get(fail=False) is None
    await taking.stop()

    again = await the_next(other, "q")
    assert again.redelivered
    await again.ack()
    assert await count_in(other, "q") == 0
