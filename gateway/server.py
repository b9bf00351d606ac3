"""The public server: uvicorn, with limits on the head of a request."""

import asyncio

import uvicorn
from starlette.types import ASGIApp

from shared.server import OneWrite

HEAD_LIMIT = 32 * 1024
HEAD_SECONDS = 30.0
"""How long a head may take, from the connection or its first byte to its last."""

KEEP_ALIVE = 75
"""Seconds a client's idle connection is kept."""

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class HeadLimit(OneWrite):
    """Closes a connection whose request's head grows beyond 32 KiB (RFC 6585, 5), or
    is not whole within `HEAD_SECONDS`.

    The parser keeps a head until it is whole; without limits, memory is the limit, and
    whoever says nothing, or a byte now and then, holds a connection for ever.
    """

    _in_head = True
    _head_bytes = 0
    _due: float | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._due = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self.transport.write(TOO_LARGE)
                self.transport.close()
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()

    def _await_head(self) -> None:
        if self._due is None and not self.transport.is_closing():
            self._due = self.loop.time() + HEAD_SECONDS
            if self._timer is None:
                self._timer = self.loop.call_at(self._due, self._check_head)

    def _check_head(self) -> None:
        """One timer goes from head to head: a timer for each costs more than it."""
        self._timer = None
        if self._due is None:
            return
        if self._due <= self.loop.time():
            self.transport.close()
        else:
            self._timer = self.loop.call_at(self._due, self._check_head)


def make_server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """Believes no `X-Forwarded-*` by itself, takes no WebSockets, tells no version."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=HeadLimit,
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
    )
