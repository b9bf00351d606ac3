"""`python -m local.servers.door`: the gateway, behind local mode's own routes."""

import asyncio
from datetime import timedelta

from pydantic import Field, SecretStr
from uvicorn.loops.auto import auto_loop_factory

from gateway.app import create_app
from gateway.server import make_server
from gateway.settings import GatewaySettings
from local import control, rooms
from local.clock import MovableClock
from local.servers.backlog import Backlog
from local.settings import SERVICES, LocalSettings
from shared import logs


class DoorSettings(LocalSettings):
    """`service_ports` says on which loopback port each service listens.

    `rooms_secret` lets people into calls.
    """

    amqp_url: SecretStr
    rooms_secret: SecretStr
    service_ports: dict[str, int] = Field(min_length=len(SERVICES))

    def backlog(self) -> Backlog:
        services = {
            name: f"http://127.0.0.1:{port}"
            for name, port in self.service_ports.items()
        }
        double = f"http://127.0.0.1:{self.stripe_port}"
        return Backlog(services, double, self.amqp_url.get_secret_value())


async def serve(settings: GatewaySettings, local: DoorSettings) -> None:
    """Serve until a signal says to stop."""
    backlog, clock = local.backlog(), MovableClock(local.data / "clock")

    async def advance(by: timedelta) -> None:
        clock.advance(by)
        await backlog.sweep_double()

    routes = control.create_app(
        local, clock, advance, backlog.pending, backlog.tick_consequences
    )
    calls = rooms.Rooms(local.rooms_secret.get_secret_value())
    routes.include_router(rooms.make_router(local, clock, calls))
    door = control.Door(routes, create_app(settings))
    try:
        await make_server(door, settings.host, settings.port).serve()
    finally:
        await backlog.close()


def main() -> None:
    settings = GatewaySettings()
    logs.configure("gateway", settings.log_level)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(serve(settings, DoorSettings()))


if __name__ == "__main__":
    main()
