"""A marketplace whose services run twice, behind one gateway that takes turns."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app import build
from gateway.settings import GatewaySettings
from local.demo.walk import Walk
from local.doors import reserve, serving
from local.house import BEHIND_THE_GATEWAY
from shared.db import Sessions
from shared.ids import new_id
from tests.flows.market import TIMEOUT, HouseMarket, on_servers
from tests.flows.on_servers import ServerHouse

TWICE = ("booking", "payments", "notifications", "scheduler")
MANY = 1_000_000
AT_THE_DOOR = 5
"""As many connections as the gateway keeps to its database."""

Student = dict[str, str]
"""The headers of somebody who is signed in."""

CONNECTIONS = httpx2.Limits(max_connections=250, max_keepalive_connections=250)


class TakingTurns:
    """Sends each request to the next of several instances."""

    def __init__(self, *instances: ASGIApp) -> None:
        self._next = cycle(instances)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next(self._next)(scope, receive, send)


@dataclass(frozen=True)
class Course:
    """Where races are run: `gateway` leads to both instances of every service."""

    market: HouseMarket[ServerHouse]
    gateway: httpx2.AsyncClient
    coach: Walk
    crowd: list[Student] = field(default_factory=list)

    def sessions(self, service: str) -> Sessions:
        """The database of a service."""
        sessions: Sessions = self.market.house.apps[service].state.sessions
        return sessions

    async def open_days(self, **policy: object) -> None:
        """The coach works round the clock from now on, with this policy."""
        coach = self.coach.coach
        path = f"/v1/coaches/{coach.id}"
        hours = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]
        rules = {"timezone": "UTC", "rules": hours, "overrides": [], "time_off": []}
        await coach.put(f"{path}/schedule", rules)
        await coach.put(f"{path}/booking-policy", policy)

    async def noon(self, days: int) -> datetime:
        """Twelve o'clock in UTC, so many days ahead."""
        day = (await self.market.advance(timedelta(0))) + timedelta(days=days)
        return day.replace(hour=12, minute=0, second=0, microsecond=0)

    async def students(self, count: int) -> list[Student]:
        """Signed-in students without a hold, who all have been at the gateway before.

        The gateway looks up the limits of whom it sees first, and lets them pass when
        that takes too long; this is not what is raced for.
        """
        while missing := count - len(self.crowd):
            new = [self._a_student() for _ in range(min(missing, AT_THE_DOOR))]
            await asyncio.gather(*(self._come_in(each) for each in new))
            self.crowd.extend(new)
        return list(self.crowd)

    def _a_student(self) -> Student:
        signer = self.market.house.apps["accounts"].state.signer
        token = signer.access_token(new_id(), ["student"], datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}

    async def _come_in(self, student: Student) -> None:
        answer = await self.gateway.get("/v1/sessions", headers=student)
        answer.raise_for_status()

    async def book(
        self,
        student: Student,
        start: datetime,
        minutes: int = 60,
        kind: str = "individual",
    ) -> httpx2.Response:
        """Ask for the time; whoever gets it leaves the crowd."""
        body = {
            "coach_id": self.coach.coach.id,
            "start": start.isoformat(),
            "duration_minutes": minutes,
            "kind": kind,
        }
        answer = await self.gateway.post("/v1/sessions", json=body, headers=student)
        if answer.status_code == 201:
            self.crowd.remove(student)
        return answer


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often each race is run."""
    return int(os.environ.get("RACE_ROUNDS", "3"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def course(
    postgres_server: str, rabbitmq_server: tuple[str, str | None]
) -> AsyncIterator[Course]:
    """The services that race run twice; the module's databases see no deadlock."""
    async with on_servers(postgres_server, rabbitmq_server, TWICE) as market:
        walk, _ = await market.open_shop()
        listener = reserve(0)
        door, pages = build(_settings(market.house), _upstreams(market.house.apps))
        async with (
            pages.router.lifespan_context(pages),
            serving(door, listener),
            httpx2.AsyncClient(
                base_url="http://{}:{}".format(*listener.getsockname()),
                timeout=TIMEOUT,
                limits=CONNECTIONS,
            ) as gateway,
        ):
            yield Course(market, gateway, walk)


def _upstreams(apps: dict[str, Any]) -> dict[str, ASGIApp]:
    return {
        name: TakingTurns(apps[name], apps.get(f"{name}-2", apps[name]))
        for name in BEHIND_THE_GATEWAY
    }


def _settings(house: ServerHouse) -> GatewaySettings:
    return GatewaySettings(
        environment="local",
        database_url=SecretStr(house.urls["gateway"]),
        address_per_minute=MANY,
        user_per_minute=MANY,
    )
