import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest
from pydantic import ValidationError

from gateway.app import connect
from gateway.server import make_server
from gateway.settings import GatewaySettings
from local.processes import free_port
from tests.gateway.services import Echo
from tests.serving import served


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


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"x" * 1_000_000,
        b"".join(b"X-Many-%d: %d\r\n" % (n, n) for n in range(50_000)),
        b"X-Endless: " + b"x" * 1_000_000 + b"\r\nHost: x\r\n",
    ],
)
async def test_a_head_without_end_is_not_kept(head: bytes) -> None:
    port = free_port()
    server = make_server(Echo("coaches"), "127.0.0.1", port)
    task = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"
    await answer(url)

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n")
    with suppress(ConnectionError):
        for start in range(0, len(head), 10_000):
            writer.write(head[start : start + 10_000])
            await writer.drain()
            await asyncio.sleep(0.001)
        assert (await reader.read()).startswith(b"HTTP/1.1 431")
    assert reader.at_eof() or writer.is_closing() or reader.exception()
    assert (await answer(url)).status_code == 200
    writer.close()
    server.should_exit = True
    await task


async def test_a_head_that_is_never_whole_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.server.HEAD_SECONDS", 0.3)
    port = free_port()
    server = make_server(Echo("coaches"), "127.0.0.1", port)
    task = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"
    await answer(url)
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    drips = [
        dripping(port, begin, b"X-Drop: 1\r\n" if begin == whole[:10] else b"\r\n")
        for begin in (b"", whole[:10], whole)
    ]
    closed = await asyncio.gather(*drips)
    slow = await answer(url)

    assert closed == [True] * 3
    assert slow.status_code == 200
    server.should_exit = True
    await task


async def dripping(port: int, begin: bytes, drop: bytes) -> bool:
    """Whether somebody who begins so and sends drop after drop is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    with suppress(ConnectionError):
        for _ in range(20):
            await asyncio.sleep(0.1)
            writer.write(drop if begin else b"")
            await writer.drain()
            if reader.at_eof():
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reader.read(65536)
    closed = reader.at_eof() or reader.exception() is not None
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return closed


def test_credentials_are_never_allowed_from_anywhere() -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(database_url="x", cors_origins=("*",))


def test_an_address_that_is_no_http_address_stops_the_start() -> None:
    settings = GatewaySettings(database_url="x", booking_url="booking:8000")

    with pytest.raises(ValueError, match="booking:8000"):
        connect(settings)
