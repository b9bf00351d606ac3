"""Reads the vectors of `tests/booking/vectors` into what the rules take."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from services.booking.domain.policy import Group, Policy
from services.booking.domain.schedule import Override, Schedule, Span, TimeOff, Window
from services.booking.domain.schedule import minutes as clock_minutes
from services.booking.domain.slots import Busy, Calendar, OpenGroup

VECTORS = Path(__file__).parent.parent / "vectors"
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

Entry = dict[str, Any]


def vectors(name: str) -> list[Any]:
    """The entries of a file as parameters of a test, named as they are there."""
    entries = yaml.safe_load((VECTORS / f"{name}.yaml").read_text())
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


def instant(text: str | datetime) -> datetime:
    return text if isinstance(text, datetime) else datetime.fromisoformat(text)


def span(text: str) -> Span:
    start, end = text.split("-")
    return Span(clock_minutes(start), clock_minutes(end))


def elapsed(text: str) -> timedelta:
    """Read "h:mm:ss", perhaps with a sign."""
    hours, minutes, seconds = text.lstrip("-").split(":")
    sign = -1 if text.startswith("-") else 1
    return sign * timedelta(
        hours=int(hours), minutes=int(minutes), seconds=float(seconds)
    )


def calendar(entry: Entry) -> Calendar:
    now = instant(entry.get("now", datetime(2026, 1, 1, tzinfo=UTC)))
    return Calendar(
        _schedule(entry),
        _policy(entry),
        [_busy(each) for each in [*entry.get("busy", []), *entry.get("groups", [])]],
        now,
        new_student=not entry.get("known", False),
        accepting=not entry.get("closed", False),
        groups=[_group(each) for each in entry.get("groups", [])],
    )


def asked(entry: Entry) -> tuple[date, date, str]:
    first, last, *zone = entry["ask"]
    return first, last, zone[0] if zone else entry["zone"]


def _schedule(entry: Entry) -> Schedule:
    active = [each for text in entry["rules"] for each in _windows(text, True)]
    idle = [
        each for text in entry.get("inactive", []) for each in _windows(text, False)
    ]
    return Schedule(
        entry["zone"],
        (*active, *idle),
        tuple(
            Override(day, tuple(span(each) for each in spans))
            for day, spans in entry.get("overrides", {}).items()
        ),
        tuple(TimeOff(*_range(each)) for each in entry.get("time_off", [])),
    )


def _windows(text: str, active: bool) -> list[Window]:
    day, hours = text.split()
    start, end = span(hours)
    weekdays = range(7) if day == "daily" else [WEEKDAYS.index(day)]
    return [Window(weekday, start, end, active) for weekday in weekdays]


def _policy(entry: Entry) -> Policy:
    duration, increment = entry["session"]
    before, after = entry.get("buffers", [0, 0])
    caps = entry.get("caps", {})
    return Policy(
        durations=(duration,),
        increment=increment,
        buffer_before=before,
        buffer_after=after,
        notice_minutes=entry.get("notice", 0),
        horizon_days=entry.get("horizon", 365),
        max_sessions_per_day=caps.get("day"),
        max_sessions_per_week=caps.get("week"),
        max_students_per_week=caps.get("students"),
        paused=entry.get("paused", False),
        group=Group(True, entry.get("capacity", 4), 1),
    )


def _group(entry: Entry) -> OpenGroup:
    start, end = _range(entry["at"])
    taken, capacity = entry["seats"]
    return OpenGroup(
        UUID(int=0),
        start,
        (end - start) // timedelta(minutes=1),
        entry.get("game"),
        capacity,
        taken,
        entry.get("mine", False),
    )


def _busy(entry: Entry) -> Busy:
    before, after = entry.get("buffers", [0, 0])
    counts = not entry.get("private", False)
    return Busy(*_range(entry["at"]), before, after, counts, entry.get("opened", False))


def _range(text: str) -> tuple[datetime, datetime]:
    start, end = text.split("/")
    return instant(start), instant(end)
