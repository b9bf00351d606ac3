"""The house with RabbitMQ and PostgreSQL servers in place of what stands in for them."""

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from local.databases import connect
from local.house import House
from local.mailbox.smtp import Sink, start_smtp
from local.processes import free_port
from local.servers.backlog import Deliveries, ReadyMessages
from local.settings import SERVICES, LocalSettings
from shared.auth import Verifier
from shared.broker import DELAYS, dead_queue_name, declare_topology, make_broker
from tests.servers.run import run_id
from tests.servers.templates import create_database, database_url

CHEAP_HASHES = {"argon2_memory_kib": 64, "argon2_passes": 1}


class ServerHouse(House):
    """All services in this process, on a RabbitMQ and on databases from outside.

    Mails go through `post`, which a test may close and open again.
    """

    post: Sink

    def __init__(
        self,
        settings: LocalSettings,
        urls: Mapping[str, str],
        amqp_url: str,
    ) -> None:
        super().__init__(settings, kept=False)
        self.urls = urls
        self._amqp_url = amqp_url
        self._deliveries = Deliveries()
        self._begun = 0
        self._messages = ReadyMessages(amqp_url)

    async def pending(self) -> dict[str, int]:
        queues = [*self._handler_queues(), *(f"retry.{delay}" for delay in DELAYS)]
        ready = await self._messages.count(queues)
        return await super().pending() | ready | self._handling()

    async def tick_consequences(self) -> dict[str, int]:
        counts = await super().tick_consequences()
        queues = [name for name in counts if name in self._handler_queues()]
        return counts | await self._messages.count(queues) | self._handling()

    async def dead(self) -> dict[str, int]:
        """How many messages lie in each dead-letter queue that is not empty."""
        queues = map(dead_queue_name, self._handler_queues())
        return {
            name: n for name, n in (await self._messages.count(queues)).items() if n
        }

    def _handling(self) -> dict[str, int]:
        """Messages in our hands, and whether any came since the last look."""
        before, self._begun = self._begun, self._deliveries.begun
        return {
            "handling": self._deliveries.open.total(),
            "moving": int(self._begun != before),
        }

    async def _databases(self, stack: AsyncExitStack) -> Mapping[str, str]:
        # Not one of those that a connection may take while the mailbox is down.
        self.post = await start_smtp("127.0.0.1", free_port(), self.mails)
        stack.push_async_callback(self.post.close)
        stack.push_async_callback(self._messages.close)
        return self.urls

    async def _prepare(self, _: Mapping[str, str]) -> None:
        async with make_broker(self._amqp_url) as broker:
            for name in SERVICES:
                await declare_topology(broker, self.apps[name].state.parts.handlers)

    def _app(self, name: str, database_url: str) -> FastAPI:
        module = importlib.import_module(f"services.{name}.app")
        settings = getattr(module, f"{name.title()}Settings")(
            environment="local",
            database_url=SecretStr(database_url),
            amqp_url=SecretStr(self._amqp_url),
            database_pool_size=5,
            **self._own_settings().get(name, {}),
        )
        broker = make_broker(self._amqp_url)
        broker.add_middleware(self._deliveries)
        app: FastAPI = module.create_app(
            settings, broker=broker, clock=self.clock, verifier=Verifier(self._jwks)
        )
        return app

    def _own_settings(self) -> dict[str, dict[str, Any]]:
        own = super()._own_settings()
        own["accounts"] |= CHEAP_HASHES
        own["notifications"]["smtp_port"] = self.post.port
        return own

    def _handler_queues(self) -> list[str]:
        parts = (self.apps[name].state.parts for name in SERVICES)
        return [each.queue for part in parts for each in part.handlers.items]


@asynccontextmanager
async def migrated_databases(server_url: str) -> AsyncIterator[dict[str, str]]:
    """A fresh database for each service and the gateway, by name; dropped at the end.

    None of them may have seen a deadlock by then.
    """
    names: dict[str, str] = {}
    try:
        for service in (*SERVICES, "gateway"):
            package = service if service == "gateway" else f"services.{service}"
            names[service] = await create_database(server_url, run_id(), package)
        yield {key: database_url(server_url, name) for key, name in names.items()}
        async with connect(server_url) as server:
            assert not await server.fetch(
                "SELECT datname, deadlocks FROM pg_stat_database"
                " WHERE datname = ANY($1) AND deadlocks > 0",
                list(names.values()),
            )
    finally:
        async with connect(server_url) as server:
            for name in names.values():
                await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
