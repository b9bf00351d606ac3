"""Which queue gets what: the same on the bus and on RabbitMQ."""

import pytest
from aiormq.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    PublishError,
)
from faststream import Context
from faststream.rabbit import Channel, ExchangeType, RabbitExchange, RabbitQueue
from pamqp.commands import Basic

from shared.broker import Handlers as ServiceHandlers
from shared.broker import declare_topology
from tests.local.broker.given import (
    EVENTS,
    Join,
    a_queue,
    count_in,
    publish,
    reopened,
    subscribe,
    the_next,
    until,
)

KEYS = ["booking.seat_held.v1", "booking.seat_held.v2", "payments.failed.v1", "one", ""]


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("booking.seat_held.v1", KEYS[:1]),
        ("booking.*.v1", KEYS[:1]),
        ("*.*.v1", [KEYS[0], KEYS[2]]),
        ("*", KEYS[3:4]),
        ("booking.#", KEYS[:2]),
        ("#.v1", [KEYS[0], KEYS[2]]),
        ("#.seat_held.#", KEYS[:2]),
        ("*.*.*.#", KEYS[:3]),
        ("#", KEYS),
    ],
)
async def test_a_topic_pattern_selects_by_words(
    join: Join, pattern: str, matching: list[str]
) -> None:
    broker = join()
    await broker.connect()
    events = await broker.declare_exchange(EVENTS)
    queue = await broker.declare_queue(a_queue("heard"))
    await queue.bind(events, routing_key=pattern)

    for key in KEYS:
        await publish(events, key)

    heard = [(await the_next(broker, "heard")).routing_key for _ in matching]
    assert heard == matching
    assert await queue.get(fail=False) is None


async def test_a_queue_bound_twice_gets_a_message_once(join: Join) -> None:
    broker = join()
    await broker.connect()
    events = await broker.declare_exchange(EVENTS)
    queue = await broker.declare_queue(a_queue("heard"))
    for pattern in ("a.*", "a.b", "a.b"):
        await queue.bind(events, routing_key=pattern)

    await publish(events, "a.b")

    assert (await the_next(broker, "heard")).routing_key == "a.b"
    assert await queue.get(fail=False) is None


async def test_a_fanout_ignores_the_key_and_a_direct_exchange_wants_it_whole(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    for kind in (ExchangeType.FANOUT, ExchangeType.DIRECT):
        exchange = await broker.declare_exchange(
            RabbitExchange(kind.value, type=kind, durable=True)
        )
        queue = await broker.declare_queue(a_queue(kind.value))
        await queue.bind(exchange, routing_key="a.*")
        for key in ("a.b", "a.*"):
            await publish(exchange, key)

    fanned = [(await the_next(broker, "fanout")).routing_key for _ in range(2)]
    assert fanned == ["a.b", "a.*"]
    assert (await the_next(broker, "direct")).routing_key == "a.*"
    assert await count_in(broker, "direct") == 0


async def test_one_event_reaches_five_services_each_in_its_own_context(
    join: Join,
) -> None:
    heard = []
    for service in ("accounts", "coaches", "booking", "payments", "notifications"):
        broker = join()
        broker.context.set_global("service", service)

        @subscribe(broker, a_queue(f"{service}.on_it", "user.registered"))
        async def on_it(body: str, service: str = Context()) -> None:
            heard.append((service, body))

        await broker.start()

    await broker.publish("Ada", exchange=EVENTS, routing_key="user.registered")

    await until(lambda: len(heard) == 5)
    assert sorted(heard) == [
        (service, "Ada")
        for service in ("accounts", "booking", "coaches", "notifications", "payments")
    ]


async def test_a_publish_is_confirmed_also_when_nobody_listens(join: Join) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_exchange(EVENTS)
    await broker.declare_queue(a_queue("waiting"))

    assert isinstance(await broker.publish("x", "waiting"), Basic.Ack)
    unheard = await broker.publish(
        "x", exchange=EVENTS, routing_key="unheard", mandatory=False
    )
    assert isinstance(unheard, Basic.Ack)
    assert await count_in(broker, "waiting") == 1


async def test_a_mandatory_message_that_nobody_takes_comes_back(join: Join) -> None:
    quiet, strict = join(), join(default_channel=Channel(on_return_raises=True))
    for broker in (quiet, strict):
        await broker.connect()

    returned = await quiet.publish("x", "nowhere")
    with pytest.raises(PublishError):
        await strict.publish("x", "nowhere")

    assert getattr(returned, "routing_key", None) == "nowhere"
    assert isinstance(getattr(returned, "delivery", None), Basic.Return)


async def test_publishing_to_an_unknown_exchange_raises_and_harms_nothing_else(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("known"))
    channel = (await broker.declare_exchange(RabbitExchange())).channel
    unknown = await channel.get_exchange("unknown", ensure=False)

    with pytest.raises(ChannelNotFoundEntity):
        await publish(unknown, "x")
    await reopened(broker)
    with pytest.raises(ChannelNotFoundEntity):
        await broker.publish("x", exchange="also_unknown", routing_key="x")
    await reopened(broker)

    assert isinstance(await broker.publish("x", "known"), Basic.Ack)


async def test_looking_up_an_unknown_queue_raises_and_harms_nothing_else(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()

    with pytest.raises(ChannelNotFoundEntity):
        await broker.declare_queue(RabbitQueue("unknown", declare=False))
    await reopened(broker)

    found = await broker.declare_queue(a_queue("known"))
    assert found.declaration_result.message_count == 0


async def test_a_handler_whose_queue_is_not_declared_yet_cannot_start(
    join: Join,
) -> None:
    early, migrating = join(), join()
    heard = []

    @subscribe(early, RabbitQueue("late", declare=False))
    async def on_it(body: str) -> None:
        heard.append(body)

    with pytest.raises(ChannelNotFoundEntity):
        await early.start()
    await early.stop()
    await migrating.connect()
    await migrating.declare_queue(a_queue("late"))
    await early.start()
    await migrating.publish("x", "late")

    await until(lambda: heard == ["x"])


async def test_declaring_a_queue_or_an_exchange_otherwise_is_refused(
    join: Join,
) -> None:
    broker = join()
    await broker.connect()
    await broker.declare_queue(a_queue("q", x_message_ttl=1000))
    await broker.declare_exchange(EVENTS)
    await broker.declare_queue(a_queue("q", x_message_ttl=1000))

    with pytest.raises(ChannelPreconditionFailed):
        await broker.declare_queue(a_queue("q", x_message_ttl=2000))
    await reopened(broker)
    with pytest.raises(ChannelPreconditionFailed):
        await broker.declare_exchange(
            RabbitExchange("events", type=ExchangeType.FANOUT, durable=True)
        )


async def test_the_topology_of_a_service_can_be_declared_again(join: Join) -> None:
    broker, again = join(), join()
    handlers = ServiceHandlers("booking")
    for each in (broker, again):
        await each.connect()
        await declare_topology(each, handlers)

    await broker.publish("x", exchange=EVENTS, routing_key="x", mandatory=False)
