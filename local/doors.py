"""A local house's ports: taken before anything starts, served when all is there."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from gateway.server import make_server
from local.processes import claim, free_port
from local.settings import LocalSettings

HOST = "127.0.0.1"

LONGEST_GOODBYE = 2
"""Seconds that requests under way are given when we stop."""


def reserve(port: int) -> socket.socket:
    """A listener on a loopback port; clients wait there until `serving` takes it.

    Raises OSError that names the port when it is taken.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(
            f"port {port} is taken; PORT_BASE=9000 moves all three ports"
        ) from error
    return listener


def free_base() -> int:
    """A `PORT_BASE` whose three ports are free now, and which nobody else is given."""
    while True:
        base, *others = LocalSettings(port_base=free_port()).ports
        with contextlib.suppress(OSError):
            for port in others:
                claim(port)
            return base


def _worth_telling(record: logging.LogRecord) -> bool:
    """False for a request that was still under way when its time to finish was over."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError)


class Quiet(uvicorn.Server):
    """A server that leaves the signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a reserved port, with the limits of the public server.

    The app's lifespan is the caller's business.
    """
    logging.getLogger("uvicorn.error").addFilter(_worth_telling)
    config = make_server(app, *listener.getsockname()).config
    config.lifespan = "off"
    config.timeout_graceful_shutdown = LONGEST_GOODBYE
    server = Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        if task.done():
            await task
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
