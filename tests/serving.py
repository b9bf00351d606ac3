"""Applications behind sockets of their own, which come and go quickly."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

LONGEST_GOODBYE = 1.0
"""Seconds that requests under way are given."""


class Server(uvicorn.Server):
    """Leaves the signals to pytest, and ends when it is told to.

    uvicorn itself looks ten times a second whether it should end, and then gives
    connections a tenth of a second to close; hundreds of tests would wait for that.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in (*self.servers, *(sockets or ())):
            each.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_GOODBYE):
                while state.connections or state.tasks:  # noqa: ASYNC110 - none tells
                    await asyncio.sleep(0.002)
        for task in state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


def listening(port: int = 0) -> socket.socket:
    """A socket on the loopback; a connection that comes early waits in its queue."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: ASGIApp, *listeners: socket.socket) -> AsyncIterator[None]:
    """The application behind these sockets, with its lifespan."""
    config = uvicorn.Config(
        app, log_config=None, ws="none", proxy_headers=False, server_header=False
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=list(listeners)))
    try:
        yield
    finally:
        server.end.set()
        await task


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """The application on a port of its own, as `http://127.0.0.1:port`."""
    listener = listening(port)
    async with serving(app, listener):
        yield address(listener)
