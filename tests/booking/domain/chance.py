"""Calendars made by chance, the same for the same seed."""

import os
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.booking.domain.policy import Group, Policy
from services.booking.domain.schedule import (
    Override,
    Schedule,
    Span,
    TimeOff,
    Window,
    schedule_errors,
)
from services.booking.domain.slots import Busy, Calendar, OpenGroup

THOROUGH = int(os.environ.get("THOROUGH", "1"))
"""How many times as many cases as usual are tried."""

ZONES = [
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
]
PLAIN_DATES = [date(2026, 6, 17), date(2027, 1, 1)]
SKIPPED_DATE = date(2011, 12, 30)
"""Samoa went from Thursday the 29th to Saturday the 31st."""


GAMES = [None, "chess", "go"]


class Question(NamedTuple):
    calendar: Calendar
    minutes: int
    zone: str
    around: date
    first: date
    last: date


@cache
def changes(zone: str) -> list[date]:
    """The dates of 2026 on which the clocks of a zone change, as UTC sees them."""
    noons = [
        datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(366)
    ]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    found = [noons[n].date() for n in range(1, 366) if offsets[n] != offsets[n - 1]]
    return [*found, SKIPPED_DATE] if zone == "Pacific/Apia" else found


def question(chance: Random, zone: str) -> Question:
    """A coach in that zone and a viewer anywhere, mostly when clocks change."""
    viewer = chance.choice(ZONES)
    around = chance.choice(
        (changes(zone) or changes("Europe/Berlin")) * 3 + PLAIN_DATES
    )
    first = around - timedelta(days=chance.randrange(2))
    minutes = chance.choice([15, 30, 45, 60, 90, 120, 300, 720])
    policy = _policy(chance, minutes)
    opening = datetime.combine(around, datetime.min.time(), UTC) - timedelta(days=2)
    groups = [_group(chance, opening, minutes) for _ in range(chance.choice([0, 1, 4]))]
    busy = [_busy(chance, opening) for _ in range(chance.choice([0, 0, 1, 3, 8]))]
    busy += [_of_group(chance, group) for group in groups]
    calendar = Calendar(
        a_schedule(chance, zone, around, opening),
        policy,
        busy,
        _now(chance, opening, policy),
        new_student=chance.random() < 0.7,
        accepting=chance.random() < 0.97,
        groups=groups,
    )
    return Question(calendar, minutes, viewer, around, first, first + timedelta(days=1))


def _policy(chance: Random, minutes: int) -> Policy:
    caps = [chance.choice([None] * 6 + [1, 2, 4]) for _ in range(3)]
    return Policy(
        durations=(minutes,),
        increment=chance.choice([15, 20, 30, 45, 60, 90, minutes]),
        buffer_before=chance.choice([0, 0, 5, 20]),
        buffer_after=chance.choice([0, 0, 10, 45]),
        notice_minutes=chance.choice([0, 0, 60, 1440]),
        horizon_days=chance.choice([0, 2, 4, 60, 60, 60, 60]),
        max_sessions_per_day=caps[0],
        max_sessions_per_week=caps[1],
        max_students_per_week=caps[2],
        paused=chance.random() < 0.05,
        group=Group(True, chance.choice([2, 2, 3, 10]), 1),
    )


def _now(chance: Random, opening: datetime, policy: Policy) -> datetime:
    """Often before all that is asked for, else in the middle of it."""
    if chance.random() < 0.6:
        earlier = timedelta(minutes=policy.notice_minutes + chance.randrange(3000))
        return opening - earlier
    return opening + timedelta(seconds=chance.randrange(4 * 86_400) / 2)


def a_schedule(chance: Random, zone: str, around: date, opening: datetime) -> Schedule:
    """Windows join one by one as long as they are allowed to stand together."""
    schedule = Schedule(zone)
    for _ in range(chance.choice([2, 5, 12, 20])):
        span = _span(chance)
        active = chance.random() < 0.95
        window = Window(chance.randrange(7), span.start, span.end, active)
        larger = Schedule(zone, (*schedule.rules, window))
        schedule = schedule if schedule_errors(larger) else larger
    overrides = tuple(
        _override(chance, around + timedelta(days=step))
        for step in (-2, -1, 0, 1, 2)
        if chance.random() < 0.25
    )
    time_off = tuple(
        TimeOff(*_range(chance, opening)) for _ in range(chance.choice([0, 0, 1, 2]))
    )
    return Schedule(zone, schedule.rules, overrides, time_off)


def _override(chance: Random, day: date) -> Override:
    override = Override(day)
    for _ in range(chance.choice([0, 1, 1, 3])):
        larger = Override(day, (*override.windows, _span(chance)))
        allowed = not schedule_errors(Schedule("UTC", overrides=(larger,)))
        override = larger if allowed else override
    return override


def _span(chance: Random) -> Span:
    """Small hours are likely, because that is when clocks change; so is midnight."""
    start = chance.choice(
        [0, chance.randrange(0, 300, 15), chance.randrange(0, 1440, 5)]
    )
    length = chance.choice([60, 120, 240, 480, 1440, chance.randrange(5, 600, 5)])
    end = (
        min(start + length, 1440) if chance.random() < 0.6 else (start + length) % 1440
    )
    return Span(start, end)


def _busy(chance: Random, opening: datetime) -> Busy:
    start, end = _range(chance, opening)
    before, after = chance.choice([0, 10, 30]), chance.choice([0, 15, 60])
    session = chance.random() < 0.8
    if not session:
        before = after = 0
    return Busy(start, end, before, after, session, session and chance.random() < 0.5)


def _group(chance: Random, opening: datetime, minutes: int) -> OpenGroup:
    start, _ = _range(chance, opening)
    length = minutes if chance.random() < 0.8 else 25
    capacity = chance.choice([2, 3, 5])
    return OpenGroup(
        UUID(int=chance.getrandbits(128)),
        start,
        length,
        chance.choice(GAMES),
        capacity,
        chance.randint(1, capacity),
        chance.random() < 0.15,
    )


def _of_group(chance: Random, group: OpenGroup) -> Busy:
    end = group.start + timedelta(minutes=group.minutes)
    return Busy(group.start, end, 5, 10, opened=chance.randint(0, group.taken))


def _range(chance: Random, opening: datetime) -> tuple[datetime, datetime]:
    start = opening + timedelta(minutes=5 * chance.randrange(5 * 288))
    return start, start + timedelta(minutes=chance.choice([15, 30, 60, 90, 600]))
