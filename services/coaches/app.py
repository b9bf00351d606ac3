"""The wiring of coaches: `python -m services.coaches.app serve|migrate`."""

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.coaches import api, events
from services.coaches.settings import CoachesSettings
from shared import service
from shared.auth import Verifier
from shared.clock import Clock


def create_app(
    settings: CoachesSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    parts = service.assemble(
        "coaches",
        settings,
        events.handlers,
        router=api.router,
        broker=broker,
        clock=clock,
        verifier=verifier,
    )
    return service.make_app(parts)


if __name__ == "__main__":
    settings = CoachesSettings()
    service.main(
        "services.coaches", settings, events.handlers, lambda: create_app(settings)
    )
