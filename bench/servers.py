"""What the benchmarks run on: servers, databases, queues and processes of their own."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
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
    return process(
        *(sys.executable, "-m", f"{package}.app", "serve"),
        DATABASE_URL=database_url,
        PORT=str(port),
        LOG_LEVEL="ERROR",
        ENVIRONMENT="local",
        **environment,
    )


@contextmanager
def process(*command: str, **environment: str) -> Iterator[None]:
    """A process that ends with the block."""
    running = subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603
    try:
        yield
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(10)
        running.kill()
        running.wait()


def uvicorn(app: str, port: int, **environment: str) -> AbstractContextManager[None]:
    """An application such as "bench.answers:app", served as the services are."""
    options = f"--port {port} --log-level error --no-access-log --timeout-keep-alive 75"
    command = [sys.executable, "-m", "uvicorn", app, *options.split()]
    return process(*command, **environment)


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
