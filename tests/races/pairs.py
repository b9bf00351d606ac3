"""The services that race, as two processes each behind one gateway that takes turns."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app import build
from gateway.pool import HttpUpstream
from gateway.settings import GatewaySettings
from local import control
from local.clock import MovableClock
from local.doors import HOST, reserve, serving
from local.processes import Process, free_port
from local.servers import Servers
from local.servers.backlog import Backlog
from local.servers.fleet import NAMES
from local.servers.settings import ASKED, Plan, ServersSettings
from local.settings import SERVICES

TWICE = ("booking", "payments", "notifications", "scheduler")
SECOND = "-2"
MANY = 1_000_000


class Pairs(Servers):
    """All processes but the gateway; those of TWICE have a twin, as `booking-2`."""

    names = (
        *(name for name in NAMES if name != "gateway"),
        *(name + SECOND for name in TWICE),
    )

    def __init__(self, settings: ServersSettings) -> None:
        super().__init__(settings)
        self.ports |= {name + SECOND: free_port() for name in TWICE}

    def _process(self, name: str, plan: Plan) -> Process:
        service = name.removesuffix(SECOND)
        ports = {**plan.ports, service: plan.ports[name]}
        return super()._process(service, replace(plan, ports=ports))

    def addresses(self, service: str) -> list[int]:
        """The ports of its processes."""
        twin = service + SECOND
        return [self.ports[name] for name in (service, twin) if name in self.ports]

    def backlog(self) -> Backlog:
        """What all of them still have to do."""
        services = {
            name: f"http://{HOST}:{port}"
            for name, port in self.ports.items()
            if name.removesuffix(SECOND) in SERVICES
        }
        amqp_url = self.settings.amqp_url.get_secret_value()
        return Backlog(services, self.stripe_url, amqp_url)


class TakingTurns:
    """Sends each request to the next of several processes."""

    def __init__(self, *processes: HttpUpstream) -> None:
        self._all = processes
        self._next = cycle(processes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next(self._next)(scope, receive, send)

    def close(self) -> None:
        for each in self._all:
            each.close()


@asynccontextmanager
async def gateway_of(pairs: Pairs) -> AsyncIterator[None]:
    """The gateway and local mode's routes, where the settings say, in this process."""
    backlog, clock = pairs.backlog(), MovableClock(pairs.folder / "clock")
    settings = _settings(pairs)
    turns = {name: _turns(pairs, name, settings) for name in ASKED}
    upstreams: dict[str, ASGIApp] = {**turns}
    door, pages = build(settings, upstreams)

    async def advance(by: timedelta) -> None:
        clock.advance(by)
        await backlog.sweep_double()

    routes = control.create_app(
        pairs.settings, clock, advance, backlog.pending, backlog.tick_consequences
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(backlog.close)
        for each in turns.values():
            stack.callback(each.close)
        await stack.enter_async_context(pages.router.lifespan_context(pages))
        listener = reserve(pairs.settings.gateway_port)
        await stack.enter_async_context(serving(control.Door(routes, door), listener))
        yield


def _settings(pairs: Pairs) -> GatewaySettings:
    return GatewaySettings(
        environment="local",
        database_url=SecretStr(pairs.databases["gateway"]),
        address_per_minute=MANY,
        user_per_minute=MANY,
        sign_in_per_minute=MANY,
    )


def _turns(pairs: Pairs, service: str, settings: GatewaySettings) -> TakingTurns:
    return TakingTurns(
        *(
            HttpUpstream(
                HOST,
                port,
                connect_timeout=settings.connect_timeout,
                read_timeout=settings.read_timeout,
                limit=settings.upstream_connections,
            )
            for port in pairs.addresses(service)
        )
    )
