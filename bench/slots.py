"""CPU time of the slot rules, against the length of the window and what is booked.

Each value is the median of repeated, warmed-up runs. One that says "first" starts with
empty caches, as the first request after a restart does.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from time import process_time

from bench.effort import Effort
from bench.figures import Figure, typical
from bench.servers import Servers
from services.booking.domain import hours, listing, zones
from services.booking.domain.policy import Policy
from services.booking.domain.reasons import reasons
from services.booking.domain.schedule import Schedule, Window
from services.booking.domain.slots import Busy, Calendar, slots

ZONE = "Europe/Berlin"
FIRST = date(2026, 10, 5)
NOW = datetime(2026, 10, 4, 12, tzinfo=UTC)
LENGTH = 60
REPEATS = 20
MOST, MOST_OF_MANY = 0.3, 1.0
"""Milliseconds for thirty days, empty or with a hundred sessions; with a thousand."""


async def measure(_: Servers, effort: Effort) -> list[Figure]:
    """Nothing here waits or asks a server."""
    rounds = effort.rounds
    return [
        *(_listing(days, 0, rounds) for days in (1, 7, 62)),
        replace(_listing(30, 0, rounds), limit=MOST),
        replace(_listing(30, 100, rounds), limit=MOST),
        replace(_listing(30, 1000, rounds), limit=MOST_OF_MANY),
        _first(30, rounds),
        _rendering(30, rounds),
        _explaining(1000, rounds),
    ]


def calendar(bookings: int, days: int) -> Calendar:
    """Twelve hours a day in quarter hours; sessions and holds at random, seeded."""
    chance = random.Random(bookings)  # noqa: S311 - nothing here is secret
    opening = datetime(2026, 10, 5, 6, tzinfo=UTC)
    starts = sorted(
        opening + timedelta(minutes=15 * chance.randrange(days * 96))
        for _ in range(bookings)
    )
    half = timedelta(minutes=30)
    busy = [Busy(start, start + half, 5, 10) for start in starts]
    rules = tuple(Window(weekday, 9 * 60, 21 * 60) for weekday in range(7))
    policy = Policy(
        durations=(LENGTH,),
        increment=15,
        buffer_before=5,
        buffer_after=10,
        horizon_days=90,
        max_sessions_per_day=8,
        max_sessions_per_week=200,
    )
    return Calendar(Schedule(ZONE, rules), policy, busy, NOW)


def _listing(days: int, bookings: int, rounds: int) -> Figure:
    asked = calendar(bookings, days)
    last = FIRST + timedelta(days=days - 1)
    since, until = listing.viewer_range(ZONE, FIRST, last)
    return _timed(
        f"slots of {days} days, {bookings} busy times",
        lambda: slots(asked, LENGTH, since, until),
        rounds,
    )


def _first(days: int, rounds: int) -> Figure:
    asked = calendar(100, days)
    last = FIRST + timedelta(days=days - 1)
    since, until = listing.viewer_range(ZONE, FIRST, last)

    def cold() -> None:
        zones.instant.cache_clear()
        hours.blocks.cache_clear()
        slots(asked, LENGTH, since, until)

    return _timed(f"slots of {days} days, 100 busy times, first", cold, rounds)


def _rendering(days: int, rounds: int) -> Figure:
    asked = calendar(0, days)
    last = FIRST + timedelta(days=days - 1)
    starts = slots(asked, LENGTH, *listing.viewer_range(ZONE, FIRST, last))
    zone = "America/New_York"
    return _timed(
        f"labels of {len(starts)} slots in {days} days",
        lambda: listing.days(starts, LENGTH, zone, FIRST, last),
        rounds,
    )


def _explaining(bookings: int, rounds: int) -> Figure:
    asked = replace(calendar(bookings, 30), new_student=False)
    start = datetime(2026, 10, 14, 8, 5, tzinfo=UTC)
    return _timed(
        f"reasons of one instant, {bookings} busy times",
        lambda: reasons(asked, LENGTH, start),
        rounds,
    )


def _timed(name: str, run: Callable[[], object], rounds: int) -> Figure:
    run()
    return typical(name, [_round(run) for _ in range(rounds)], "ms CPU")


def _round(run: Callable[[], object]) -> float:
    begun = process_time()
    for _ in range(REPEATS):
        run()
    return (process_time() - begun) * 1000 / REPEATS
