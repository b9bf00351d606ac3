"""The booking service: `python -m services.booking.app serve|migrate`."""

from datetime import timedelta

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.booking import api
from services.booking.actions.holds import Terms
from services.booking.events import handlers
from services.booking.settings import BookingSettings
from shared.auth import Verifier
from shared.clock import Clock
from shared.service import assemble, main, make_app


def create_app(
    settings: BookingSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    """The service on servers, unless a broker, a clock or keys are given."""
    parts = assemble(
        "booking",
        settings,
        handlers,
        router=api.router,
        broker=broker,
        clock=clock,
        verifier=verifier,
    )
    app = make_app(parts)
    app.state.terms = Terms(
        hold=timedelta(minutes=settings.hold_minutes), fee_percent=settings.fee_percent
    )
    return app


if __name__ == "__main__":
    settings = BookingSettings()
    main("services.booking", settings, handlers, lambda: create_app(settings))
