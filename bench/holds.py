"""Holds a second through booking, beside pgbench sending the very same statements.

As many clients ask both; each takes another time with one of twenty coaches, so that
the locks of coaches are waited for as on a busy evening and nobody is refused.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event

from bench import answers, pgbench
from bench.effort import Effort, interleaved
from bench.figures import Figure, ratio, typical
from bench.load import Connection, connected, request
from bench.racers import SETTLE
from bench.servers import Servers, database, declare, listening, ready, service, uvicorn
from bench.stock import a_coach
from local.postgres import connect
from local.processes import free_port
from services.booking.actions.holds import Terms, hold_seat
from services.booking.events import handlers
from services.booking.schemas.sessions import SessionRequest
from shared.db import engine_of, make_sessions
from shared.ids import new_id

LEAST = 0.25
COACHES = 20
CLIENTS = 8
TERMS = Terms(hold=timedelta(minutes=15), fee_percent=15)
LONG_AGO = "UPDATE seats SET created_at = created_at - interval '1 day'"
FRAME = ("BEGIN;", "COMMIT;", "ROLLBACK;")

Statements = list[tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True)
class Shop:
    """Booking's port, its database, what is asked of it, and pgbench's script."""

    port: int
    connection: asyncpg.Connection
    url: str
    asked: list[bytes]
    script: str

    async def over_http(self) -> float:
        """Holds a second; every one must be given."""
        waiting = iter(self.asked)
        async with connected(self.port, CLIENTS) as connections:
            began = perf_counter()

            async def keep_asking(connection: Connection) -> None:
                for asked in waiting:
                    status, _ = await connection.ask(asked)
                    if status != 201:
                        raise RuntimeError(f"no hold but {status}")

            await asyncio.gather(*map(keep_asking, connections))
            took = perf_counter() - began
        await self._settle()
        return len(self.asked) / took

    async def bare(self) -> float:
        each = max(1, len(self.asked) // CLIENTS)
        rate = await pgbench.transactions(self.url, self.script, CLIENTS, each)
        await self._settle()
        return rate

    async def _settle(self) -> None:
        """Nobody holds anything or did of late, and pgbench's events are not sent."""
        for statement in (*SETTLE, LONG_AGO, "DELETE FROM outbox"):
            await self.connection.execute(statement)


async def overheard(
    url: str, student_id: UUID, wanted: SessionRequest, now: datetime
) -> Statements:
    """What one hold sends to the database; it is undone."""
    sessions = make_sessions(url, 1)
    engine = engine_of(sessions).sync_engine
    statements: Statements = []

    def keep(*args: Any) -> None:
        statements.append((args[2], tuple(args[3])))

    def listen(connection: Any, _: object) -> None:
        connection.driver_connection.add_query_logger(keep_direct)

    def keep_direct(sent: Any) -> None:
        if sent.query not in FRAME:
            many = sent.args and isinstance(sent.args[0], list)
            rows = sent.args if many else [sent.args]
            statements.extend((sent.query, tuple(row)) for row in rows)

    event.listen(engine, "before_cursor_execute", keep)
    event.listen(engine, "connect", listen)
    for _ in range(2):  # the first time asyncpg asks about types as well
        await asyncio.sleep(0)
        statements.clear()
        async with sessions() as session:
            await hold_seat(session, student_id, wanted, TERMS, now)
            await session.rollback()
    await engine_of(sessions).dispose()
    return statements


def times(count: int) -> list[datetime]:
    """From the day after tomorrow, on each full hour that coaches are open."""
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    opening = first.replace(hour=9) + timedelta(days=2)
    return [
        opening + timedelta(days=n // 10, hours=n % 10)
        for n in range(-(-count // COACHES))
    ]


def body(coach_id: UUID, start: datetime) -> dict[str, Any]:
    return {
        "coach_id": str(coach_id),
        "start": start.isoformat(),
        "duration_minutes": 60,
    }


async def script(url: str, coaches: list[UUID], start: datetime) -> str:
    student_id, now = new_id(), datetime.now(UTC)
    wanted = SessionRequest.model_validate_json(json.dumps(body(coaches[0], start)))
    statements = await overheard(url, student_id, wanted, now)
    return pgbench.Script(coaches[0], student_id, now, len(coaches)).of(statements)


@asynccontextmanager
async def shop(servers: Servers, holds: int) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        url = await enter(database(servers.postgres, "services.booking"))
        plain = url.replace("postgresql+asyncpg://", "postgresql://")
        connection = await enter(connect(plain))
        booking, accounts = free_port(), free_port()
        await declare(servers.amqp, handlers)
        stack.enter_context(
            uvicorn("bench.answers:app", accounts, **answers.environment())
        )
        stack.enter_context(
            service(
                *("booking", booking, url),
                AMQP_URL=servers.amqp,
                JWKS_URL=f"http://127.0.0.1:{accounts}{answers.KEYS}",
            )
        )
        coaches = [
            await a_coach(connection, "UTC", "09:00", UUID(int=n + 1))
            for n in range(COACHES)
        ]
        bearers = [answers.bearer(new_id(), "student") for _ in range(holds)]
        starts = times(holds)
        asked = [
            request(
                *("POST", "/v1/sessions", bearer),
                json.dumps(body(coaches[n % COACHES], starts[n // COACHES])).encode(),
            )
            for n, bearer in enumerate(bearers)
        ]
        await listening(accounts)
        await ready(booking)
        bare = await script(url, coaches, starts[0])
        yield Shop(booking, connection, plain, asked, bare)


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    async with shop(servers, effort.bookings) as open_shop:
        both = {"booking": open_shop.over_http, "pgbench": open_shop.bare}
        await interleaved(1, both)
        raw = await interleaved(effort.pairs, both)
    return [
        typical(f"holds through booking, {CLIENTS} clients", raw["booking"], "req/s"),
        typical("the same statements from pgbench", raw["pgbench"], "req/s"),
        ratio("holds : pgbench", raw, LEAST, at_least=True),
    ]
