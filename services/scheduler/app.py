"""The scheduler's wiring: `python -m services.scheduler.app serve|migrate`."""

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker
from sqlmodel.ext.asyncio.session import AsyncSession

from services.scheduler import actions, domain, events
from services.scheduler.settings import SchedulerSettings
from shared import service
from shared.auth import Verifier
from shared.clock import Clock
from shared.service import Parts
from shared.workers import Worker


def create_app(
    settings: SchedulerSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    parts = service.assemble(
        "scheduler",
        settings,
        events.handlers,
        broker=broker,
        clock=clock,
        verifier=verifier,
    )
    parts.workers.append(_ticker(parts))

    async def ticks_due(session: AsyncSession) -> int:
        return await actions.count_due(session, parts.clock.now())

    parts.backlogs["ticks"] = ticks_due
    return service.make_app(parts)


def _ticker(parts: Parts) -> Worker:
    async def step() -> int:
        now = parts.clock.now()
        async with parts.sessions.begin() as session:
            await actions.emit_due(session, now)
        # What fell due while that was done is not passed by: asked of the time it knew.
        await parts.clock.until(domain.next_due(now, domain.MINUTE))
        return 1

    return Worker("scheduler.ticks", step)


if __name__ == "__main__":
    settings = SchedulerSettings()
    service.main(
        "services.scheduler", settings, events.handlers, lambda: create_app(settings)
    )
