"""The public server: uvicorn, with a limit on the head of a request."""

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 32 * 1024
KEEP_ALIVE = 75
"""Seconds a client's idle connection is kept."""

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class HeadLimit(HttpToolsProtocol):
    """Closes a connection whose request's head grows beyond 32 KiB (RFC 6585, 5).

    The parser keeps a head until it is whole; without a limit, memory is the limit.
    """

    _in_head = True
    _head_bytes = 0

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self.transport.write(TOO_LARGE)
                self.transport.close()


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
