"""The gateway's wiring: `python -m gateway.app serve|migrate`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from gateway import openapi, site
from gateway.door import Door
from gateway.limits import WINDOW, Limits
from gateway.metrics import Metrics
from gateway.pool import HttpUpstream
from gateway.server import make_server
from gateway.settings import GatewaySettings
from shared import db, logs
from shared.auth import Verifier
from shared.web import answer_with_problems
from shared.workers import Worker, running

JWKS = "/.well-known/jwks.json"
PATIENCE = 2.0


def create_app(
    settings: GatewaySettings, upstreams: Mapping[str, ASGIApp] | None = None
) -> ASGIApp:
    """The gateway, over HTTP to the addresses in `settings`.

    If `upstreams` are given, those are called in process instead, by the names
    accounts, coaches, booking, payments; their lifespans are the caller's business.
    """
    return build(settings, upstreams)[0]


def build(
    settings: GatewaySettings, upstreams: Mapping[str, ASGIApp] | None = None
) -> tuple[Door, FastAPI]:
    """The door and, for operators only, its metrics and health."""
    apps = connect(settings) if upstreams is None else upstreams
    sessions = db.make_sessions(
        settings.database_url.get_secret_value(), settings.database_pool_size
    )
    limits = Limits(db.engine_of(sessions))
    metrics = Metrics()

    async def keys() -> openapi.Document:
        async with asyncio.timeout(PATIENCE):
            return await openapi.read_json(apps["accounts"], JWKS)

    pages = FastAPI(
        title="Scrimline",
        lifespan=_lifespan(limits, apps, sessions),
        openapi_url=None,
        redirect_slashes=False,
    )
    pages.state.library = openapi.Library(apps)
    pages.state.sessions = sessions
    pages.state.metrics = metrics
    pages.include_router(site.router)
    answer_with_problems(pages)
    operations = FastAPI(title="Operations", openapi_url=None)
    operations.state = pages.state
    operations.include_router(site.operations)
    return Door(settings, pages, apps, Verifier(keys), limits, metrics), operations


def _lifespan(
    limits: Limits, apps: Mapping[str, ASGIApp], sessions: db.Sessions
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper = Worker("gateway.sweep", limits.sweep, asyncio.Event(), WINDOW)
        async with running([sweeper]):
            yield
        for app in apps.values():
            if isinstance(app, HttpUpstream):
                app.close()
        await db.engine_of(sessions).dispose()

    return lifespan


def connect(settings: GatewaySettings) -> dict[str, HttpUpstream]:
    """The services behind the addresses in `settings`."""
    addresses = {
        "accounts": settings.accounts_url,
        "coaches": settings.coaches_url,
        "booking": settings.booking_url,
        "payments": settings.payments_url,
    }
    return {name: _upstream(url, settings) for name, url in addresses.items()}


def _upstream(url: str, settings: GatewaySettings) -> HttpUpstream:
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname is None:
        raise ValueError(f"{url} must be http://host:port")
    return HttpUpstream(
        address.hostname,
        address.port or 80,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        limit=settings.upstream_connections,
    )


async def serve(settings: GatewaySettings) -> None:
    """Serve until a signal says to stop; requests under way are finished."""
    door, operations = build(settings)
    servers = [make_server(door, settings.host, settings.port)]
    if settings.ops_port is not None:
        servers.append(make_server(operations, settings.host, settings.ops_port))
    await asyncio.gather(*(server.serve() for server in servers))


def main(argv: Sequence[str] = sys.argv) -> None:
    settings = GatewaySettings()
    logs.configure("gateway", settings.log_level)
    match list(argv[1:]):
        case ["migrate"]:
            asyncio.run(db.migrate(settings.database_url.get_secret_value(), "gateway"))
        case ["serve"]:
            with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
                runner.run(serve(settings))
        case _:
            sys.exit("usage: python -m gateway.app serve|migrate")


if __name__ == "__main__":
    main()
