"""What the benchmarks run on: servers, databases, queues and processes of their own."""

import asyncio
import multiprocessing
import os
import runpy
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
)
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import httpx2

from local.postgres import Postgres, connect
from shared.broker import Handlers, declare_topology, make_broker
from shared.db import migrate
from tests.servers.private import private_rabbitmq
from tests.servers.templates import database_url

PATIENCE = 30.0

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *(f"services.{name}.events" for name in ("booking", "notifications")),
        *(f"services.{name}.api" for name in ("booking", "payments")),
        *("services.notifications.clients", "services.payments.events"),
        *("gateway.door", "gateway.openapi", "gateway.site", "uvicorn.main"),
    ]
)
"""Forked from a process that has imported what they need, they start at once."""


class Servers(Protocol):
    """`postgres` is a superuser's `postgresql://` URL, `amqp` that of one vhost."""

    @property
    def postgres(self) -> str: ...

    @property
    def amqp(self) -> str: ...


class PrivateServers:
    """Started when first asked for, gone at the end of the block. Blocking.

    PostgreSQL waits for the disk at every commit, as it does where money is at stake.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def postgres(self) -> str:
        return self._stack.enter_context(durable_postgres())

    @cached_property
    def amqp(self) -> str:
        return self._stack.enter_context(private_rabbitmq()).url


@contextmanager
def durable_postgres() -> Iterator[str]:
    """A superuser's URL."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # The server's own user must be able to enter it.
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder, "postgres"), system_first=True)
        with closing(server):
            server.start()
            yield server.url


@asynccontextmanager
async def database(server: str, package: str) -> AsyncIterator[str]:
    """The `postgresql+asyncpg://` URL of a migrated database, dropped at the end."""
    name = f"bench_{secrets.token_hex(6)}"
    async with connect(server) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            url = database_url(server, name)
            await migrate(url, package)
            yield url
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def declare(amqp_url: str, *services: Handlers) -> None:
    """The exchanges and queues of these services, as their `migrate` makes them."""
    async with make_broker(amqp_url) as broker:
        for handlers in services:
            await declare_topology(broker, handlers)


def service(
    name: str, port: int, database_url: str, **environment: str
) -> AbstractContextManager[None]:
    """A service, or the gateway, in a process of its own."""
    package = name if name == "gateway" else f"services.{name}"
    settings = {
        "DATABASE_URL": database_url,
        "PORT": str(port),
        "LOG_LEVEL": "ERROR",
        "ENVIRONMENT": "local",
    }
    return module(f"{package}.app", "serve", **settings | environment)


def uvicorn(app: str, port: int, **environment: str) -> AbstractContextManager[None]:
    """An application such as "bench.answers:app", served as the services are."""
    options = f"--port {port} --log-level error --no-access-log --timeout-keep-alive 75"
    options += " --http shared.server:OneWrite"
    return module("uvicorn", app, *options.split(), **environment)


@contextmanager
def module(name: str, *arguments: str, **environment: str) -> Iterator[None]:
    """`python -m name arguments` as a process that ends with the block."""
    process = FORKS.Process(target=_run, args=(name, arguments, environment))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(10)
        process.kill()
        process.join()


def _run(name: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.argv[1:] = arguments
    runpy.run_module(name, run_name="__main__", alter_sys=True)


async def listening(*ports: int) -> None:
    """Return once all ports take connections."""
    async with asyncio.timeout(PATIENCE):
        for port in ports:
            while not await _connects(port):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _connects(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def ready(*ports: int) -> None:
    """Return once the services there have their database and their queues."""
    await listening(*ports)
    async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(trust_env=False) as client:
        for port in ports:
            url = f"http://127.0.0.1:{port}/health/ready"
            while not (await client.get(url)).is_success:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
