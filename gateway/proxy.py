"""What passes the door: the headers of either direction, and bodies within limits."""

import asyncio

from starlette.types import Message, Receive, Send

from gateway.connection import Headers
from gateway.domain import PayloadTooLarge, RequestTimeout
from gateway.visitors import Visitor
from shared.errors import BadRequest, Problem

LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
# RFC 9110, 7.6.1: for this hop only.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# And what we say ourselves. The transfer encoding stays: it says that there is a body.
FROM_OUTSIDE = HOP_BY_HOP - LENGTHS | {
    b"forwarded",
    b"x-real-ip",
    b"x-request-id",
}
FROM_INSIDE = HOP_BY_HOP | {b"date", b"server", b"x-request-id"}
OURS = (b"x-user-", b"x-forwarded-", b"proxy-")


def inward(headers: Headers, visitor: Visitor, request_id: str) -> Headers:
    """The request's headers as a service gets them.

    Raises BadRequest when the length of the body is ambiguous (RFC 9112, 6.3), or who
    asks for it.
    """
    check_framing(headers)
    dropped = FROM_OUTSIDE
    for name, value in headers:
        if name == b"connection":
            dropped = dropped | _named(value)
    kept = [
        header
        for header in headers
        if header[0] not in dropped and not header[0].startswith(OURS)
    ]
    kept += (
        (b"x-request-id", request_id.encode()),
        (b"x-forwarded-for", visitor.address.encode()),
        (b"x-forwarded-proto", visitor.scheme.encode()),
        (b"x-forwarded-host", visitor.host.encode("latin-1")),
    )
    return kept


def _named(connection: bytes) -> frozenset[bytes]:
    """The headers that `Connection` names; the body's length cannot be named away."""
    names = {name.strip().lower() for name in connection.split(b",")}
    return frozenset(names - LENGTHS)


def check_framing(headers: Headers) -> None:
    """One length, one bearer, one host: else two readers may see two requests."""
    lengths = [header for header in headers if header[0] in LENGTHS]
    names = [name for name, _ in headers]
    if len(lengths) > 1:
        raise BadRequest("The body must have one length.")
    for name, value in lengths:
        if name == b"content-length" and not value.isdigit():
            raise BadRequest("Content-Length must be a number.")
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            raise BadRequest("The only transfer encoding here is chunked.")
    if names.count(b"host") != 1:
        raise BadRequest("Host must be given, once.")
    if names.count(b"authorization") > 1:
        raise BadRequest("Authorization may be given once.")


def outward(headers: Headers) -> Headers:
    """The answer's headers as the client gets them, but for the request's id."""
    return [
        header
        for header in headers
        if header[0] not in FROM_INSIDE and not header[0].startswith(b"proxy-")
    ]


class Exchange:
    """One request through the door: a body within limits in, a clean answer out.

    `status` is 0 until an answer has begun; `service` says who gives it.
    """

    def __init__(
        self, receive: Receive, send: Send, body_limit: int, client_timeout: float
    ) -> None:
        self._receive = receive
        self._send = send
        self._body_limit = body_limit
        self._client_timeout = client_timeout
        self._deadline: float | None = None
        self._taken = 0
        self._arrived = False
        self.refusal: Problem | None = None
        self.status = 0
        self.service = "gateway"

    def check_announced(self, headers: Headers) -> None:
        """Raises PayloadTooLarge before any of a body is read that says it is."""
        for name, value in headers:
            if name == b"content-length" and int(value) > self._body_limit:
                raise self._too_large()

    async def receive(self) -> Message:
        """The next piece of the body; raises PayloadTooLarge or RequestTimeout.

        All of the body has one deadline: who sends a byte now and then holds one of a
        service's connections no longer than who sends nothing.
        """
        if self._arrived:
            return await self._receive()
        if self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.time() + self._client_timeout
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            self.refusal = RequestTimeout("The body did not arrive in time.")
            raise self.refusal from error
        self._taken += len(message.get("body", b""))
        if self._taken > self._body_limit:
            self.refusal = self._too_large()
            raise self.refusal
        self._arrived = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on, unless `receive` refused what it would answer.

        A service in this process may have taken the refusal for a mistake of its own.
        """
        if message["type"] == "http.response.start":
            if self.refusal is not None:
                raise self.refusal
            self.status = message["status"]
            message["headers"] = outward(message["headers"])
        await self._send(message)

    def _too_large(self) -> Problem:
        return PayloadTooLarge(f"At most {self._body_limit} bytes.")
