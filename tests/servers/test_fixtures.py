import asyncio
import secrets
from collections.abc import AsyncIterator

import aio_pika
import asyncpg
import pytest
from sqlalchemy import make_url

from local.postgres import connect
from tests.servers.rabbitmq import call, create_vhost, delete_vhost
from tests.servers.sources import drop_databases
from tests.servers.templates import create_database, database_url

SAMPLE = "tests.servers.sample"


@pytest.fixture
async def run(postgres_server: str) -> AsyncIterator[str]:
    """The id of an imagined run, whose databases are dropped afterwards."""
    run = secrets.token_hex(4)
    yield run
    await drop_databases(postgres_server, run)


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(False)


async def test_a_database_has_the_migrations_of_its_package(
    postgres_server: str, run: str
) -> None:
    name = await create_database(postgres_server, run, SAMPLE)
    async with connect(plain(database_url(postgres_server, name))) as connection:
        assert await connection.fetchval("SELECT count(*) FROM scores") == 0
        assert await connection.fetchval("SELECT * FROM alembic_version") == "0001"


async def test_what_one_database_holds_is_not_in_the_next(
    postgres_server: str, run: str
) -> None:
    names = [await create_database(postgres_server, run, SAMPLE) for _ in range(2)]
    first, second = (plain(database_url(postgres_server, name)) for name in names)
    async with connect(first) as connection:
        await connection.execute("INSERT INTO scores VALUES (7)")
    async with connect(second) as connection:
        assert await connection.fetchval("SELECT count(*) FROM scores") == 0


async def test_databases_asked_for_at_once_share_one_template(
    postgres_server: str, run: str
) -> None:
    names = await asyncio.gather(
        *(create_database(postgres_server, run, SAMPLE) for _ in range(5))
    )
    assert len(set(names)) == 5
    async with connect(postgres_server) as server:
        templates = await server.fetchval(
            "SELECT count(*) FROM pg_database WHERE datname LIKE $1",
            f"scrimline_{run}_tests%",
        )
    assert templates == 1


async def test_a_migration_that_fails_leaves_no_template(
    postgres_server: str, run: str
) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="migrations"):
            await create_database(postgres_server, run, "tests.servers")
    async with connect(postgres_server) as server:
        assert not await server.fetchval(
            "SELECT 1 FROM pg_database WHERE datname = $1",
            f"scrimline_{run}_tests_servers",
        )


async def test_a_runs_databases_are_dropped_under_open_connections(
    postgres_server: str,
) -> None:
    run = secrets.token_hex(4)
    name = await create_database(postgres_server, run, SAMPLE)
    url = plain(database_url(postgres_server, name))
    async with connect(url):
        await drop_databases(postgres_server, run)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url)


async def test_a_vhost_starts_empty_and_carries_messages(amqp_vhost: str) -> None:
    async with await aio_pika.connect(amqp_vhost) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("scores")
        assert queue.declaration_result.message_count == 0
        await channel.default_exchange.publish(aio_pika.Message(b"7"), "scores")
        message = await queue.get(timeout=5)
        assert message.body == b"7"
        await message.ack()


async def test_a_removed_vhost_closes_its_connections(
    rabbitmq_server: tuple[str, str | None],
) -> None:
    url, management_url = rabbitmq_server
    if management_url is None:
        pytest.skip("a given AMQP URL comes without a management API")
    create_vhost(management_url, "short-lived")
    connection = await aio_pika.connect(f"{url.rpartition('/')[0]}/short-lived")
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    delete_vhost(management_url, "short-lived")
    await asyncio.wait_for(closed.wait(), 10)
    with pytest.raises(Exception, match="404"):
        call(management_url, "GET", "vhosts/short-lived")
