"""Where a run's servers come from: the environment, Docker, or this machine."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import make_url

from local.postgres import Postgres, connect
from tests.servers import docker
from tests.servers.rabbitmq import Rabbitmq

ADVICE = (
    "No {kind} for the tests: set {variable}, start Docker, or install it "
    "(`python -m tests.servers.install` does on Debian). {reason}"
)

log = logging.getLogger(__name__)

T = TypeVar("T")
AtTheEnd = Callable[[Callable[[], None]], None]
"""Takes what is to be called when the run ends, also before the server is up."""


def find_postgres(run: str, at_the_end: AtTheEnd) -> str:
    """A superuser's `postgresql://` URL. RuntimeError says what to do without one."""
    variable = "TEST_DATABASE_URL"
    if given := os.environ.get(variable):
        url = make_url(given).set(drivername="postgresql")
        plain = url.render_as_string(hide_password=False)
        at_the_end(lambda: asyncio.run(drop_databases(plain, run)))
        return plain
    return _started(
        ("PostgreSQL", variable),
        lambda: docker.start_postgres(at_the_end),
        lambda: _start_postgres(at_the_end),
    )


def find_rabbitmq(at_the_end: AtTheEnd) -> tuple[str, str | None]:
    """The AMQP URL and the management API's, which is None for a given AMQP URL."""
    variable = "TEST_AMQP_URL"
    if given := os.environ.get(variable):
        return given, None
    return _started(
        ("RabbitMQ", variable),
        lambda: docker.start_rabbitmq(at_the_end),
        lambda: _start_rabbitmq(at_the_end),
    )


async def drop_databases(server: str, run: str) -> None:
    """Leave a given server as it was before this run."""
    async with connect(server) as connection:
        ours = f"scrimline\\_{run}\\_%"
        for row in await connection.fetch(
            "SELECT quote_ident(datname) AS name FROM pg_database WHERE datname LIKE $1",
            ours,
        ):
            await connection.execute(f"DROP DATABASE {row['name']} WITH (FORCE)")


def _started(
    names: tuple[str, str], in_docker: Callable[[], T], here: Callable[[], T]
) -> T:
    kind, variable = names
    if docker.engine_answers():
        try:
            return in_docker()
        except Exception as error:
            # No image and no network: this machine's binaries may still do.
            log.warning("%s did not start in Docker: %s", kind, error)
    try:
        return here()
    except RuntimeError as error:
        advice = ADVICE.format(kind=kind, variable=variable, reason=error)
        raise RuntimeError(advice) from error


def _start_postgres(at_the_end: AtTheEnd) -> str:
    server = Postgres(system_first=True)
    at_the_end(server.close)
    server.start()
    return server.url


def _start_rabbitmq(at_the_end: AtTheEnd) -> tuple[str, str | None]:
    server = Rabbitmq()
    at_the_end(server.close)
    server.start()
    return server.url, server.management_url
