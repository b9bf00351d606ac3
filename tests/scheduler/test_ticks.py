import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from faststream.rabbit import RabbitBroker
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import func, select

from services.scheduler import actions, domain
from services.scheduler.app import create_app
from services.scheduler.models import EmittedTick
from services.scheduler.settings import SchedulerSettings
from shared import db, service
from shared.contracts.scheduler import MinuteTickV1, Tick
from shared.db import Sessions, make_sessions
from shared.workers import running
from tests.given import NOW, FixedClock, a_verifier, published

Database = Callable[[str], Awaitable[str]]


@pytest.fixture
async def url(database: Database) -> str:
    return await database("scheduler")


@pytest.fixture
async def sessions(url: str) -> AsyncIterator[Sessions]:
    sessions = make_sessions(url)
    yield sessions
    await db.engine_of(sessions).dispose()


async def emit(sessions: Sessions, now: datetime) -> int:
    async with sessions.begin() as session:
        return await actions.emit_due(session, now)


async def ticks(sessions: Sessions, kind: type[Tick] = Tick) -> list[Tick]:
    return [each for each in await published(sessions) if isinstance(each, kind)]


@given(
    st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([domain.MINUTE, domain.HOUR, domain.DAY]),
)
def test_the_latest_due_instant_is_whole_past_and_less_than_a_period_ago(
    now: datetime, every: timedelta
) -> None:
    due = domain.latest_due(now, every)

    assert timedelta(0) <= now - due < every
    assert due.timestamp() % every.total_seconds() == 0
    assert domain.next_due(now, every) - due == every


async def test_each_tick_is_said_once_with_the_span_it_stands_for(
    sessions: Sessions,
) -> None:
    assert await emit(sessions, NOW + timedelta(seconds=5)) == 3
    assert await emit(sessions, NOW + timedelta(seconds=59)) == 0
    assert await emit(sessions, NOW + timedelta(seconds=61)) == 1

    first, second = await ticks(sessions, MinuteTickV1)
    assert (first.previous_due_at, first.due_at) == (None, NOW)
    assert (second.previous_due_at, second.due_at) == (NOW, NOW + domain.MINUTE)


async def test_a_scheduler_that_slept_says_one_tick_for_all_it_missed(
    sessions: Sessions,
) -> None:
    await emit(sessions, NOW)

    await emit(sessions, NOW + timedelta(days=31, seconds=1))

    late = (await ticks(sessions, MinuteTickV1))[-1]
    assert (late.previous_due_at, late.due_at) == (NOW, NOW + timedelta(days=31))


async def test_a_clock_that_went_back_says_nothing(sessions: Sessions) -> None:
    await emit(sessions, NOW)

    assert await emit(sessions, NOW - timedelta(hours=5)) == 0


async def test_two_schedulers_say_each_tick_once(sessions: Sessions) -> None:
    clock = FixedClock()

    async def scheduler() -> None:
        for _ in range(200):
            await emit(sessions, clock.now())
            clock.advance(seconds=30)

    await asyncio.gather(scheduler(), scheduler())

    said = Counter((tick.name, tick.due_at) for tick in await ticks(sessions))
    assert set(said.values()) == {1}
    minutes = await ticks(sessions, MinuteTickV1)
    assert len(minutes) > 150
    spans = sorted((tick.due_at, tick.previous_due_at) for tick in minutes)
    for (due, _), (_, previous) in pairwise(spans):
        assert previous == due


async def test_what_rolls_back_was_not_said(sessions: Sessions) -> None:
    async with sessions() as session:
        await actions.emit_due(session, NOW)
        await session.rollback()

    assert await ticks(sessions) == []
    assert await emit(sessions, NOW) == 3


async def test_a_week_of_ticks_is_kept(sessions: Sessions) -> None:
    for day in range(10):
        await emit(sessions, NOW + timedelta(days=day))

    async with sessions() as session:
        oldest = (await session.exec(select(func.min(EmittedTick.due_at)))).one()
    assert (
        oldest == domain.latest_due(NOW + timedelta(days=9), domain.DAY) - domain.KEPT
    )


async def test_the_running_service_ticks_as_its_clock_moves(
    url: str, sessions: Sessions
) -> None:
    settings = SchedulerSettings.model_validate(
        {"database_url": url, "amqp_url": "amqp://nowhere"}
    )

    app = create_app(settings, RabbitBroker(), UpTo(minutes=3), a_verifier())
    parts = app.state.parts
    assert (await service.backlog(parts))["ticks"] == 3

    async with running(parts.workers):
        async with asyncio.timeout(10):
            while len(await ticks(sessions, MinuteTickV1)) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    assert (await service.backlog(parts))["ticks"] == 0
    await db.engine_of(app.state.sessions).dispose()


async def test_what_falls_due_while_ticks_are_said_is_said_at_once(
    url: str, sessions: Sessions
) -> None:
    settings = SchedulerSettings.model_validate(
        {"database_url": url, "amqp_url": "amqp://nowhere"}
    )
    clock = UpTo(minutes=60)
    app = create_app(settings, RabbitBroker(), clock, a_verifier())

    async with AsyncExitStack() as service_runs:
        async with sessions.begin() as somebody:
            await somebody.exec(select(func.pg_advisory_xact_lock(actions.TURNS)))
            await service_runs.enter_async_context(running(app.state.parts.workers))
            async with asyncio.timeout(10):
                while not await waits_for_its_turn(sessions):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            clock.advance(minutes=60)
        async with asyncio.timeout(10):
            while len(await ticks(sessions, MinuteTickV1)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    said = [tick.due_at for tick in await ticks(sessions, MinuteTickV1)]
    assert said == [NOW, NOW + timedelta(minutes=60)]
    await db.engine_of(app.state.sessions).dispose()


class UpTo(FixedClock):
    """Moves to what is waited for, unless that is later than so long from now."""

    def __init__(self, **most: float) -> None:
        super().__init__()
        self._last = NOW + timedelta(**most)

    async def until(self, instant: datetime) -> None:
        if instant > self._last:
            await asyncio.Event().wait()
        await super().until(instant)


async def waits_for_its_turn(sessions: Sessions) -> bool:
    query = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    async with sessions() as session:
        return bool((await (await session.connection()).execute(query)).scalar())
