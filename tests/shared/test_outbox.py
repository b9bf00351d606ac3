import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared import db, outbox
from shared.contracts import Event
from shared.contracts.booking import SeatExpiredV1
from shared.db import Sessions, make_sessions
from shared.ids import new_id
from tests.given import NOW, published

Database = Callable[[str], Awaitable[str]]


@pytest.fixture
async def sessions(database: Database) -> Any:
    sessions = make_sessions(await database("scheduler"))
    yield sessions
    await db.engine_of(sessions).dispose()


def an_event() -> SeatExpiredV1:
    return SeatExpiredV1(occurred_at=NOW, seat_id=new_id())


async def publish(sessions: Sessions, *events: Event) -> None:
    async with sessions.begin() as session:
        await outbox.publish(session, *events)


async def test_an_event_is_not_sent_when_its_transaction_rolls_back(
    sessions: Sessions,
) -> None:
    async with sessions() as session:
        await outbox.publish(session, an_event())
        await session.rollback()

    assert await published(sessions) == []


async def test_a_sent_event_is_deleted_and_sent_once(sessions: Sessions) -> None:
    sent: list[str] = []

    async def send(row: Any) -> None:
        sent.append(row.name)

    await publish(sessions, an_event(), an_event())

    assert await outbox.send_batch(sessions, send) == 2
    assert await outbox.send_batch(sessions, send) == 0
    assert sent == ["booking.seat_expired.v1"] * 2


async def test_an_event_that_was_not_confirmed_stays_and_the_others_go(
    sessions: Sessions,
) -> None:
    first, second = an_event(), an_event()

    async def send(row: Any) -> None:
        if row.event_id == first.event_id:
            raise ConnectionError

    await publish(sessions, first, second)

    assert await outbox.send_batch(sessions, send) == 1
    assert await published(sessions) == [first]


async def test_a_broker_that_confirms_nothing_is_reported(sessions: Sessions) -> None:
    async def send(_: Any) -> None:
        raise ConnectionError

    await publish(sessions, an_event())

    with pytest.raises(ConnectionError):
        await outbox.send_batch(sessions, send)
    assert len(await published(sessions)) == 1


async def test_two_relays_send_each_event_once(sessions: Sessions) -> None:
    sent: list[object] = []

    async def send(row: Any) -> None:
        await asyncio.sleep(0.001)
        sent.append(row.event_id)

    events = [an_event() for _ in range(300)]
    await publish(sessions, *events)

    async def relay() -> None:
        while await outbox.send_batch(sessions, send, 20):
            pass

    await asyncio.gather(relay(), relay())

    assert sorted(map(str, sent)) == sorted(str(event.event_id) for event in events)


async def test_a_commit_that_leaves_an_event_wakes_the_workers(
    sessions: Sessions,
) -> None:
    wake = db.work_committed(sessions).subscribe()

    async with sessions.begin() as session:
        await session.connection()
    assert not wake.is_set()

    await publish(sessions, an_event())
    assert wake.is_set()


async def test_a_rollback_wakes_nobody(sessions: Sessions) -> None:
    wake = db.work_committed(sessions).subscribe()

    async with sessions() as session:
        await outbox.publish(session, an_event())
        await session.rollback()
        await session.connection()
        await session.commit()

    assert not wake.is_set()
