"""The whole marketplace in one process, with stand-ins for the outside."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.types import ASGIApp

from local import control
from local.broker import LocalBroker, MessageBus
from local.clock import MovableClock
from local.doors import reserve, serving
from local.folder import POSTGRES
from local.keys import Keys, keep_keys, make_keys
from local.mailbox.app import create_app as create_mailbox
from local.mailbox.smtp import start_smtp
from local.mailbox.store import Store as MailStore
from local.postgres import Postgres
from local.rooms import APP_ID, Rooms
from local.rooms import make_router as make_rooms_router
from local.settings import SERVICES, LocalSettings
from local.stripe.app import create_app as create_double
from local.stripe.settings import DoubleSettings
from shared import db, service
from shared.auth import Verifier
from shared.broker import broker_options, declare_topology
from shared.contracts.scheduler import Tick

BEHIND_THE_GATEWAY = ("accounts", "coaches", "booking", "payments")

PATIENCE = 30.0

LONGEST_WORK = 120.0
"""Seconds for all that a planted past leaves to be done, also on a slow machine."""

MANY = 2000
"""Requests a minute, and new people in a quarter of an hour, that one address may make
here: demonstrations are in a hurry."""


class House:
    """All of it, started by `open` and gone when that block ends.

    `apps` are the services' web apps by name, `pending` counts what is left to do.
    What is not `kept` in the folder of the settings goes with it, however it ends.
    """

    gateway: httpx2.AsyncClient

    def __init__(self, settings: LocalSettings, *, kept: bool = True) -> None:
        self.settings = settings
        self._folder = settings.data if kept else None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        keys = self._place("keys.json")
        self.keys: Keys = make_keys() if keys is None else keep_keys(keys)
        self.clock = MovableClock(self._place("clock"))
        self.bus = MessageBus(self._place("messages.sqlite"))
        self.mails = MailStore(self._place("mails.sqlite"))
        self.smtp_port = 0
        self.password_hash: str | None = None
        self.apps: dict[str, FastAPI] = {}
        self.rooms = Rooms(self.keys.rooms)
        self.double = create_double(self._double_settings(), self.clock)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        """Run everything while the block lasts.

        Raises OSError when a port is taken, before anything has started.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.mails.close)
            stack.push_async_callback(self.bus.close)
            ports = [stack.enter_context(reserve(port)) for port in self.settings.ports]
            urls = await self._databases(stack)
            smtp = await start_smtp("127.0.0.1", 0, self.mails)
            stack.push_async_callback(smtp.close)
            self.smtp_port = smtp.port
            for name in SERVICES:
                self.apps[name] = self._app(name, urls[name])
            await self._prepare(urls)
            for app in (*self.apps.values(), self.double):
                await stack.enter_async_context(app.router.lifespan_context(app))
            doors = await self._doors(stack, urls["gateway"])
            for door, port in zip(doors, ports, strict=True):
                await stack.enter_async_context(serving(door, port))
            async with httpx2.AsyncClient(
                base_url=self.settings.gateway_url, timeout=PATIENCE
            ) as self.gateway:
                yield self

    async def advance(self, by: timedelta) -> None:
        """Move product time, also for what runs out at Stripe."""
        self.clock.advance(by)
        self.double.state.sweep()

    async def idle(self) -> None:
        """Return once nothing is left to do; raises TimeoutError if that takes long."""
        if left := await control.until_empty(self.pending, LONGEST_WORK):
            raise TimeoutError(f"still to be done: {left}")

    async def pending(self) -> dict[str, int]:
        """How much is still to be done, by where it lies; dead letters do not count."""
        counts = await self.tick_consequences()
        for name, app in self.apps.items():
            for kind, count in (await service.backlog(app.state.parts)).items():
                counts[f"{name}.{kind}"] = count
        for queue, count in self.bus.pending().items():
            if not queue.endswith(".dead"):
                counts[queue] = count
        counts["stripe.webhooks"] = self.double.state.pending()
        return counts

    async def tick_consequences(self) -> dict[str, int]:
        """The ticks that are due and not said, and those that are not handled yet."""
        backlog = await service.backlog(self.apps["scheduler"].state.parts)
        counts = {f"scheduler.{kind}": count for kind, count in backlog.items()}
        waiting = self.bus.pending()
        for app in self.apps.values():
            for handler in app.state.parts.handlers.items:
                if issubclass(handler.event, Tick):
                    counts[handler.queue] = waiting.get(handler.queue, 0)
        return counts

    def _place(self, name: str) -> Path | None:
        return self._folder and self._folder / name

    async def _databases(self, stack: AsyncExitStack) -> Mapping[str, str]:
        postgres = Postgres(self._place(POSTGRES))
        stack.push_async_callback(asyncio.to_thread, postgres.close)
        await to_its_end(postgres.start)
        return await postgres.create_service_databases([*SERVICES, "gateway"])

    async def _prepare(self, urls: Mapping[str, str]) -> None:
        for name in SERVICES:
            await db.migrate(urls[name], f"services.{name}")
        await db.migrate(urls["gateway"], "gateway")
        async with LocalBroker(self.bus, **broker_options()) as broker:
            for app in self.apps.values():
                await declare_topology(broker, app.state.parts.handlers)

    def _app(self, name: str, database_url: str) -> FastAPI:
        module = importlib.import_module(f"services.{name}.app")
        settings_type = getattr(module, f"{name.title()}Settings")
        settings = settings_type(
            environment="local",
            database_url=database_url,
            amqp_url="amqp://in-process",
            database_pool_size=5,
            **self._own_settings().get(name, {}),
        )
        app: FastAPI = module.create_app(
            settings,
            broker=LocalBroker(self.bus, **broker_options()),
            clock=self.clock,
            verifier=Verifier(self._jwks),
        )
        return app

    def _own_settings(self) -> dict[str, dict[str, Any]]:
        door = self.settings.gateway_url
        return {
            "accounts": {
                "signing_keys": self.keys.signing,
                "failures_per_address": MANY,
                "registrations_per_address": MANY,
            },
            "booking": {
                "public_url": door,
                "jitsi_url": f"{door}/local/rooms",
                "jitsi_app_id": APP_ID,
                "jitsi_app_secret": self.rooms.secret,
                "calendars_loopback": True,
            },
            "payments": {
                "stripe_api_key": self.keys.stripe_api,
                "stripe_webhook_secret": self.keys.stripe_webhook,
                "stripe_api_base": f"http://127.0.0.1:{self.settings.stripe_port}",
                "checkout_success_url": f"{door}/checkout/success",
                "checkout_cancel_url": f"{door}/checkout/cancel",
            },
            "notifications": {
                "smtp_host": "127.0.0.1",
                "smtp_port": self.smtp_port,
                "public_url": door,
            },
        }

    async def _jwks(self) -> Mapping[str, Any]:
        jwks: Mapping[str, Any] = self.apps["accounts"].state.signer.jwks()
        return jwks

    def _double_settings(self) -> DoubleSettings:
        door = f"http://127.0.0.1:{self.settings.gateway_port}"
        return DoubleSettings(
            webhook_url=f"{door}/payments/webhook/",
            webhook_secret=self.keys.stripe_webhook,
            public_url=self.settings.stripe_url,
            store=self._place("stripe.sqlite"),
        )

    async def _doors(self, stack: AsyncExitStack, database_url: str) -> list[ASGIApp]:
        module = importlib.import_module("gateway.app")
        settings = module.GatewaySettings(
            environment="local",
            database_url=database_url,
            address_per_minute=MANY,
            user_per_minute=MANY,
            sign_in_per_minute=MANY,
        )
        upstreams = {name: self.apps[name] for name in BEHIND_THE_GATEWAY}
        gateway, pages = module.build(settings, upstreams)
        lifespan = pages.router.lifespan_context(pages)
        await stack.enter_async_context(lifespan)
        own = control.create_app(
            self.settings,
            self.clock,
            self.advance,
            self.pending,
            self.tick_consequences,
        )
        own.include_router(make_rooms_router(self.settings, self.clock, self.rooms))
        return [
            control.Door(own, gateway),
            create_mailbox(self.mails),
            self.double,
        ]


async def to_its_end(work: Callable[[], None]) -> None:
    """Do blocking work in a thread; who is cancelled meanwhile waits for it first."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.gather(task, return_exceptions=True)
