import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.limits import Limit, Limits
from shared.errors import TooManyRequests
from tests.gateway.conftest import Start
from tests.given import bearer

NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica whose first connection takes long would limit by itself."""
    monkeypatch.setattr("gateway.limits.PATIENCE", 30)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


async def admitted(replica: Limits, limit: Limit, subject: str, times: int) -> int:
    """How many of so many requests at once pass."""
    results = await asyncio.gather(
        *[replica.take(limit, subject) for _ in range(times)], return_exceptions=True
    )
    assert all(isinstance(each, TooManyRequests | None) for each in results)
    return results.count(None)


async def test_one_replica_admits_exactly_the_limit(engine: AsyncEngine) -> None:
    limit = Limit("address", 50)

    assert await admitted(Limits(engine), limit, "10.0.0.1", 120) == 50


@pytest.mark.parametrize("per_window", [1, 7, 50, 300])
async def test_replicas_together_never_admit_more_than_the_limit(
    engine: AsyncEngine, per_window: int
) -> None:
    limit = Limit("address", per_window)
    replicas = [Limits(engine) for _ in range(3)]

    passed = await asyncio.gather(
        *[admitted(each, limit, "10.0.0.1", 2 * per_window) for each in replicas]
    )

    assert sum(passed) == per_window


async def test_what_a_replica_leased_is_all_that_others_may_miss(
    engine: AsyncEngine,
) -> None:
    limit = Limit("address", 100)
    idle, busy = Limits(engine), Limits(engine)

    assert await admitted(idle, limit, "10.0.0.1", 1) == 1
    assert await admitted(busy, limit, "10.0.0.1", 200) == 100 - limit.batch
    assert await admitted(idle, limit, "10.0.0.1", 200) == limit.batch - 1


async def test_subjects_and_limits_are_counted_apart(engine: AsyncEngine) -> None:
    replica = Limits(engine)
    few, many = Limit("sign-in", 2), Limit("address", 20)

    assert await admitted(replica, few, "10.0.0.1", 5) == 2
    assert await admitted(replica, few, "10.0.0.2", 5) == 2
    assert await admitted(replica, many, "10.0.0.1", 25) == 20


async def test_a_new_window_admits_again_and_the_refusal_says_when(
    engine: AsyncEngine,
) -> None:
    replica, limit = Limits(engine), Limit("address", 3, window=1)
    await replica.take(limit, "10.0.0.2")  # the first connection may outlast a window

    assert await admitted(replica, limit, "10.0.0.1", 9) == 3
    with pytest.raises(TooManyRequests) as refusal:
        await replica.take(limit, "10.0.0.1")
    assert refusal.value.retry_after == 1
    await asyncio.sleep(1.05)
    assert await admitted(replica, limit, "10.0.0.1", 9) == 3


async def test_the_common_request_costs_no_query(engine: AsyncEngine) -> None:
    replica, limit = Limits(engine), Limit("user", 2000)
    statements = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(*arguments: object) -> None:
        statements.append(arguments[2])

    assert await admitted(replica, limit, "somebody", 1000) == 1000
    assert len(statements) == 10


async def test_without_its_database_a_replica_limits_by_itself() -> None:
    engine = create_async_engine(NOWHERE)
    replica, limit = Limits(engine), Limit("address", 20)

    assert await admitted(replica, limit, "10.0.0.1", 50) == 20
    assert await admitted(replica, limit, "10.0.0.2", 50) == 20
    await engine.dispose()


async def test_windows_that_are_over_are_forgotten(engine: AsyncEngine) -> None:
    replica = Limits(engine)
    await replica.take(Limit("address", 5, window=0.01), "10.0.0.1")
    await replica.take(Limit("address", 5), "10.0.0.2")
    await asyncio.sleep(0.02)

    assert await replica.sweep() == 1
    async with engine.connect() as connection:
        keys = await connection.scalars(text("SELECT key FROM bucket"))
        assert keys.all() == ["address 10.0.0.2"]


# Through the whole gateway


async def test_two_gateways_share_the_limit_of_an_address(start: Start) -> None:
    gateways = [await start(in_process=True, address_per_minute=30) for _ in range(2)]

    responses = await asyncio.gather(
        *[gateways[n % 2].get("/v1/games") for n in range(80)]
    )

    refused = [each for each in responses if each.status_code == 429]
    assert len(refused) == 50
    assert all(1 <= int(each.headers["retry-after"]) <= 60 for each in refused)
    assert refused[0].json()["slug"] == "too-many-requests"
    assert refused[0].headers["content-type"] == "application/problem+json"


async def test_the_signed_in_are_limited_by_who_they_are(start: Start) -> None:
    client = await start(in_process=True, address_per_minute=3, user_per_minute=5)
    one, other = bearer(uuid4(), "student"), bearer(uuid4(), "student")

    async def passed(headers: dict[str, str]) -> int:
        got = [await client.get("/v1/games", headers=headers) for _ in range(8)]
        return [each.status_code for each in got].count(200)

    assert await passed(one) == 5
    assert await passed(other) == 5
    assert await passed({}) == 3


async def test_guessing_at_passwords_and_tokens_is_limited(start: Start) -> None:
    client = await start(in_process=True, sign_in_per_minute=2, address_per_minute=4)
    bad = {"Authorization": "Bearer guess"}

    logins = [await client.post("/v1/auth/login", json={}) for _ in range(4)]
    guesses = [await client.get("/v1/me", headers=bad) for _ in range(6)]

    assert [each.status_code for each in logins] == [200, 200, 429, 429]
    assert [each.status_code for each in guesses] == [401] * 4 + [429] * 2


async def test_webhooks_and_health_are_not_held_up_by_an_address_that_is_refused(
    start: Start,
) -> None:
    client = await start(in_process=True, address_per_minute=1)
    while (await client.get("/v1/games")).status_code != 429:
        pass

    assert (await client.post("/payments/webhook/", content=b"{}")).status_code == 200
    assert (await client.get("/health/live")).status_code == 200


async def test_requests_go_on_while_the_database_is_down(start: Start) -> None:
    client = await start(
        in_process=True, database_url=SecretStr(NOWHERE), address_per_minute=3
    )

    statuses = [(await client.get("/v1/games")).status_code for _ in range(5)]
    ready = await client.get("/health/ready")

    assert statuses == [200, 200, 200, 429, 429]
    assert ready.json() == {"database": "down"}
