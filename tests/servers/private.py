"""Servers of a test's own, to be stopped, killed and frozen."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from local.postgres import Postgres
from tests.servers.rabbitmq import Rabbitmq


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """A running PostgreSQL (0.6 s) with `create_service_databases`; gone afterwards."""
    with closing(Postgres(system_first=True)) as server:
        server.start()
        yield server


@contextmanager
def private_rabbitmq() -> Iterator[Rabbitmq]:
    """A running RabbitMQ node (6 s); `url` leads to its vhost `/`. Gone afterwards."""
    with closing(Rabbitmq()) as server:
        server.start()
        yield server
