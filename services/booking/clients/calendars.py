"""Reading a calendar at an address that a stranger named.

The address leads where its owner wants, today and tomorrow. So it is judged where we
connect, not where we are told to: a name may mean another address a moment later.
"""

import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import aiohttp

from services.booking.domain.addresses import fault_of, is_loopback, is_public
from services.booking.domain.busy_calendars import LARGEST, Unreadable

PATIENCE = 15.0
"""Seconds for all of it: names, redirects and the body."""

MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})

KINDS = frozenset(
    {
        "text/calendar",
        "application/calendar",
        "application/ics",
        "application/octet-stream",
        "text/plain",
    }
)

HEADERS = {
    "Accept": "text/calendar, text/plain;q=0.5",
    "Accept-Encoding": "identity",
    "User-Agent": "Scrimline (reads calendars that coaches subscribe to)",
}
"""Nothing compressed: a small answer could unfold into one that fills the memory."""


class NotPublicError(OSError):
    """Not an address of the public internet; another one of the name may be."""


class Calendars:
    """A context: at its end connections close. `loopback` lets it read at home."""

    def __init__(self, *, loopback: bool = False, ca_file: Path | None = None) -> None:
        self._loopback = loopback
        self._ca_file = ca_file
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def read(self, url: str) -> bytes:
        """The calendar's source; raises Unreadable with a text for its coach."""
        for _ in range(MOST_REDIRECTS + 1):
            if fault := fault_of(url):
                raise Unreadable(f"leads to an address that {fault}")
            try:
                found = await self._ask(url)
            except aiohttp.ClientConnectorCertificateError as error:
                raise Unreadable("has a certificate that is not valid") from error
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                # not told apart: that would let strangers look around our network
                raise Unreadable("cannot be reached") from error
            if isinstance(found, bytes):
                return found
            url = _joined(url, found)
        raise Unreadable("redirects too often")

    async def _ask(self, url: str) -> bytes | str:
        """The body, or where we are sent instead."""
        async with self._connections().get(url, allow_redirects=False) as response:
            if response.status in REDIRECTS and "Location" in response.headers:
                return response.headers["Location"]
            if response.status != 200:
                raise Unreadable(f"answers {response.status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise Unreadable("is compressed, though that was not asked for")
            if "Content-Type" in response.headers and (
                response.content_type not in KINDS
            ):
                raise Unreadable("is not a calendar (iCalendar)")
            return await _body(response)

    def _connections(self) -> aiohttp.ClientSession:
        """Made when first needed: a session belongs to the loop that runs, and to read
        whom it trusts takes 20 ms."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=ssl.create_default_context(cafile=self._ca_file),
                    socket_factory=self._socket,
                    force_close=True,
                ),
                timeout=aiohttp.ClientTimeout(PATIENCE),
                headers=HEADERS,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._http

    def _socket(self, where: aiohttp.AddrInfoType) -> socket.socket:
        """Called with the very address that is connected to next."""
        family, kind, protocol, _, address = where
        host = str(address[0])
        if not (is_public(host) or (self._loopback and is_loopback(host))):
            raise NotPublicError(f"{host} is not a public address")
        return socket.socket(family, kind, protocol)


def _joined(base: str, location: str) -> str:
    """What cannot be joined is judged as it is, and refused for that."""
    try:
        return urljoin(base, location)
    except ValueError:
        return location


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        parts += part
        if len(parts) > LARGEST:
            raise Unreadable(f"is larger than {LARGEST} bytes")
    return bytes(parts)
