import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from local.processes import free_port
from shared.server import OneWrite

HEAD = {"type": "http.response.start", "status": 200, "headers": []}
CUT = b"GET /cut HTTP/1.1\r\nhost: test\r\n\r\n"
WHOLE = b"GET /whole HTTP/1.1\r\nhost: test\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"


class Client(asyncio.Protocol):
    """Keeps each piece as it came."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pieces.put_nowait(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.pieces.put_nowait(b"")


@asynccontextmanager
async def served(go_on: asyncio.Event) -> AsyncIterator[Client]:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        length = [(b"content-length", b"8")]
        await send({**HEAD, "headers": length if scope["path"] == "/cut" else []})
        if scope["path"] == "/slow":
            await go_on.wait()
        await send(
            {
                "type": "http.response.body",
                "body": b"body",
                "more_body": scope["path"] == "/cut",
            }
        )

    port = free_port()
    config = uvicorn.Config(
        app, port=port, http=OneWrite, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, "127.0.0.1", port)
    yield client
    transport.close()
    server.should_exit = True
    await running


async def test_head_and_body_arrive_together() -> None:
    async with served(asyncio.Event()) as client:
        for _ in range(3):
            client.transport.write(WHOLE)
            piece = await asyncio.wait_for(client.pieces.get(), 5)

            assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"body" in piece


async def test_a_head_does_not_wait_for_a_body_that_takes_its_time() -> None:
    go_on = asyncio.Event()
    async with served(go_on) as client:
        client.transport.write(SLOW)
        head = await asyncio.wait_for(client.pieces.get(), 5)
        go_on.set()
        body = b""
        while piece := await asyncio.wait_for(client.pieces.get(), 5):
            body += piece

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"body" not in head
    assert b"body" in body


@pytest.mark.filterwarnings("ignore")
async def test_what_was_written_goes_out_before_the_connection_is_closed() -> None:
    async with served(asyncio.Event()) as client:
        client.transport.write(CUT)
        received = b""
        while piece := await asyncio.wait_for(client.pieces.get(), 5):
            received += piece

    assert received.endswith(b"\r\n\r\nbody")
