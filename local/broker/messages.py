"""A message at rest: what AMQP's content header says, encoded as on the wire.

So every consumer gets properties of its own, with exactly the types that a server would
hand on, and the journal can keep them as they are.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pamqp.commands import Basic
from pamqp.header import ContentHeader


@dataclass(slots=True)
class Message:
    """One message in one queue; `due` is when it expires, in seconds since 1970."""

    id: int
    queue: str
    exchange: str
    routing_key: str
    header: bytes
    body: bytes
    due: float | None
    deliveries: int = 0
    """Deliveries that ended without an answer, or with a wish for another one."""

    def content_header(self) -> ContentHeader:
        """What a consumer sees; quorum queues add `x-delivery-count` from the second
        delivery on.
        """
        header = decode(self.header)
        if self.deliveries:
            properties = header.properties
            counted = {"x-delivery-count": self.deliveries}
            properties.headers = {**(properties.headers or {}), **counted}
        return header


def encode(properties: Basic.Properties, body: bytes) -> bytes:
    """Raises TypeError for a header value that AMQP has no type for."""
    return ContentHeader(body_size=len(body), properties=properties).marshal()


def decode(data: bytes) -> ContentHeader:
    header = ContentHeader()
    header.unmarshal(data)
    return header


def dead_letter_header(message: Message, reason: str) -> bytes:
    """The header with one more death in `x-death`, the newest first.

    Deaths in the same queue for the same reason share one entry and are counted there,
    as https://www.rabbitmq.com/docs/dlx describes.
    """
    header = decode(message.header)
    headers: dict[str, Any] = dict(header.properties.headers or {})
    deaths: list[dict[str, Any]] = list(headers.get("x-death", []))
    same = [
        each
        for each in deaths
        if (each["queue"], each["reason"]) == (message.queue, reason)
    ]
    entry = (
        {**same[0], "count": same[0]["count"] + 1}
        if same
        else {
            "count": 1,
            "reason": reason,
            "queue": message.queue,
            "time": datetime.now(UTC),
            "exchange": message.exchange,
            "routing-keys": [message.routing_key],
        }
    )
    headers["x-death"] = [entry, *(each for each in deaths if each not in same)]
    headers.setdefault("x-first-death-exchange", message.exchange)
    headers.setdefault("x-first-death-queue", message.queue)
    headers.setdefault("x-first-death-reason", reason)
    header.properties.headers = headers
    return header.marshal()
