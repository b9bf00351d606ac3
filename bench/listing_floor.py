"""The least that listing free times can cost on FastAPI and asyncpg.

It sends the very statements that booking sends for the same question and answers bytes
of the same length that were ready before: nothing is computed from the rows.
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

from services.booking.actions.slots import SlotQuery, list_slots
from shared.db import engine_of, make_sessions

VARIABLE = "BENCH_QUESTION"
POOL = 10

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
    return SlotQuery(UUID(coach_id), *days, 60, None, None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"]
    app.state.statements, app.state.body = await listened(url, asked())
    plain = url.replace("postgresql+asyncpg://", "postgresql://")
    settings = {"jit": "off", "timezone": "UTC"}
    async with asyncpg.create_pool(
        plain, min_size=POOL, max_size=POOL, server_settings=settings, reset=nothing
    ) as app.state.pool:
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
            await connection.fetch(statement, *parameters)
    return Response(state.body, media_type="application/json")
