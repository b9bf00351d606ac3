"""CPU time of the slot rules, against the length of the window and what is booked.

Run `python -m bench.slots`; each line is the median of repeated, warmed-up runs. A run
that says "first" starts with empty caches, as the first request after a restart does.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import process_time
from typing import TypedDict

from services.booking.domain import hours, listing, zones
from services.booking.domain.policy import Policy
from services.booking.domain.reasons import reasons
from services.booking.domain.schedule import Schedule, Window
from services.booking.domain.slots import Busy, Calendar, slots

ZONE = "Europe/Berlin"
FIRST = date(2026, 10, 5)
NOW = datetime(2026, 10, 4, 12, tzinfo=UTC)
LENGTH = 60
REPEATS, ROUNDS = 20, 15


class Result(TypedDict):
    """One measured value; `limit` is the most it may be, None if only watched."""

    name: str
    value: float
    unit: str
    limit: float | None


def measure() -> list[Result]:
    """Every figure, in milliseconds of CPU time."""
    results = [_listing(days, 0, None) for days in (1, 7, 62)]
    results += [_listing(30, 0, 0.3), _listing(30, 100, 0.3), _listing(30, 1000, 1.0)]
    return [*results, _first(30), _rendering(30), _explaining(1000)]


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


def _listing(days: int, bookings: int, limit: float | None) -> Result:
    asked = calendar(bookings, days)
    last = FIRST + timedelta(days=days - 1)
    name = f"slots of {days} days, {bookings} busy times"
    since, until = listing.viewer_range(ZONE, FIRST, last)
    value = _milliseconds(lambda: slots(asked, LENGTH, since, until))
    return Result(name=name, value=value, unit="ms", limit=limit)


def _first(days: int) -> Result:
    asked = calendar(100, days)
    last = FIRST + timedelta(days=days - 1)
    since, until = listing.viewer_range(ZONE, FIRST, last)

    def cold() -> None:
        zones.instant.cache_clear()
        hours.blocks.cache_clear()
        slots(asked, LENGTH, since, until)

    name = f"slots of {days} days, 100 busy times, first"
    return Result(name=name, value=_milliseconds(cold), unit="ms", limit=None)


def _rendering(days: int) -> Result:
    asked = calendar(0, days)
    last = FIRST + timedelta(days=days - 1)
    starts = slots(asked, LENGTH, *listing.viewer_range(ZONE, FIRST, last))
    zone = "America/New_York"
    value = _milliseconds(lambda: listing.days(starts, LENGTH, zone, FIRST, last))
    name = f"labels of {len(starts)} slots in {days} days"
    return Result(name=name, value=value, unit="ms", limit=None)


def _explaining(bookings: int) -> Result:
    asked = replace(calendar(bookings, 30), new_student=False)
    start = datetime(2026, 10, 14, 8, 5, tzinfo=UTC)
    value = _milliseconds(lambda: reasons(asked, LENGTH, start))
    name = f"reasons of one instant, {bookings} busy times"
    return Result(name=name, value=value, unit="ms", limit=None)


def _milliseconds(run: Callable[[], object]) -> float:
    """The median CPU time of one call over several rounds."""
    run()
    return round(median(_round(run) for _ in range(ROUNDS)), 4)


def _round(run: Callable[[], object]) -> float:
    begun = process_time()
    for _ in range(REPEATS):
        run()
    return (process_time() - begun) * 1000 / REPEATS


def show(results: Sequence[Result]) -> None:
    for result in results:
        limit = "" if result["limit"] is None else f"  (limit {result['limit']})"
        print(f"{result['name']:48} {result['value']:8.4f} {result['unit']}{limit}")


if __name__ == "__main__":
    show(measure())
