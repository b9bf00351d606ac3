"""The marketplace of `tests.races.pairs`, and people in a hurry."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import httpx2
import pytest
import pytest_asyncio
from sqlmodel.ext.asyncio.session import AsyncSession

from local import seeds
from local.demo.client import until
from local.demo.walk import Walk
from local.doors import free_base
from local.servers import ServersSettings, home_in
from services.accounts.clients import Signer
from shared import db
from shared.ids import new_id
from tests.flows.fleet import CHEAP, dead_letters, market_of
from tests.flows.market import TIMEOUT, Market, own_vhost
from tests.flows.on_servers import migrated_databases
from tests.races.pairs import Pairs, gateway_of

AT_THE_DOOR = 5
"""As many connections as the gateway keeps to its database."""

LET_IN = 600.0
"""Seconds after which nobody starts a race: what they show holds for fifteen minutes."""

Student = dict[str, str]
"""The headers of somebody who is signed in."""

CONNECTIONS = httpx2.Limits(max_connections=250, max_keepalive_connections=250)


@dataclass(frozen=True)
class Course:
    """Where races are run: `gateway` leads to all processes, over many connections.

    `crowd` holds what its people show at the door, and when (monotonic) they got it.
    """

    market: Market
    pairs: Pairs
    gateway: httpx2.AsyncClient
    coach: Walk
    signer: Signer
    crowd: dict[str, float] = field(default_factory=dict)

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[AsyncSession]:
        """A look into the database of a service."""
        sessions = db.make_sessions(self.pairs.databases[service], 1)
        async with sessions() as session:
            yield session
        await db.engine_of(sessions).dispose()

    async def open_days(self, **policy: object) -> None:
        """The coach works round the clock for a year from now, with this policy."""
        coach = self.coach.coach
        path = f"/v1/coaches/{coach.id}"
        hours = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]
        rules = {"timezone": "UTC", "rules": hours, "overrides": [], "time_off": []}
        await coach.put(f"{path}/schedule", rules)
        wanted = {"horizon_days": 365} | policy

        async def stored() -> httpx2.Response:
            """Refused as long as booking has not heard of a rate for groups."""
            return await coach.http.put(
                f"{path}/booking-policy", json=wanted, headers=coach.headers
            )

        await until("the policy", stored, lambda answer: answer.is_success)

    async def noon(self, days: int) -> datetime:
        """Twelve o'clock in UTC, so many days ahead."""
        day = (await self.market.advance(timedelta(0))) + timedelta(days=days)
        return day.replace(hour=12, minute=0, second=0, microsecond=0)

    async def students(self, count: int) -> list[Student]:
        """So many students or more: signed in, without a hold, seen before.

        The gateway looks up the limits of whom it sees first, and lets them pass when
        that takes too long; this is not what is raced for.
        """
        first = time.monotonic() - LET_IN
        for shown in [each for each, since in self.crowd.items() if since < first]:
            del self.crowd[shown]
        while (missing := count - len(self.crowd)) > 0:
            new = [self._a_student() for _ in range(min(missing, AT_THE_DOOR))]
            since = time.monotonic()
            await asyncio.gather(*(self._come_in(each) for each in new))
            self.crowd.update((each["Authorization"], since) for each in new)
        return [{"Authorization": shown} for shown in self.crowd]

    def _a_student(self) -> Student:
        token = self.signer.access_token(new_id(), ["student"], datetime.now(UTC))
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
            del self.crowd[student["Authorization"]]
        return answer


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often each race is run."""
    return int(os.environ.get("RACE_ROUNDS", "3"))


@pytest_asyncio.fixture(loop_scope="package")
async def course(stadium: Course) -> Course:
    """A course of the test's own: with a coach whom nobody has booked yet."""
    coach, _ = await stadium.market.open_shop()
    return replace(stadium, coach=coach)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stadium(
    postgres_server: str,
    rabbitmq_server: tuple[str, str | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Course]:
    """What races are run on: no database sees a deadlock, no message is given up."""
    folder = tmp_path_factory.mktemp("races")
    async with migrated_databases(postgres_server) as urls:
        with own_vhost(*rabbitmq_server) as amqp_url:
            async with _opened(urls, amqp_url, folder) as stadium:
                yield stadium
                await stadium.market.idle()
                assert await dead_letters(amqp_url) == {}


@asynccontextmanager
async def _opened(
    urls: dict[str, str], amqp_url: str, folder: Path
) -> AsyncIterator[Course]:
    own = {f"{name}_database_url": url for name, url in urls.items()}
    given = {"data": folder, "port_base": free_base(), "amqp_url": amqp_url}
    settings = ServersSettings.model_validate(given | own)
    async with AsyncExitStack() as stack:
        with mock.patch.dict(os.environ, CHEAP):
            pairs = await stack.enter_async_context(Pairs(settings))
        await stack.enter_async_context(gateway_of(pairs))
        home = await stack.enter_async_context(home_in(pairs))
        await seeds.basics(home)
        market = await stack.enter_async_context(market_of(pairs))
        gateway = httpx2.AsyncClient(
            base_url=pairs.url, timeout=TIMEOUT, limits=CONNECTIONS
        )
        await stack.enter_async_context(gateway)
        walk, _ = await market.open_shop()
        yield Course(market, pairs, gateway, walk, home.apps["accounts"].state.signer)
