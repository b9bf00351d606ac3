"""Every process of the marketplace on servers of its own, all of which can be killed."""

import asyncio
import importlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
from pydantic import SecretStr

from local import seeds
from local.clock import MovableClock
from local.databases import connect
from local.doors import free_base
from local.keys import keep_keys
from local.postgres import Postgres
from local.servers import Servers, ServersSettings, home_in
from local.servers.backlog import ReadyMessages
from local.settings import SERVICES
from shared.broker import dead_queue_name
from tests.flows.market import TIMEOUT, Market
from tests.servers.private import private_rabbitmq
from tests.servers.rabbitmq import Rabbitmq

SETTLING = 6.0
"""Seconds until a new quorum queue survives a kill of RabbitMQ 3.10 (issue 10070)."""

LEASES = (
    ("notifications", "deliveries", "state = 'due'"),
    ("payments", "payments", "due_at > now()"),
    ("payments", "refunds", "due_at > now()"),
)
"""Where claims are kept, and which rows may be claimed."""

UNANSWERED = ("notifications", "deliveries", "state = 'handed_over'")
"""Mails whose sender died before the answer came."""

CHEAP = {
    "ARGON2_MEMORY_KIB": "64",
    "ARGON2_PASSES": "1",
    "REGISTRATIONS_PER_ADDRESS": "1000",
}


@dataclass(frozen=True)
class Fleet:
    """The processes and the two servers under them."""

    market: Market
    servers: Servers
    rabbitmq: Rabbitmq
    postgres: Postgres
    settled_at: float

    @asynccontextmanager
    async def killed(self, victim: str, pause: float) -> AsyncIterator[None]:
        """After `pause` seconds in the block the victim dies, and is started again."""
        killing = asyncio.create_task(self._kill(victim, pause))
        try:
            yield
        finally:
            await killing

    async def _kill(self, victim: str, pause: float) -> None:
        await asyncio.sleep(pause)
        if victim == "rabbitmq":
            await asyncio.sleep(self.settled_at - time.monotonic())
        if victim in SERVICES or victim == "gateway":
            await asyncio.to_thread(self.servers.kill9, victim)
            await self.servers.restart(victim)
        else:
            node = self.rabbitmq if victim == "rabbitmq" else self.postgres
            await asyncio.to_thread(node.kill9)
            await asyncio.to_thread(node.start)
        await self._let_leases_run_out(victim)

    async def _let_leases_run_out(self, victim: str) -> None:
        """What a dead process had claimed is anybody's now, and not in two minutes."""
        orphans = [UNANSWERED] if victim == "notifications" else []
        for service, table, claimed in (*LEASES, *orphans):
            async with self._database(service) as database:
                await database.execute(
                    f"UPDATE {table} SET due_at = now() WHERE {claimed}"  # noqa: S608
                )

    def _database(self, service: str) -> AbstractAsyncContextManager[Any]:
        return connect(self.servers.databases[service].replace("+asyncpg", ""))

    def move_clock(self, by: timedelta) -> None:
        """Move product time without waiting for what follows from it."""
        MovableClock(self.servers.folder / "clock").advance(by)

    async def handed_over(self, seat_id: str) -> int:
        """Mails about the seat of which nobody knows whether they were taken."""
        query = (
            "SELECT count(*) FROM deliveries"
            " WHERE subject_id = $1 AND state IN ('handed_over', 'unknown')"
        )
        async with self._database("notifications") as database:
            return int(await database.fetchval(query, seat_id))


async def dead_letters(amqp_url: str) -> dict[str, int]:
    """How many messages lie in each dead-letter queue that is not empty."""
    messages = ReadyMessages(amqp_url)
    try:
        counts = await messages.count(_dead_queues())
    finally:
        await messages.close()
    return {name: count for name, count in counts.items() if count}


def _dead_queues() -> list[str]:
    events = [importlib.import_module(f"services.{name}.events") for name in SERVICES]
    return [
        dead_queue_name(each.queue) for one in events for each in one.handlers.items
    ]


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own user can enter, too."""
    with tempfile.TemporaryDirectory(prefix="scrimline-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@asynccontextmanager
async def a_fleet() -> AsyncIterator[Fleet]:
    """A fleet with an admin and games; nobody else is there."""
    async with AsyncExitStack() as stack:
        rabbitmq = stack.enter_context(private_rabbitmq())
        folder = stack.enter_context(_folder())
        # With a folder it waits for its log: what it confirmed outlives a kill.
        postgres = Postgres(folder / "postgres", system_first=True)
        stack.push_async_callback(asyncio.to_thread, postgres.close)
        await asyncio.to_thread(postgres.start)
        settings = ServersSettings(
            data=folder / "fleet",
            port_base=free_base(),
            amqp_url=SecretStr(rabbitmq.url),
            database_url=SecretStr(postgres.url),
        )
        with mock.patch.dict(os.environ, CHEAP):
            servers = await stack.enter_async_context(Servers(settings))
        settled_at = time.monotonic() + SETTLING
        async with home_in(servers) as home:
            await seeds.basics(home)
        market = await stack.enter_async_context(market_of(servers))
        yield Fleet(market, servers, rabbitmq, postgres, settled_at)


@asynccontextmanager
async def market_of(servers: Servers) -> AsyncIterator[Market]:
    keys = keep_keys(servers.folder / "keys.json")
    login = {"Authorization": f"Bearer {keys.stripe_api}"}
    async with (
        httpx2.AsyncClient(base_url=servers.url, timeout=TIMEOUT) as gateway,
        httpx2.AsyncClient(base_url=servers.mailbox_url, timeout=TIMEOUT) as mailbox,
        httpx2.AsyncClient(
            base_url=servers.stripe_url, headers=login, timeout=TIMEOUT
        ) as stripe,
    ):
        yield Market(gateway, mailbox, stripe)
