"""A service over HTTP, as an ASGI application: streaming both ways, pooled."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from gateway.connection import Connection, Headers
from gateway.domain import UpstreamFailed, UpstreamUnavailable

# RFC 9110, 9.2.2: asking twice does what asking once does.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# Below the five seconds after which uvicorn closes an idle connection by default.
IDLE_SECONDS = 4.0
# Most answers are there by then, and need nobody to watch whether the client left.
WATCH_AFTER = 0.05


class ClientGone(Exception):  # noqa: N818 - it names what happened
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it goes over the wire: `data` is its head and its body so far."""

    method: str
    data: bytes
    more: bool
    chunked: bool

    @property
    def repeatable(self) -> bool:
        return self.method in IDEMPOTENT and not self.more


class HttpUpstream:
    """Forwards requests to one service, each over a connection of its own.

    Raises UpstreamUnavailable when the service cannot be reached within
    `connect_timeout` or all `limit` connections stay busy that long; UpstreamFailed
    and UpstreamTimeout when it does not answer (`read_timeout` is its longest silence,
    before the answer and within it); after the answer has begun, it just breaks off.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_timeout: float,
        read_timeout: float,
        limit: int,
    ) -> None:
        self._address = (host, port)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(limit)
        self._watches = Watches()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request, as the headers in `scope` stand."""
        try:
            question = await self._read(scope, receive)
            await self._take_slot()
            try:
                await self._exchange(question, receive, send)
            finally:
                self._slots.release()
        except ClientGone:
            return

    def close(self) -> None:
        """Close the idle connections. Requests under way are left alone."""
        while self._idle:
            self._idle.pop().close()

    async def _read(self, scope: Scope, receive: Receive) -> Question:
        """The request with the first piece of its body, often all of it."""
        method, headers = scope["method"], scope["headers"]
        names = {name for name, _ in headers}
        chunked = b"transfer-encoding" in names
        body, more = b"", False
        if chunked or b"content-length" in names:
            message = await _body(receive())
            body, more = message.get("body", b""), message.get("more_body", False)
        if chunked and not more:
            headers = [each for each in headers if each[0] != b"transfer-encoding"]
            headers.append((b"content-length", b"%d" % len(body)))
        elif chunked and body:
            body = _framed(body)
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = scope["raw_path"] + query
        head = _head(method.encode(), target, headers)
        return Question(method, head + body, more, chunked)

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamUnavailable(
                "Too many wait already.", retry_after=1
            ) from error

    async def _exchange(self, question: Question, receive: Receive, send: Send) -> None:
        connection, fresh = await self._connection()
        try:
            await self._relay(connection, question, receive, send)
        except UpstreamFailed:
            # It was closed while it lay idle. Ask again when that can do no harm.
            stale = not fresh and connection.silent and question.repeatable
            if not stale:
                raise
            self.close()
            connection, _ = await self._connection()
            await self._relay(connection, question, receive, send)

    async def _connection(self) -> tuple[Connection, bool]:
        """An idle connection, or a fresh one; says whether it is fresh."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since > oldest:
                return connection, False
            connection.close()
        return await self._connect(), True

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._read_timeout), *self._address
                )
        except (OSError, TimeoutError) as error:
            raise UpstreamUnavailable("Try again soon.", retry_after=2) from error
        return connection

    async def _relay(
        self, connection: Connection, question: Question, receive: Receive, send: Send
    ) -> None:
        connection.ask(question.method, question.data)
        uplink = Uplink(connection, question, receive)
        if question.more:
            uplink.start()
        else:
            self._watches.add(uplink)
        try:
            status, headers = await connection.head()
            await send(
                {"type": "http.response.start", "status": status, "headers": headers}
            )
            more = True
            while more:
                body, more = await connection.chunk()
                await send(
                    {"type": "http.response.body", "body": body, "more_body": more}
                )
        finally:
            uplink.stop()
            if connection.finish():
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)


class Uplink:
    """Carries the rest of a request's body, then notices when the client leaves."""

    def __init__(
        self, connection: Connection, question: Question, receive: Receive
    ) -> None:
        self._connection = connection
        self._question = question
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._over = False
        connection.sent = not question.more

    def start(self) -> None:
        if not self._over:
            self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        self._over = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            if self._question.more:
                await self._carry()
            while True:
                await _body(self._receive())
        except Exception as error:  # the one who waits for the answer has to hear of it
            self._connection.fail(error)

    async def _carry(self) -> None:
        frame = _framed if self._question.chunked else bytes
        more = True
        while more:
            message = await _body(self._receive())
            if body := message.get("body", b""):
                await self._connection.write(frame(body))
            more = message.get("more_body", False)
        if self._question.chunked:
            await self._connection.write(b"0\r\n\r\n")
        self._connection.sent = True


class Watches:
    """Starts each uplink `WATCH_AFTER` it was added; most are over by then.

    One timer for all of them: one for each would cost more than the rest of its work.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Uplink]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, uplink: Uplink) -> None:
        due = asyncio.get_running_loop().time() + WATCH_AFTER
        self._waiting.append((due, uplink))
        self._wait()

    def _wait(self) -> None:
        if self._waiting and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._waiting[0][0], self._start_those_due)

    def _start_those_due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1].start()
        self._wait()


async def _body(received: Awaitable[Message]) -> Message:
    message = await received
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _framed(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _head(method: bytes, target: bytes, headers: Headers) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    lines += [b"%b: %b\r\n" % header for header in headers]
    lines.append(b"\r\n")
    return b"".join(lines)
