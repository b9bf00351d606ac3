"""The least that listing free times can cost on FastAPI and asyncpg.

It sends the very statements that booking sends for the same question and runs the same
slot rules over their rows; the bytes it answers, just as many, were ready before.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request, Response
from sqlalchemy import event

from services.booking.actions.calendars import read_offer
from services.booking.actions.slots import SlotQuery, list_slots
from services.booking.domain.listing import viewer_range
from services.booking.domain.slots import Busy
from services.booking.domain.slots import slots as free_times
from shared.db import engine_of, make_sessions

VARIABLE = "BENCH_QUESTION"
POOL = 10
MINUTES = 60

Statements = list[tuple[str, tuple[Any, ...]]]


async def listened(database_url: str, wanted: SlotQuery) -> tuple[Statements, bytes]:
    """What booking asks the database for this listing, and what it answers."""
    sessions = make_sessions(database_url, 1)
    engine = engine_of(sessions)
    statements: Statements = []

    def keep(query: Any) -> None:
        statements.append((query.query, tuple(query.args)))

    def listen(connection: Any, _: object) -> None:
        connection.driver_connection.add_query_logger(keep)

    event.listen(engine.sync_engine, "connect", listen)
    body = await list_slots(sessions, wanted, None, datetime.now(UTC))
    await engine.dispose()
    return statements, body


def question(wanted: SlotQuery) -> dict[str, str]:
    """What the process of `app` needs beside DATABASE_URL."""
    asked = [str(wanted.coach_id), f"{wanted.since}", f"{wanted.until}"]
    return {VARIABLE: json.dumps(asked)}


def asked() -> SlotQuery:
    coach_id, since, until = json.loads(os.environ[VARIABLE])
    days = datetime.fromisoformat(since).date(), datetime.fromisoformat(until).date()
    return SlotQuery(UUID(coach_id), *days, MINUTES, None, None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"]
    app.state.statements, app.state.body = await listened(url, asked())
    plain = url.replace("postgresql+asyncpg://", "postgresql://")
    settings = {"jit": "off", "timezone": "UTC"}
    async with asyncpg.create_pool(
        plain, min_size=POOL, max_size=POOL, server_settings=settings, reset=nothing
    ) as app.state.pool:
        app.state.now, wanted = datetime.now(UTC), asked()
        async with app.state.pool.acquire() as connection:
            app.state.offer = await read_offer(
                connection, wanted.coach_id, None, app.state.now
            )
        zone = app.state.offer.schedule.timezone
        app.state.range = viewer_range(zone, wanted.since, wanted.until)
        yield


async def nothing(_: asyncpg.Connection) -> None:
    """A pool's own clean-up would be one more round trip."""


app = FastAPI(lifespan=lifespan)


@app.get("/v1/coaches/{coach_id}/slots")
async def slots(coach_id: UUID, request: Request) -> Response:
    """For the same coach all the time."""
    assert coach_id
    state = request.app.state
    async with state.pool.acquire() as connection:
        for statement, parameters in state.statements:
            rows = await connection.fetch(statement, *parameters)
    busy = [Busy._make(row) for row in rows]
    free_times(state.offer.calendar(busy, state.now), MINUTES, *state.range)
    return Response(state.body, media_type="application/json")
