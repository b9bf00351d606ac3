"""The fixtures that `tests.servers` describes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import closing
from threading import Thread
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.servers.rabbitmq import create_vhost, delete_vhost
from tests.servers.run import ask, run_id
from tests.servers.templates import copy_template, database_url

T = TypeVar("T")


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The run's PostgreSQL: a superuser's `postgresql://` URL."""
    url: str = ask("postgres")
    return url


@pytest.fixture(scope="session")
def rabbitmq_server() -> tuple[str, str | None]:
    """The run's RabbitMQ: its AMQP URL and, unless that was given, its management's."""
    urls: tuple[str, str | None] = ask("rabbitmq")
    return urls


class Administrator:
    """The superuser, connected for as long as this worker works.

    To connect takes as long as to copy a database. The connection has a loop and a
    thread of its own, since each test has another loop.
    """

    def __init__(self, server_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._turns = asyncio.Lock()
        self._server = self._do(asyncpg.connect(server_url)).result()

    async def ask(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Do this work, when what others asked for is done."""

        async def in_turn() -> T:
            async with self._turns:
                return await work(self._server)

        return await asyncio.wrap_future(self._do(in_turn()))

    def close(self) -> None:
        self._do(self._server.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


@pytest.fixture(scope="session")
def administrator(postgres_server: str) -> Iterator[Administrator]:
    """Who makes and drops the databases of the tests."""
    with closing(Administrator(postgres_server)) as administrator:
        yield administrator


@pytest.fixture
async def database(
    postgres_server: str, administrator: Administrator
) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """`await database("booking")`: the URL of a fresh, migrated database."""
    made: list[str] = []

    async def make(service: str) -> str:
        package = service if service == "gateway" else f"services.{service}"
        name = await administrator.ask(
            lambda server: copy_template(server, postgres_server, run_id(), package)
        )
        made.append(name)
        return database_url(postgres_server, name)

    async def drop(server: asyncpg.Connection) -> None:
        for name in made:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    yield make
    await administrator.ask(drop)


@pytest.fixture
def amqp_vhost(rabbitmq_server: tuple[str, str | None]) -> Iterator[str]:
    """The `amqp://` URL of an empty vhost, removed after the test."""
    url, management_url = rabbitmq_server
    if management_url is None:
        yield url
        return
    name = f"test-{secrets.token_hex(6)}"
    create_vhost(management_url, name)
    yield f"{url.rpartition('/')[0]}/{name}"
    delete_vhost(management_url, name)
