"""Coaches, sessions and seats to start from, written straight into booking's tables."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.booking.schemas.schedules import ScheduleBody
from shared.ids import new_id

PRICE, CURRENCY = 6000, "USD"
HOUR = timedelta(hours=1)

COACH = """
    INSERT INTO coaches (id, version, verified, listed, accepting, currency,
                         hourly_rate, group_rate, game_rates)
    VALUES ($1, 1, true, true, true, $2, $3, NULL, '{}')
"""
SCHEDULE = "INSERT INTO schedules (coach_id, version, document) VALUES ($1, 1, $2)"
SESSIONS = """
    WITH booked AS (
        INSERT INTO sessions (id, coach_id, starts_at, ends_at, blocked_from,
                              blocked_until, status, kind, game, sequence,
                              start_version, held_until, coach_nudged_version)
        SELECT gen_random_uuid(), $1, at, at + $5::interval, at, at + $5::interval,
               $6, 'individual', NULL, 0, 1, $9, 0
        FROM generate_series(0, $4::int - 1) AS number,
             LATERAL (SELECT $2::timestamptz + number * $3::interval AS at) AS times
        RETURNING id, starts_at, ends_at
    )
    INSERT INTO seats (id, session_id, student_id, starts_at, ends_at, status, price,
                       currency, fee_percent, tiers, created_at, hold_expires_at,
                       offer, refund_on_resale, marks, moved_by_coach,
                       moves_by_student, no_show_final, outcome_version)
    SELECT gen_random_uuid(), id, gen_random_uuid(), starts_at, ends_at, $6, $7, $8,
           15, '[[24, 100], [0, 0]]', $9::timestamptz - interval '1 hour', $9,
           false, false, '[]', false, 0, false, 0
    FROM booked
    RETURNING id, session_id, student_id, starts_at, ends_at
"""


@dataclass(frozen=True)
class Sale:
    """`count` sessions of `length`, the first at `first`, one `every` so often."""

    first: datetime
    every: timedelta
    count: int
    length: timedelta = HOUR


async def a_coach(
    connection: asyncpg.Connection, zone: str, opens: str, coach_id: UUID | None = None
) -> UUID:
    """A coach whom all may book, every day from `opens` ("HH:MM") for twelve hours."""
    coach_id = coach_id or new_id()
    closes = f"{int(opens[:2]) + 12:02}{opens[2:]}"
    rules = [{"weekday": day, "start": opens, "end": closes} for day in range(7)]
    hours = ScheduleBody.model_validate({"timezone": zone, "rules": rules})
    await connection.execute(COACH, coach_id, CURRENCY, PRICE)
    await connection.execute(
        SCHEDULE, coach_id, json.dumps(hours.model_dump(mode="json"))
    )
    return coach_id


async def sell(
    connection: asyncpg.Connection,
    coach_id: UUID,
    sale: Sale,
    status: str,
    held_until: datetime,
) -> list[asyncpg.Record]:
    """The seats, each a new student's; `status` is `held` or `confirmed`.

    Columns: `id`, `session_id`, `student_id`, `starts_at`, `ends_at`.
    """
    found: list[asyncpg.Record] = await connection.fetch(
        SESSIONS,
        *(coach_id, sale.first, sale.every, sale.count, sale.length, status),
        *(PRICE, CURRENCY, held_until),
    )
    return found
