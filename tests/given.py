"""Things that tests of every service start from."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from faststream.rabbit import RabbitBroker
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic_core import from_json
from sqlalchemy import select

from shared.auth import AUDIENCE, ISSUER, Verifier
from shared.broker import events_exchange
from shared.contracts import REGISTRY, Event
from shared.db import Sessions
from shared.ids import new_id
from shared.outbox import OUTBOX

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
"""A Monday at noon, in summer time for Berlin and New York."""


class FixedClock:
    """Product time that stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, **delta: float) -> datetime:
        self._now += timedelta(**delta)
        return self._now

    async def until(self, instant: datetime) -> None:
        self._now = max(self._now, instant)


@cache
def signing_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "test"})


def a_verifier() -> Verifier:
    """A verifier that believes the tokens of `bearer`."""

    async def fetch() -> Mapping[str, Any]:
        return {"keys": [signing_key().as_dict(private=False)]}

    return Verifier(fetch)


def bearer(user_id: UUID, *roles: str) -> dict[str, str]:
    """The header of a signed-in user with these roles."""
    issued = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "roles": list(roles),
        "iat": issued,
        "exp": issued + 900,
        "jti": str(new_id()),
    }
    token = jwt.encode({"alg": "ES256", "kid": "test"}, claims, signing_key())
    return {"Authorization": f"Bearer {token}"}


async def published(sessions: Sessions) -> list[Event]:
    """The events that wait in the outbox, oldest first, as their contracts."""
    async with sessions() as session:
        rows = (await session.exec(select(OUTBOX).order_by(OUTBOX.c.id))).all()  # type: ignore[call-overload]
    return [REGISTRY[row.name].model_validate(from_json(row.body)) for row in rows]


async def deliver(broker: RabbitBroker, *events: Event) -> None:
    """Publish the events, one after the other, as a relay does."""
    for event in events:
        await broker.publish(event, exchange=events_exchange(), routing_key=event.name)
