"""The broker's users, with the very rights that the containers get, on a real RabbitMQ."""

import asyncio
import importlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel
from fastapi import FastAPI
from sqlalchemy import make_url

from deploy import rabbitmq_users
from local.databases import connect
from local.keys import keep_keys
from local.settings import SERVICES
from shared.broker import (
    DELAYS,
    Handlers,
    declare_topology,
    events_exchange,
    make_broker,
)
from shared.contracts.accounts import UserRegisteredV1
from shared.ids import new_id
from tests.given import NOW, a_verifier
from tests.servers.private import private_rabbitmq
from tests.servers.rabbitmq import Rabbitmq

pytestmark = pytest.mark.timeout(240)

Database = Callable[[str], Awaitable[str]]

PASSWORDS = {user: secrets.token_hex(8) for user in rabbitmq_users.permissions()}
REFUSED = aiormq.exceptions.ChannelAccessRefused


def url_of(node: Rabbitmq, user: str) -> str:
    return (
        make_url(node.url)
        .set(username=user, password=PASSWORDS[user])
        .render_as_string(hide_password=False)
    )


async def declare(url: str) -> None:
    """What the `migrate` of every service declares."""
    async with make_broker(url) as migrator:
        for name in SERVICES:
            await declare_topology(migrator, handlers_of(name))


def handlers_of(name: str) -> Handlers:
    handlers: Handlers = importlib.import_module(f"services.{name}.events").handlers
    return handlers


@pytest.fixture(scope="module")
def node() -> Iterator[Rabbitmq]:
    """A node with its users, made twice as on a restart, and with all queues."""
    with private_rabbitmq() as node:
        place = make_url(node.management_url)
        environment = {
            "MANAGEMENT_URL": f"http://{place.host}:{place.port}",
            "ADMIN_USER": str(place.username),
            "ADMIN_PASSWORD": str(place.password),
        } | {f"{user.upper()}_AMQP_PASSWORD": PASSWORDS[user] for user in PASSWORDS}
        rabbitmq_users.main(environment)
        rabbitmq_users.main(environment)
        asyncio.run(declare(url_of(node, "migrator")))
        yield node


OWN: dict[str, dict[str, Any]] = {
    "payments": {
        "stripe_api_key": "sk_test_1",
        "stripe_webhook_secret": "whsec_1",
        "stripe_api_base": "http://127.0.0.1:1",
        "checkout_success_url": "http://localhost/success",
        "checkout_cancel_url": "http://localhost/cancel",
    },
    "notifications": {"public_url": "http://localhost", "smtp_host": "127.0.0.1"},
}


@asynccontextmanager
async def running(
    name: str, database_url: str, amqp_url: str, **more: Any
) -> AsyncIterator[FastAPI]:
    """The service with these rights, once it has joined the broker."""
    module = importlib.import_module(f"services.{name}.app")
    settings = getattr(module, f"{name.title()}Settings")(
        environment="local",
        database_url=database_url,
        amqp_url=amqp_url,
        database_pool_size=2,
        **OWN.get(name, {}),
        **more,
    )
    app: FastAPI = module.create_app(settings, verifier=a_verifier())
    async with app.router.lifespan_context(app):
        await until(lambda: app.state.joined)
        yield app


async def until(happened: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something true, from a function or a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            seen = happened()
            if asyncio.iscoroutine(seen):
                seen = await seen
            if seen:
                return seen
            await asyncio.sleep(0.05)


@asynccontextmanager
async def a_channel(node: Rabbitmq, user: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url_of(node, user)) as connection:
        yield await connection.channel()


async def ready(node: Rabbitmq, queue: str) -> int:
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


def a_queue_of(name: str) -> str:
    return handlers_of(name).items[0].queue


async def test_every_service_joins_with_its_rights_and_hears_what_others_say(
    node: Rabbitmq, database: Database, tmp_path: Path
) -> None:
    """The scheduler's tick arrives at booking: published, confirmed, consumed."""
    keys = keep_keys(tmp_path / "keys.json").signing
    urls = {name: await database(name) for name in SERVICES}
    async with AsyncExitStack() as stack:
        for name in SERVICES:
            more = {"signing_keys": keys} if name == "accounts" else {}
            app = running(name, urls[name], url_of(node, name), **more)
            await stack.enter_async_context(app)

        async with connect(urls["booking"]) as booking:
            handled = "SELECT count(*) FROM inbox WHERE handler = $1"

            await until(lambda: booking.fetchval(handled, "booking.on_minute_tick"))


async def test_what_fails_comes_back_and_what_is_unfit_is_put_aside(
    node: Rabbitmq, database: Database
) -> None:
    """Both are publishes of the consumer: to a delay, and to a dead-letter queue."""
    queue, url = "coaches.on_user_registered", await database("coaches")
    async with (
        running("coaches", url, url_of(node, "coaches")),
        connect(url) as coaches,
        make_broker(url_of(node, "accounts")) as accounts,
    ):

        async def say(body: object) -> None:
            await accounts.publish(
                body, exchange=events_exchange(), routing_key=UserRegisteredV1.name
            )

        await say(b"{")
        await until(lambda: ready(node, f"{queue}.dead"))

        await coaches.execute("ALTER TABLE inbox RENAME TO hidden")
        await say(somebody_registered())
        await until(lambda: ready(node, "retry.1s"))
        await coaches.execute("ALTER TABLE hidden RENAME TO inbox")
        handled = "SELECT count(*) FROM inbox WHERE handler = $1"
        await until(lambda: coaches.fetchval(handled, queue))

    assert await ready(node, f"{queue}.dead") == 1


def somebody_registered() -> UserRegisteredV1:
    return UserRegisteredV1(
        occurred_at=NOW,
        user_id=new_id(),
        version=1,
        email="sam@example.com",
        email_verified=False,
        display_name="Sam",
        timezone="Europe/Berlin",
        locale="en",
        roles=["student"],
        suspended=False,
    )


@pytest.mark.parametrize("name", SERVICES)
async def test_nobody_reads_the_queue_of_another(node: Rabbitmq, name: str) -> None:
    for other in set(SERVICES) - {name, "scheduler"}:
        for queue in (a_queue_of(other), f"{a_queue_of(other)}.dead", "retry.1s"):
            async with a_channel(node, name) as channel:
                found = await channel.get_queue(queue, ensure=False)
                with pytest.raises(REFUSED, match="access to queue"):
                    await found.get(fail=False)


@pytest.mark.parametrize("name", SERVICES)
async def test_nobody_but_the_migrator_declares_binds_or_deletes(
    node: Rabbitmq, name: str
) -> None:
    """Not even what is its own."""
    async with a_channel(node, name) as channel:
        with pytest.raises(REFUSED, match=r"access to (queue|exchange)"):
            await channel.declare_queue(f"{name}.on_anything", durable=True)
    async with a_channel(node, name) as channel:
        with pytest.raises(REFUSED, match=r"access to (queue|exchange)"):
            await channel.declare_exchange("another", durable=True)
    if name == "scheduler":  # which hears nobody
        return
    async with a_channel(node, name) as channel:
        queue = await channel.get_queue(a_queue_of(name))
        with pytest.raises(REFUSED, match=r"access to (queue|exchange)"):
            await queue.bind("events", routing_key="#")
    async with a_channel(node, name) as channel:
        queue = await channel.get_queue(a_queue_of(name))
        with pytest.raises(REFUSED, match=r"access to (queue|exchange)"):
            await queue.delete(if_unused=False, if_empty=False)


@pytest.mark.parametrize("name", SERVICES)
async def test_nobody_speaks_in_the_name_of_another(node: Rabbitmq, name: str) -> None:
    async with a_channel(node, name) as channel:
        events = await channel.get_exchange("events", ensure=False)
        if name != "notifications":  # which says nothing
            await events.publish(
                aio_pika.Message(b""), f"{name}.nothing.v1", mandatory=False
            )
    for other in set(SERVICES) - {name}:
        async with a_channel(node, name) as channel:
            events = await channel.get_exchange("events", ensure=False)
            with pytest.raises(REFUSED, match="access to topic"):
                await events.publish(
                    aio_pika.Message(b""), f"{other}.nothing.v1", mandatory=False
                )


async def test_the_migrator_moves_no_messages_of_events(node: Rabbitmq) -> None:
    async with a_channel(node, "migrator") as channel:
        events = await channel.get_exchange("events", ensure=False)
        with pytest.raises(REFUSED, match="access to exchange"):
            await events.publish(aio_pika.Message(b""), "payments.succeeded.v1")


@pytest.mark.parametrize("user", sorted(PASSWORDS))
async def test_a_wrong_password_opens_nothing(node: Rabbitmq, user: str) -> None:
    wrong = make_url(url_of(node, user)).set(password="guess")
    with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(wrong.render_as_string(hide_password=False))


def test_a_user_without_password_stops_the_making() -> None:
    environment = {f"{user.upper()}_AMQP_PASSWORD": "x" for user in PASSWORDS}
    environment["BOOKING_AMQP_PASSWORD"] = ""

    with pytest.raises(SystemExit, match="BOOKING_AMQP_PASSWORD must be set"):
        rabbitmq_users.passwords(environment)


def test_a_wrong_administrator_is_told_so(node: Rabbitmq) -> None:
    place = make_url(node.management_url)
    url = f"http://{place.host}:{place.port}"

    with pytest.raises(HTTPError, match="401"):
        rabbitmq_users.Management(url, "admin", "guess").wait(patience=0)


def test_the_rights_name_every_service_and_nobody_else() -> None:
    assert set(rabbitmq_users.permissions()) == {"migrator", *SERVICES}
    assert set(DELAYS) == {"1s", "10s", "1m", "10m"}
