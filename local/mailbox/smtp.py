"""The SMTP side: takes every mail for anybody, or fails in the way a test asks for."""

import asyncio
from collections import deque
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

from local.mailbox.messages import read_mail
from local.mailbox.store import Store

REFUSALS = {
    451: "451 4.3.0 Refused for now",
    550: "550 5.7.1 Refused for good",
}
STORED = "250 2.0.0 Stored"

Fault = Literal[451, 550, "drop"]


class Sink:
    """A listening SMTP server. `start_smtp` makes one; mails go to its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults: deque[Fault] = deque()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, also when 0 was asked for."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def refuse(self, times: int, code: Literal[451, 550] = 451) -> None:
        """Answer the next mails with this code and do not keep them."""
        self._faults.extend([code] * times)

    def drop_after_data(self, times: int) -> None:
        """Keep the next mails but cut the connection instead of answering.

        Their sender cannot know whether they were accepted.
        """
        self._faults.extend(["drop"] * times)

    async def close(self) -> None:
        """Stop listening and cut all connections. Another may take the port at once."""
        assert self._server is not None
        self._server.close()
        cut = list(self._connections)
        for connection in cut:
            connection.cut()
        await self._server.wait_closed()
        await asyncio.gather(*(connection.lost.wait() for connection in cut))

    async def listen(self, host: str, port: int) -> None:
        """Called once, by `start_smtp`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, self._connections, loop), host, port
        )

    async def handle_DATA(  # noqa: N802
        self, server: "_Connection", _session: Session, envelope: Envelope
    ) -> str:
        """What aiosmtpd calls with each mail; returns the answer."""
        fault = self._faults.popleft() if self._faults else None
        if fault == 451 or fault == 550:
            return REFUSALS[fault]
        source, recipients = envelope.original_content or b"", envelope.rcpt_tos
        self._store.add(read_mail(source, recipients), source, recipients)
        if fault == "drop":
            server.cut()
            raise asyncio.CancelledError
        return STORED


class _Connection(SMTP):
    """aiosmtpd's protocol, known to its sink as long as it lives."""

    def __init__(
        self,
        sink: Sink,
        connections: "set[_Connection]",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(sink, hostname="mailbox", enable_SMTPUTF8=True, loop=loop)
        self._connections = connections
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._connections.discard(self)
        self.lost.set()

    def cut(self) -> None:
        """End the connection without a word."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


async def start_smtp(host: str, port: int, store: Store) -> Sink:
    """Listen on `host:port` (0: a free one) and put each mail into the store.

    Raises OSError when the port is taken.
    """
    sink = Sink(store)
    await sink.listen(host, port)
    return sink
