"""Free times of thirty days through booking, beside the least that can cost.

Both are served by uvicorn in processes of their own and ask the same PostgreSQL; one
connection asks, so that nothing waits for anything but itself. What the statements
cost as sessions and holds pile up is measured at the database alone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import perf_counter
from uuid import UUID

import asyncpg

from bench.effort import Effort, interleaved
from bench.figures import Figure, ratio, typical
from bench.listing_floor import Statements, listened, question
from bench.load import closed, request
from bench.servers import (
    Servers,
    database,
    declare,
    listening,
    ready,
    service,
    uvicorn,
)
from bench.stock import Sale, a_coach, sell
from local.postgres import connect
from local.processes import free_port
from services.booking.actions.slots import SlotQuery
from services.booking.events import handlers

ZONE = "Europe/Berlin"
DAYS = 30
BOOKINGS = 100
MOST = 2.0
MOST_BY_OLD, MOST_BY_HOLDS = 1.2, 1.5
FEW_OLD = 100
HALF_HOUR = timedelta(minutes=30)
ASKED_AT_ONCE = 20


def dates() -> tuple[date, date]:
    """From tomorrow, thirty of them."""
    first = datetime.now(UTC).date() + timedelta(days=1)
    return first, first + timedelta(days=DAYS - 1)


def wanted(coach_id: UUID) -> SlotQuery:
    return SlotQuery(coach_id, *dates(), 60, None, None)


async def a_sold_coach(
    connection: asyncpg.Connection, old: int = 0, holds: int = 0
) -> UUID:
    """A hundred sessions in thirty days; many more before, or holds that ran out."""
    coach_id = await a_coach(connection, ZONE, "09:00")
    begin = datetime.combine(dates()[0], datetime.min.time(), UTC)
    month = timedelta(days=DAYS)
    past, gone = begin - month, begin - timedelta(days=2)
    future = Sale(begin, month / BOOKINGS, BOOKINGS, HALF_HOUR)
    before = Sale(past - HALF_HOUR * old, HALF_HOUR, old, HALF_HOUR)
    # Twelve of them fit between two sessions.
    apart, short = timedelta(minutes=36), timedelta(minutes=5)
    between = Sale(begin + timedelta(minutes=31), apart, holds, short)
    await sell(connection, coach_id, future, "confirmed", gone)
    await sell(connection, coach_id, before, "confirmed", gone)
    await sell(connection, coach_id, between, "held", gone)
    return coach_id


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    async with database(servers.postgres, "services.booking") as url:
        plain = url.replace("postgresql+asyncpg://", "postgresql://")
        async with connect(plain) as connection:
            served = await _served(servers, effort, url, connection)
            return served + await _queries(effort, url, connection)


async def _served(
    servers: Servers, effort: Effort, url: str, connection: asyncpg.Connection
) -> list[Figure]:
    coach_id = await a_sold_coach(connection)
    await connection.execute("VACUUM ANALYZE")
    first, last = dates()
    target = f"/v1/coaches/{coach_id}/slots?from={first}&to={last}"
    asked = request("GET", target, {})

    def p50(port: int) -> Callable[[], Awaitable[float]]:
        async def measured() -> float:
            return (await closed(port, asked, 1, effort.seconds)).p50

        return measured

    async with _both(servers, url, coach_id) as (booking, floor):
        both = {"booking": p50(booking), "floor": p50(floor)}
        await interleaved(1, both)
        raw = await interleaved(effort.pairs, both)
    what = f"{DAYS} days, {BOOKINGS} bookings"
    return [
        typical(f"booking's answer, {what}", raw["booking"], "ms p50"),
        typical(
            "the same statements and slot rules, ready bytes", raw["floor"], "ms p50"
        ),
        ratio("booking : floor", raw, MOST),
    ]


@asynccontextmanager
async def _both(
    servers: Servers, url: str, coach_id: UUID
) -> AsyncIterator[tuple[int, int]]:
    """The ports of booking and of the floor, which knows this coach only."""
    booking, floor, nobody = free_port(), free_port(), free_port()
    await declare(servers.amqp, handlers)
    asked = question(wanted(coach_id))
    with (
        service(
            "booking",
            booking,
            url,
            AMQP_URL=servers.amqp,
            JWKS_URL=f"http://127.0.0.1:{nobody}",
        ),
        uvicorn("bench.listing_floor:app", floor, **{"DATABASE_URL": url, **asked}),
    ):
        await listening(floor)
        await ready(booking)
        yield booking, floor


async def _queries(
    effort: Effort, url: str, connection: asyncpg.Connection
) -> list[Figure]:
    few = await a_sold_coach(connection, old=FEW_OLD)
    many = await a_sold_coach(connection, old=effort.old)
    held = await a_sold_coach(connection, old=FEW_OLD, holds=effort.holds)
    await connection.execute("VACUUM ANALYZE")

    async def timed(coach_id: UUID) -> Callable[[], Awaitable[float]]:
        statements, _ = await listened(url, wanted(coach_id))

        async def milliseconds() -> float:
            return await _asked(connection, statements)

        return milliseconds

    measures = {
        "many": await timed(many),
        "few": await timed(few),
        "held": await timed(held),
    }
    await interleaved(1, measures)
    raw = await interleaved(effort.pairs, measures)
    old = {name: raw[name] for name in ("many", "few")}
    holds = {name: raw[name] for name in ("held", "few")}
    return [
        typical("the two statements alone", raw["few"], "ms p50"),
        ratio(
            f"statements, {effort.old:,} : {FEW_OLD} past bookings", old, MOST_BY_OLD
        ),
        ratio(
            f"statements, {effort.holds:,} : 0 holds that ran out", holds, MOST_BY_HOLDS
        ),
    ]


async def _asked(connection: asyncpg.Connection, statements: Statements) -> float:
    """The median of some runs, milliseconds."""
    took = []
    for _ in range(ASKED_AT_ONCE):
        began = perf_counter()
        for statement, parameters in statements:
            await connection.fetch(statement, *parameters)
        took.append((perf_counter() - began) * 1000)
    return median(took)
