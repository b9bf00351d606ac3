import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from pydantic import ValidationError

from gateway.app import connect
from gateway.settings import GatewaySettings
from tests.gateway.services import Echo, address, listening, served


@asynccontextmanager
async def process(**environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The gateway as operators start it."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.app",
        "serve",
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield server
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()


def free_port() -> int:
    with listening() as listener:
        return int(address(listener).rpartition(":")[2])


async def answer(url: str) -> httpx2.Response:
    """The first answer there is, within ten seconds."""
    async with asyncio.timeout(10), httpx2.AsyncClient() as client:
        while True:
            try:
                return await client.get(url)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)


async def test_it_serves_metrics_on_the_operators_port_only_and_stops_when_told(
    database_url: str,
) -> None:
    port, ops_port = free_port(), free_port()
    async with (
        served(Echo("coaches")) as coaches,
        process(
            DATABASE_URL=database_url,
            PORT=str(port),
            OPS_PORT=str(ops_port),
            COACHES_URL=coaches,
        ) as server,
    ):
        games = await answer(f"http://127.0.0.1:{port}/v1/games")
        metrics = await answer(f"http://127.0.0.1:{ops_port}/metrics")
        ready = await answer(f"http://127.0.0.1:{ops_port}/health/ready")
        outside = await answer(f"http://127.0.0.1:{port}/metrics")
        server.send_signal(signal.SIGTERM)
        await asyncio.wait_for(server.wait(), 10)

    assert games.json()["service"] == "coaches"
    assert 'gateway_request_seconds_count{service="coaches",status="200"} 1.0' in (
        metrics.text
    )
    assert ready.json() == {"database": "ok"}
    assert outside.status_code == 404


def test_credentials_are_never_allowed_from_anywhere() -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(database_url="x", cors_origins=("*",))


def test_an_address_that_is_no_http_address_stops_the_start() -> None:
    settings = GatewaySettings(database_url="x", booking_url="booking:8000")

    with pytest.raises(ValueError, match="booking:8000"):
        connect(settings)
