"""One HTTP/1.1 connection to a service, parsed by httptools (RFC 9112)."""

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.domain import UpstreamFailed, UpstreamTimeout

# As much of a response is held here while the client is slow to take it.
HIGH_WATER = 256 * 1024

Headers = list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """Carries one exchange after the other: `ask`, then `head`, then `chunk`s.

    `head` and `chunk` raise what ended the exchange early: UpstreamFailed,
    UpstreamTimeout, or what was given to `fail`.
    """

    def __init__(self, read_timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._read_timeout = read_timeout
        self._transport: asyncio.Transport
        self._parser: HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = False
        self.idle_since = 0.0

    # One exchange

    def ask(self, method: str, data: bytes) -> None:
        """Begin an exchange; `data` is the request's head and its body so far."""
        self.status = 0
        self.headers: Headers = []
        self.silent = True
        self.sent = False
        self.complete = False
        self._headless = True
        self._reusable = False
        self._bodiless = method == "HEAD"
        self._error: Exception | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._parser = HttpResponseParser(self)
        self._transport.write(data)
        self._active = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._read_timeout, self._check_timeout)

    async def write(self, data: bytes) -> None:
        """More of the request's body; waits while the service is slow to take it."""
        self._active = self._loop.time()
        self._transport.write(data)
        await self._writable.wait()
        self._active = self._loop.time()

    async def head(self) -> tuple[int, Headers]:
        """The status and the headers, names in lower case. 1xx answers are skipped."""
        while self._headless:
            await self._wait()
        return self.status, self.headers

    async def chunk(self) -> tuple[bytes, bool]:
        """What has come of the body, and whether there is more."""
        while not self._chunks and not self.complete:
            await self._wait()
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return body, not self.complete

    def fail(self, error: Exception) -> None:
        """End the exchange: who waits for the answer gets `error`."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    def finish(self) -> bool:
        """The exchange is over; says whether the connection can carry another."""
        self._parser = None
        reusable = self._reusable and self.sent and not self.closed
        if not reusable:
            self.close()
        return reusable

    def close(self) -> None:
        """Drop the connection at once: the service learns that nobody waits."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._active = self._loop.time()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_timeout(self) -> None:
        """The service's silence counts, neither a slow client's nor our own.

        One timer goes from exchange to exchange and rests only after an idle one.
        """
        self._timer = None
        if self._parser is None:
            return
        now = self._loop.time()
        client_is_slow = not self.sent and self._writable.is_set()
        if self._waiter is None or client_is_slow:
            self._active = now
        left = self._active + self._read_timeout - now
        if left <= 0:
            self.fail(UpstreamTimeout("The service did not answer in time."))
        else:
            self._timer = self._loop.call_later(left, self._check_timeout)

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.close()  # nobody asked
            return
        self.silent = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._reusable = False
            self.fail(UpstreamFailed(f"The answer cannot be read: {error!r}"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        if self._parser is None:
            return
        if exc is None and self._until_close():
            self.complete = True
            self._wake()
        self.fail(UpstreamFailed("The service closed the connection."))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What httptools tells

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self._headless = 100 <= self.status < 200
        if self._bodiless and not self._headless:
            self._complete()

    def on_body(self, body: bytes) -> None:
        if self._bodiless:
            raise ValueError("a body after HEAD")
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headless:
            self.headers = []
        else:
            self._complete()

    def _complete(self) -> None:
        assert self._parser is not None
        self.complete = True
        self._reusable = self._parser.should_keep_alive()

    def _until_close(self) -> bool:
        """A body whose length nobody told ends with the connection (RFC 9112, 6.3)."""
        return not self._headless and not any(
            name in (b"content-length", b"transfer-encoding")
            for name, _ in self.headers
        )
