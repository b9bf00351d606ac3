"""Two hundred students want one slot in the same moment.

Through booking, through the gateway and booking, and as bare SQL over asyncpg: the
advisory lock, the insert under the exclusion constraint, the seat and the outbox row,
on as many connections as booking may open. One wins each race.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

import asyncpg

from bench import answers
from bench.effort import Effort, interleaved
from bench.figures import Figure, ratio, slowest, typical
from bench.load import Load, at_once, request
from bench.servers import (
    Servers,
    database,
    declare,
    listening,
    ready,
    service,
    uvicorn,
)
from bench.stock import a_coach
from local.processes import free_port
from services.booking.events import handlers
from shared.ids import new_id

POOL = 20
"""Connections, as many as a service's pool grows to."""

UNLIMITED = str(10**9)

LOCK = "SELECT pg_advisory_xact_lock(1, $1)"
SESSION = """
    INSERT INTO sessions (id, coach_id, starts_at, ends_at, blocked_from, blocked_until,
                          status, kind, sequence, start_version,
                          coach_nudged_version)
    VALUES ($1, $2, $3, $4, $3, $4, 'held', 'individual', 0, 1, 0)
    ON CONFLICT DO NOTHING RETURNING id
"""
SEAT = """
    INSERT INTO seats (id, session_id, student_id, starts_at, ends_at, status, price,
                       currency, fee_percent, tiers, created_at, hold_expires_at,
                       offer, refund_on_resale, marks, moved_by_coach,
                       moves_by_student, no_show_final, outcome_version)
    VALUES ($1, $2, $3, $4, $5, 'held', 6000, 'USD', 15, '[]', now(),
            now() + interval '15 minutes', false, false, '[]', false, 0, false, 0)
"""
OUTBOX = """
    INSERT INTO outbox (event_id, name, body, headers, created_at)
    VALUES ($1, 'bench.held.v1', $2, '{}', now())
"""
SETTLE = (
    "UPDATE sessions SET status = 'expired'",
    "UPDATE seats SET status = 'expired'",
)


@dataclass(frozen=True)
class Course:
    """Where races are run: two ports, the pool for bare SQL, and the students."""

    booking: int
    gateway: int
    pool: asyncpg.Pool
    students: list[UUID]
    bearers: list[dict[str, str]]

    async def over_http(self, port: int) -> Load:
        coach_id, start = await self._new_slot()
        body = {
            "coach_id": str(coach_id),
            "start": start.isoformat(),
            "duration_minutes": 60,
        }
        bytes_ = json.dumps(body).encode()
        asked = [request("POST", "/v1/sessions", b, bytes_) for b in self.bearers]
        load = await at_once(port, asked)
        await self._settle()
        if load.statuses != {201: 1, 409: len(asked) - 1}:
            raise RuntimeError(f"not one of them won: {load.statuses}")
        return load

    async def bare(self) -> Load:
        coach_id, start = await self._new_slot()
        load, began = Load(), perf_counter()

        async def run(student_id: UUID) -> None:
            async with self.pool.acquire() as connection:
                won = await hold(connection, coach_id, student_id, start)
            load.note(201 if won else 409, perf_counter() - began)

        await asyncio.gather(*map(run, self.students))
        load.elapsed = perf_counter() - began
        await self._settle()
        return load

    async def sign_in(self, port: int) -> None:
        """Every bearer is verified once, as after a student's first request."""
        await at_once(
            port, [request("GET", "/v1/sessions", bearer) for bearer in self.bearers]
        )

    async def _new_slot(self) -> tuple[UUID, datetime]:
        """Of a coach of its own, tomorrow afternoon."""
        tomorrow = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0)
        async with self.pool.acquire() as connection:
            coach_id = await a_coach(connection, "UTC", "09:00")
        return coach_id, tomorrow + timedelta(days=1)

    async def _settle(self) -> None:
        """Nobody holds a seat any more, so that all may win the next race."""
        async with self.pool.acquire() as connection:
            for statement in SETTLE:
                await connection.execute(statement)


async def hold(
    connection: asyncpg.Connection, coach_id: UUID, student_id: UUID, start: datetime
) -> bool:
    """What a booking has to write at the least; says whether the slot was free."""
    end, session_id = start + timedelta(hours=1), new_id()
    async with connection.transaction():
        await connection.execute(LOCK, coach_id.int & 0x7FFFFFFF)
        placed = await connection.fetchval(SESSION, session_id, coach_id, start, end)
        if placed is None:
            return False
        await connection.execute(SEAT, new_id(), session_id, student_id, start, end)
        await connection.execute(OUTBOX, new_id(), b"{}" * 200)
    return True


@asynccontextmanager
async def course(servers: Servers, racers: int) -> AsyncIterator[Course]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        booking_url = await enter(database(servers.postgres, "services.booking"))
        gateway_url = await enter(database(servers.postgres, "gateway"))
        booking, gateway, accounts = free_port(), free_port(), free_port()
        await declare(servers.amqp, handlers)
        address = f"http://127.0.0.1:{accounts}"
        stack.enter_context(
            uvicorn("bench.answers:app", accounts, **answers.environment())
        )
        stack.enter_context(
            service(
                *("booking", booking, booking_url),
                AMQP_URL=servers.amqp,
                JWKS_URL=address + answers.KEYS,
            )
        )
        stack.enter_context(
            service(
                *("gateway", gateway, gateway_url),
                ACCOUNTS_URL=address,
                BOOKING_URL=f"http://127.0.0.1:{booking}",
                USER_PER_MINUTE=UNLIMITED,
            )
        )
        await listening(accounts, gateway)
        await ready(booking)
        plain = booking_url.replace("postgresql+asyncpg://", "postgresql://")
        pool = await enter(asyncpg.create_pool(plain, min_size=POOL, max_size=POOL))
        students = [new_id() for _ in range(racers)]
        bearers = [answers.bearer(student, "student") for student in students]
        yield Course(booking, gateway, pool, students, bearers)


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    async with course(servers, effort.racers) as races:
        await races.sign_in(races.booking)
        await races.sign_in(races.gateway)
        loads: dict[str, list[Load]] = {"booking": [], "gateway": [], "SQL": []}

        def rate(
            name: str, race: Callable[[], Awaitable[Load]]
        ) -> Callable[[], Awaitable[float]]:
            async def measured() -> float:
                load = await race()
                loads[name].append(load)
                return load.per_second

            return measured

        async def through_booking() -> Load:
            return await races.over_http(races.booking)

        async def through_the_gateway() -> Load:
            return await races.over_http(races.gateway)

        measures = {
            "booking": rate("booking", through_booking),
            "gateway": rate("gateway", through_the_gateway),
            "SQL": rate("SQL", races.bare),
        }
        await interleaved(1, measures)
        loads.update({name: [] for name in loads})
        raw = await interleaved(effort.pairs, measures)
    return _figures(effort.racers, raw, loads)


def _figures(
    racers: int, raw: dict[str, list[float]], loads: dict[str, list[Load]]
) -> list[Figure]:
    figures = []
    for name in raw:
        label = f"{racers} racers, {name}"
        waits = [each * 1000 for load in loads[name] for each in load.seconds]
        figures.append(typical(label, raw[name], "req/s"))
        figures.append(Figure(label, slowest(waits), "ms p99"))
    for name in ("booking", "gateway"):
        pair = {name: raw[name], "SQL": raw["SQL"]}
        figures.append(ratio(f"{name} : bare SQL, requests a second", pair))
    return figures
