"""The process that every service is: routes, handlers and workers under one roof."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from faststream.rabbit import RabbitBroker
from sqlmodel.ext.asyncio.session import AsyncSession

from shared import broker as messaging
from shared import db, health, idempotency, logs, outbox, requests, traces, web
from shared.auth import Verifier, fetch_jwks
from shared.broker import Handlers
from shared.clock import Clock, SystemClock
from shared.db import Sessions
from shared.metrics import Metrics
from shared.outages import is_outage
from shared.server import OneWrite
from shared.settings import ServiceSettings
from shared.traces import Tracer
from shared.workers import Worker, running

log = structlog.get_logger()

Count = Callable[[AsyncSession], Awaitable[int]]

KEEP_ALIVE = 75
"""Seconds; longer than the gateway keeps idle connections, so that it closes first."""


FORGET_EVERY = 3600.0


@dataclass
class Parts:
    """What a service consists of; its `app.py` fills this.

    `resources` (a vendor's connections) are open as long as the service runs.
    `backlogs` count work that is committed but not done yet (mails, refunds): readiness
    of a demonstration, and what an operator watches.
    """

    name: str
    sessions: Sessions
    clock: Clock
    handlers: Handlers
    broker: RabbitBroker
    verifier: Verifier
    metrics: Metrics
    tracer: Tracer
    router: APIRouter | None = None
    workers: list[Worker] = field(default_factory=list)
    backlogs: dict[str, Count] = field(default_factory=dict)
    resources: list[AbstractAsyncContextManager[object]] = field(default_factory=list)


def assemble(
    name: str,
    settings: ServiceSettings,
    handlers: Handlers,
    *,
    router: APIRouter | None = None,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> Parts:
    """The parts of a service, on servers unless a broker, a clock or keys are given."""
    sessions = db.make_sessions(
        settings.database_url.get_secret_value(), settings.database_pool_size
    )
    parts = Parts(
        name=name,
        sessions=sessions,
        clock=clock or SystemClock(),
        handlers=handlers,
        broker=broker or messaging.make_broker(settings.amqp_url.get_secret_value()),
        verifier=verifier or Verifier(fetch_jwks(settings.jwks_url)),
        metrics=Metrics(),
        tracer=traces.configure(name, settings.otlp_endpoint),
        router=router,
    )
    messaging.attach(
        parts.broker,
        handlers,
        sessions,
        parts.clock,
        parts.metrics,
        parts.tracer,
    )
    return parts


def make_app(parts: Parts) -> FastAPI:
    """The web app of a service; its lifespan runs the handlers and the workers too."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, parts.tracer.shutdown)
            stack.push_async_callback(db.engine_of(parts.sessions).dispose)
            for resource in parts.resources:
                await stack.enter_async_context(resource)
            stack.push_async_callback(parts.broker.stop)
            with logs.context(service=parts.name):
                joining = asyncio.create_task(_join(parts, app))
                stack.push_async_callback(_end, joining)
                workers = [*parts.workers, _forgetter(parts)]
                tasks = running(workers, parts.metrics.worker_ran)
                await stack.enter_async_context(tasks)
            yield

    # As they are: a router that is included is searched twice for each request.
    routers = filter(None, (parts.router, health.router))
    app = FastAPI(
        title=parts.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        routes=[route for router in routers for route in router.routes],
    )
    app.state.parts = parts
    app.state.sessions = parts.sessions
    app.state.clock = parts.clock
    app.state.verifier = parts.verifier
    app.state.joined = False
    web.answer_with_problems(app)
    # outermost, so that the answer to an unforeseen error bears its ids too
    app.middleware_stack = requests.RequestContext(
        app.build_middleware_stack(), parts.name, parts.metrics, parts.tracer
    )
    return app


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _join(parts: Parts, app: FastAPI) -> None:
    """Join the broker, waiting for it and for its queues, then send what is due."""
    while True:
        try:
            await parts.broker.start()
            exchange = await parts.broker.declare_exchange(messaging.events_exchange())
            break
        except Exception as error:
            log.warning("broker.not_joined", service=parts.name, error=repr(error))
            await parts.broker.stop()
            await asyncio.sleep(1)
    app.state.joined = True
    send = outbox.to_exchange(exchange)

    async def step() -> int:
        return await outbox.send_batch(parts.sessions, send)

    wake = db.work_committed(parts.sessions).subscribe()
    await Worker(f"{parts.name}.outbox", step, wake).run(parts.metrics.worker_ran)


def _forgetter(parts: Parts) -> Worker:
    async def step() -> int:
        async with parts.sessions.begin() as session:
            await idempotency.forget_old(session)
        return 0

    return Worker(f"{parts.name}.forget_answers", step, interval=FORGET_EVERY)


async def backlog(parts: Parts) -> dict[str, int]:
    """What is committed and still to be done, by kind; all zero when idle."""
    async with parts.sessions() as session:
        counts = {"outbox": (await outbox.waiting(session))[0]}
        for kind, count in parts.backlogs.items():
            counts[kind] = await count(session)
    return counts


async def migrate(package: str, settings: ServiceSettings, handlers: Handlers) -> None:
    """Bring the database to its newest revision and declare the handlers' queues.

    Waits for servers that are still starting. Repeating it changes nothing.
    """
    url = settings.database_url.get_secret_value()
    await _patiently(lambda: db.migrate(url, package))

    async def declare() -> None:
        broker = messaging.make_broker(settings.amqp_url.get_secret_value())
        async with broker:
            await messaging.declare_topology(broker, handlers)

    await _patiently(declare)


async def _patiently(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await step()
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("migrate.waiting", error=repr(error))
            await asyncio.sleep(1)


def main(
    package: str,
    settings: ServiceSettings,
    handlers: Handlers,
    create_app: Callable[[], FastAPI],
    argv: Sequence[str] = sys.argv,
) -> None:
    """The command line of a service: `python -m services.<name>.app serve|migrate`."""
    logs.configure(package.rpartition(".")[2], settings.log_level)
    match list(argv[1:]):
        case ["migrate"]:
            asyncio.run(migrate(package, settings, handlers))
        case ["serve"]:
            uvicorn.run(
                create_app(),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                http=OneWrite,
                timeout_keep_alive=KEEP_ALIVE,
            )
        case _:
            sys.exit(f"usage: python -m {package}.app serve|migrate")


__all__ = ["Parts", "assemble", "backlog", "main", "make_app", "migrate"]
