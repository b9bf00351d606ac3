"""When a coach works: weekly windows, what replaces them on a date, and time off."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from services.booking.domain.zones import DAY, is_zone

MOST_RULES = 100
MOST_OVERRIDES = 400
MOST_WINDOWS_A_DATE = 24
MOST_TIME_OFF = 200
LONGEST_NOTE = 500

WEEK = 7 * DAY
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)", re.ASCII)

FieldError = dict[str, str]
"""`{"field": "body.rules.0.end", "message": ...}`, as `InvalidRequest` carries them."""


class Span(NamedTuple):
    """Minutes of a local day. `end <= start` or 1440 ends on the next local day (S1).

    Equal bounds are refused: who means no time at all leaves the window out, and who
    means a whole day writes 00:00 to 24:00.
    """

    start: int
    end: int

    @property
    def until(self) -> int:
        """The end in minutes after 00:00 of the day the window starts on."""
        return self.end if self.end > self.start else self.end + DAY


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly window; `weekday` 0 is Monday, the minutes are those of `Span`."""

    weekday: int
    start: int
    end: int
    active: bool = True

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Override:
    """What replaces the weekly windows of one local date (S3); no windows: closed."""

    date: date
    windows: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeOff:
    """A range of instants, half-open, that is never offered."""

    start: datetime
    end: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """All of it, in the coach's IANA zone. Valid if `schedule_errors` is empty."""

    timezone: str
    rules: tuple[Window, ...] = ()
    overrides: tuple[Override, ...] = ()
    time_off: tuple[TimeOff, ...] = ()


def minutes(clock: str) -> int:
    """Read "HH:MM" as minutes after 00:00; "24:00" is 1440. ValueError otherwise."""
    if not CLOCK.fullmatch(clock):
        raise ValueError('write it as "HH:MM", from "00:00" to "24:00"')
    hours, past = clock.split(":")
    return int(hours) * 60 + int(past)


def clock(minutes: int) -> str:
    """Write minutes after 00:00 as "HH:MM"; the inverse of `minutes`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def schedule_errors(schedule: Schedule) -> list[FieldError]:
    """What is wrong with a schedule, one entry per fault; empty if it may be stored.

    Windows that touch are fine and an inactive window overlaps nothing. A window past
    midnight must not run into the next weekday's, Sunday's not into Monday's.
    """
    return [
        {"field": f"body.{field}", "message": message}
        for field, message in _faults(schedule)
    ]


Fault = tuple[str, str]


def _faults(schedule: Schedule) -> Iterator[Fault]:
    if not is_zone(schedule.timezone):
        yield "timezone", "is not a time zone of the IANA database"
    yield from _too_many("rules", len(schedule.rules), MOST_RULES)
    yield from _too_many("overrides", len(schedule.overrides), MOST_OVERRIDES)
    yield from _too_many("time_off", len(schedule.time_off), MOST_TIME_OFF)
    yield from _rule_faults(schedule.rules[:MOST_RULES])
    yield from _override_faults(schedule.overrides[:MOST_OVERRIDES])
    yield from _time_off_faults(schedule.time_off[:MOST_TIME_OFF])


def _too_many(field: str, count: int, most: int) -> Iterator[Fault]:
    if count > most:
        yield field, f"at most {most} are possible, these are {count}"


def _rule_faults(rules: Sequence[Window]) -> Iterator[Fault]:
    weekly: list[tuple[int, int, str]] = []
    for index, rule in enumerate(rules):
        field = f"rules.{index}"
        if not 0 <= rule.weekday <= 6:
            yield f"{field}.weekday", "must be from 0, Monday, to 6, Sunday"
        elif faults := list(_span_faults(field, rule.span)):
            yield from faults
        elif rule.active:
            first = rule.weekday * DAY
            weekly.append((first + rule.start, first + rule.span.until, field))
    weekly.sort()
    around = [(start + WEEK, end + WEEK, field) for start, end, field in weekly[:1]]
    yield from _overlaps(weekly + around)


def _override_faults(overrides: Sequence[Override]) -> Iterator[Fault]:
    seen: set[date] = set()
    for index, override in enumerate(overrides):
        field = f"overrides.{index}"
        if override.date in seen:
            yield f"{field}.date", f"{override.date} is there twice"
        seen.add(override.date)
        yield from _window_faults(f"{field}.windows", override.windows)


def _window_faults(field: str, windows: Sequence[Span]) -> Iterator[Fault]:
    yield from _too_many(field, len(windows), MOST_WINDOWS_A_DATE)
    good: list[tuple[int, int, str]] = []
    for index, span in enumerate(windows[:MOST_WINDOWS_A_DATE]):
        faults = list(_span_faults(f"{field}.{index}", span))
        yield from faults
        if not faults:
            good.append((span.start, span.until, f"{field}.{index}"))
    yield from _overlaps(sorted(good))


def _span_faults(field: str, span: Span) -> Iterator[Fault]:
    if not 0 <= span.start < DAY:
        yield f"{field}.start", "must be from 00:00 to 23:59"
    if not 0 <= span.end <= DAY:
        yield f"{field}.end", "must be from 00:00 to 24:00"
    if span.start == span.end:
        yield f"{field}.end", "must not be the start; a whole day is 00:00 to 24:00"


def _overlaps(sorted_ranges: Sequence[tuple[int, int, str]]) -> Iterator[Fault]:
    for (_, end, one), (start, _, other) in pairwise(sorted_ranges):
        if start < end and one != other:
            yield f"{other}.start", f"overlaps with {one}"


def _time_off_faults(time_off: Sequence[TimeOff]) -> Iterator[Fault]:
    for index, away in enumerate(time_off):
        field = f"time_off.{index}"
        if away.end <= away.start:
            yield f"{field}.end", "must be later than the start"
        if away.note is not None and len(away.note) > LONGEST_NOTE:
            yield f"{field}.note", f"at most {LONGEST_NOTE} characters are possible"
