"""All processes of the marketplace, to be started, killed and started again."""

import asyncio
import http.client
import importlib
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import httpx2

from local.databases import create_databases
from local.doors import reserve
from local.keys import keep_keys
from local.processes import Process, free_port
from local.servers.settings import OWNERS, PREFIX, Plan, ServersSettings
from local.settings import SERVICES
from shared import db, service
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

NAMES = (*SERVICES, "gateway", "stripe", "mailbox")

READY = {"stripe": "/_double/idle", "mailbox": "/health/live"}
"""What answers 200 when a process can do its work; of all others `/health/ready`."""

MODULES = {
    "gateway": ("local.servers.door",),
    "stripe": ("local.servers.double",),
    "mailbox": ("local.mailbox",),
}
"""What runs them; all others are services."""


class Servers:
    """One process for each service, the gateway, the Stripe double and the mailbox.

    Also a context manager: `async with Servers(settings) as servers`. The processes end
    when this one does, however it ends. Nobody restarts what died: `ended` tells, and
    `restart` does it, on the same port and data. `databases` has the URL of each
    service's own, by name, and the gateway's.
    """

    names: tuple[str, ...] = NAMES

    def __init__(self, settings: ServersSettings) -> None:
        self.settings = settings
        self.folder = settings.data.absolute()
        self.ports = {name: free_port() for name in (*SERVICES, "smtp")} | {
            "gateway": settings.gateway_port,
            "mailbox": settings.mailbox_port,
            "stripe": settings.stripe_port,
        }
        self.databases: dict[str, str] = {}
        self._processes: dict[str, Process] = {}

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return self.settings.gateway_url

    @property
    def mailbox_url(self) -> str:
        return self.settings.mailbox_url

    @property
    def stripe_url(self) -> str:
        return self.settings.stripe_url

    async def start(self) -> None:
        """Make the databases, migrate, start all and wait until they are ready.

        Raises OSError when a server does not answer or a port is taken, RuntimeError
        with its last words when a process ends instead.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for port in self.settings.ports:
            reserve(port).close()
        self.databases = await self._make_databases()
        await self._migrate()
        keys = keep_keys(self.folder / "keys.json")
        plan = Plan(self.settings, keys, self.databases, self.ports)
        self._processes = {name: self._process(name, plan) for name in self.names}
        try:
            await asyncio.gather(*map(self._start, self.names))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all in good order. Nothing happens when it is called twice."""
        processes, self._processes = self._processes, {}
        await asyncio.gather(
            *(asyncio.to_thread(each.close) for each in processes.values())
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def kill9(self, name: str) -> None:
        """Kill one process at once; it stays dead until `restart`."""
        self._processes[name].kill9()

    async def restart(self, name: str) -> None:
        """Start one process again, stopping it first if it runs; it is ready then."""
        await asyncio.to_thread(self._processes[name].stop)
        await self._start(name)

    def ended(self) -> dict[str, str]:
        """The processes that do not run, with their last words."""
        return {
            name: process.last_words()
            for name, process in self._processes.items()
            if not process.running
        }

    async def advance(self, by: timedelta) -> datetime:
        """Move product time for all; the new now, once all due ticks are handled."""
        body = {"advance_seconds": int(by.total_seconds())}
        async with self._gateway() as gateway:
            answer = await gateway.post("/local/clock", json=body)
        return datetime.fromisoformat(answer.raise_for_status().json()["now"])

    async def idle(self) -> None:
        """Return once nothing is left to do; raises HTTPStatusError after 30 s."""
        async with self._gateway() as gateway:
            (await gateway.get("/local/idle")).raise_for_status()

    async def _make_databases(self) -> dict[str, str]:
        """The URL of each service's database; those not named in settings are made."""
        urls = self.settings.own_databases()
        missing = [name for name in OWNERS if name not in urls]
        if missing and self.settings.database_url is not None:
            server = self.settings.database_url.get_secret_value()
            made = await create_databases(server, [PREFIX + name for name in missing])
            urls |= {name.removeprefix(PREFIX): url for name, url in made.items()}
        return urls

    async def _migrate(self) -> None:
        """What the `migrate` command of each service does; it waits for RabbitMQ."""
        for name in SERVICES:
            events = importlib.import_module(f"services.{name}.events")
            settings = ServiceSettings.model_validate(
                {
                    "environment": "local",
                    "database_url": self.databases[name],
                    "amqp_url": self.settings.amqp_url,
                }
            )
            await service.migrate(f"services.{name}", settings, events.handlers)
        await db.migrate(self.databases["gateway"], "gateway")

    def _process(self, name: str, plan: Plan) -> Process:
        (self.folder / f"{name}.log").unlink(missing_ok=True)
        return Process(
            name,
            [sys.executable, "-m", *MODULES.get(name, ("local.servers.process", name))],
            self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **plan.environment(name)},
        )

    async def _start(self, name: str) -> None:
        port, path = self.ports[name], READY.get(name, "/health/ready")
        await asyncio.to_thread(
            self._processes[name].start, lambda: is_ready(port, path), PATIENCE
        )

    def _gateway(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE)


def is_ready(port: int, path: str) -> bool:
    """Whether a loopback port answers `path` with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
