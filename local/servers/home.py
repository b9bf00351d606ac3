"""A fleet as the home of the people that `local.seeds` plants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx2

from local.clock import MovableClock
from local.keys import keep_keys
from local.servers.fleet import Servers
from services.accounts.app import create_app
from services.accounts.settings import AccountsSettings
from shared import db

PATIENCE = 60.0
ASKED_AGAIN = 3


class FleetHome:
    """Accounts is here a second time, without serving: its process sends the events."""

    def __init__(
        self, servers: Servers, accounts_url: str, gateway: httpx2.AsyncClient
    ) -> None:
        settings = AccountsSettings.model_validate(
            {
                "environment": "local",
                "database_url": accounts_url,
                "database_pool_size": 2,
                "amqp_url": servers.settings.amqp_url,
                "signing_keys": keep_keys(servers.folder / "keys.json").signing,
            }
        )
        self._servers = servers
        self.clock = MovableClock(servers.folder / "clock")
        self.apps = {"accounts": create_app(settings, clock=self.clock)}
        self.gateway = gateway
        self.password_hash: str | None = None

    async def advance(self, by: timedelta) -> None:
        self.clock.advance(by)

    async def idle(self) -> None:
        """Asks again when half a minute was too short: a planted past is much work."""
        for _ in range(ASKED_AGAIN):
            with suppress(httpx2.HTTPStatusError):
                await self._servers.idle()
                return
        await self._servers.idle()


@asynccontextmanager
async def home_in(servers: Servers) -> AsyncIterator[FleetHome]:
    """`async with home_in(servers) as home: await seeds.basics(home)`."""
    async with httpx2.AsyncClient(base_url=servers.url, timeout=PATIENCE) as gateway:
        home = FleetHome(servers, servers.databases["accounts"], gateway)
        try:
            yield home
        finally:
            await db.engine_of(home.apps["accounts"].state.sessions).dispose()
