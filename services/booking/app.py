"""The booking service: `python -m services.booking.app serve|migrate`."""

from datetime import timedelta

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.booking import api
from services.booking.actions import busy_calendars, rooms
from services.booking.actions.calls import Doorman
from services.booking.actions.holds import Terms
from services.booking.clients.calendars import Calendars
from services.booking.clients.rooms import Daily, Host, Jitsi, Rooms, Whereby
from services.booking.domain.calls import Meetings, Provider
from services.booking.events import handlers
from services.booking.settings import BookingSettings
from shared.auth import Verifier
from shared.clock import Clock
from shared.db import work_committed
from shared.service import Parts, assemble, main, make_app
from shared.workers import Worker


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
    hosts = Rooms(_hosts(settings))
    calendars = Calendars(
        loopback=settings.calendars_loopback, ca_file=settings.calendars_ca_file
    )
    parts.resources += [hosts, calendars]
    _employ(parts, hosts, calendars)
    app = make_app(parts)
    app.state.calendars = calendars
    app.state.public_url = settings.public_url
    app.state.doorman = Doorman(hosts, settings.room_fallback)
    app.state.meetings = Meetings(
        frozenset({*hosts.providers, Provider.CUSTOM}), settings.meeting_hosts
    )
    app.state.terms = Terms(
        hold=timedelta(minutes=settings.hold_minutes), fee_percent=settings.fee_percent
    )
    return app


def _employ(parts: Parts, hosts: Rooms, calendars: Calendars) -> None:
    async def attend_to_rooms() -> int:
        return await rooms.attend_to_due(parts.sessions, hosts, parts.clock)

    async def read_calendars() -> int:
        return await busy_calendars.read_due(parts.sessions, calendars, parts.clock)

    committed = work_committed(parts.sessions)
    parts.workers += [
        Worker("booking.rooms", attend_to_rooms, committed.subscribe()),
        Worker("booking.calendars", read_calendars, committed.subscribe()),
    ]
    parts.backlogs |= {
        "rooms_to_attend_to": rooms.waiting,
        "calendars_to_read": busy_calendars.waiting,
    }


def _hosts(settings: BookingSettings) -> dict[Provider, Host]:
    secret = settings.jitsi_app_secret
    hosts: dict[Provider, Host] = {
        Provider.JITSI: Jitsi(
            settings.jitsi_url,
            settings.jitsi_app_id,
            secret.get_secret_value() if secret else None,
        )
    }
    if key := settings.daily_api_key:
        hosts[Provider.DAILY] = Daily(settings.daily_api_base, key.get_secret_value())
    if key := settings.whereby_api_key:
        base = settings.whereby_api_base
        hosts[Provider.WHEREBY] = Whereby(base, key.get_secret_value())
    return hosts


if __name__ == "__main__":
    settings = BookingSettings()
    main("services.booking", settings, handlers, lambda: create_app(settings))
