"""The fixtures that `tests.servers` describes."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from local.postgres import connect
from tests.servers.rabbitmq import create_vhost, delete_vhost
from tests.servers.run import ask, run_id
from tests.servers.templates import create_database, database_url


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


@pytest.fixture
async def database(
    postgres_server: str,
) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """`await database("booking")`: the URL of a fresh, migrated database."""
    made: list[str] = []

    async def make(service: str) -> str:
        package = service if service == "gateway" else f"services.{service}"
        name = await create_database(postgres_server, run_id(), package)
        made.append(name)
        return database_url(postgres_server, name)

    yield make
    if made:
        async with connect(postgres_server) as server:
            for name in made:
                await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
