"""Asking over HTTP/1.1: as fast as answers come, at a given rate, or all at once."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import cast

from bench.figures import slowest

HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\ncontent-length: (\d+)\r\n", re.S | re.I)
PATIENCE = 60.0


@dataclass
class Load:
    """The answers' times in seconds, their statuses, and how long all of it took."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed: float = 0.0

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return median(self.seconds) * 1000

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return slowest(self.seconds) * 1000

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.append(seconds)


class Connection(asyncio.Protocol):
    """One connection that is kept alive, with one request at a time."""

    _waiter: asyncio.Future[tuple[int, float]] | None = None

    async def ask(self, request: bytes) -> tuple[int, float]:
        """The answer's status, and the instant (`perf_counter`) its last byte came."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._got = bytearray()
        self._whole = 0
        self._transport.write(request)
        return await self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole and (end := self._got.find(b"\r\n\r\n") + 4) > 3:
            head = HEAD.match(self._got[: end - 2])
            if head is None:
                raise ValueError(f"no answer to measure: {bytes(self._got[:end])!r}")
            self._status = int(head[1])
            self._whole = end + int(head[2])
        if self._whole and len(self._got) >= self._whole:
            assert self._waiter is not None
            self._waiter.set_result((self._status, perf_counter()))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionError("closed early"))

    def close(self) -> None:
        self._transport.close()


def request(
    method: str, target: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """The bytes of a request; the host is named, the length only where there is one."""
    lines = [f"{method} {target} HTTP/1.1", "Host: bench"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Connection]]:
    """So many open connections."""
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(Connection, "127.0.0.1", port))[1]
        for _ in range(count)
    ]
    try:
        async with asyncio.timeout(PATIENCE):
            yield made
    finally:
        for connection in made:
            connection.close()


async def closed(port: int, asked: bytes, count: int, seconds: float) -> Load:
    """So many connections, each of which asks again as soon as it is answered."""
    load = Load()
    async with connected(port, count) as connections:
        began = perf_counter()

        async def keep_asking(connection: Connection) -> None:
            while (start := perf_counter()) < began + seconds:
                status, end = await connection.ask(asked)
                load.note(status, end - start)

        await asyncio.gather(*map(keep_asking, connections))
        load.elapsed = perf_counter() - began
    return _fine(load)


async def paced(
    port: int, asked: bytes, count: int, seconds: float, rate: float
) -> Load:
    """`rate` requests a second, whether or not earlier ones have been answered.

    Each takes the connection that has rested longest. When all are busy it waits for
    one, and that wait counts: a server that stalls is not asked less.
    """
    load = Load()
    async with connected(port, count) as connections:
        idle: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            idle.put_nowait(connection)

        async def ask() -> None:
            start = perf_counter()
            connection = await idle.get()
            status, end = await connection.ask(asked)
            load.note(status, end - start)
            idle.put_nowait(connection)

        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(max(1, round(rate * seconds))):
                due = began + number / rate
                if (wait := due - perf_counter()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(ask())
        load.elapsed = perf_counter() - began
    return _fine(load)


async def at_once(port: int, requests: Sequence[bytes]) -> Load:
    """All requests in one moment, each on a connection that is open already."""
    load = Load()
    async with connected(port, len(requests)) as connections:
        began = perf_counter()

        async def ask(connection: Connection, asked: bytes) -> None:
            status, end = await connection.ask(asked)
            load.note(status, end - began)

        await asyncio.gather(*map(ask, connections, requests))
        load.elapsed = max(load.seconds)
    return load


def _fine(load: Load) -> Load:
    if set(load.statuses) != {200}:
        raise RuntimeError(f"not what was to be measured: {load.statuses}")
    return load
