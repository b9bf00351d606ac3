"""Why an instant is not offered (S10), from the ranges that the listing subtracts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from math import floor
from typing import NamedTuple

from services.booking.domain.hours import Hours, Range, hours
from services.booking.domain.policy import require_duration
from services.booking.domain.schedule import Schedule
from services.booking.domain.slots import (
    Calendar,
    away,
    capped,
    earliest,
    horizon_end,
    is_paused,
    taken,
)

FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Beyond these years no hours are worked out: local time might have no date there."""


class Code(StrEnum):
    """The reasons of S10 in the order in which they apply, and two for students.

    `unavailable` stands for what the coach does; `student_busy` is a session of one's
    own (S5), told where several times are looked at together.
    """

    OUTSIDE_HOURS = "outside_hours"
    OFF_GRID = "off_grid"
    OVERRIDE_CLOSED = "override_closed"
    TIME_OFF = "time_off"
    BUSY = "busy"
    BUFFER = "buffer"
    NOTICE = "notice"
    HORIZON = "horizon"
    CAP = "cap"
    GROUP_FULL = "group_full"
    COACH_PAUSED = "coach_paused"
    UNAVAILABLE = "unavailable"
    STUDENT_BUSY = "student_busy"


class Reason(NamedTuple):
    """A code and a sentence for a person."""

    code: Code
    detail: str


SECRET = {Code.TIME_OFF, Code.BUSY, Code.BUFFER}
UNAVAILABLE = Reason(Code.UNAVAILABLE, "The coach is not available at this time.")


def reasons(calendar: Calendar, minutes: int, start: datetime) -> list[Reason]:
    """Everything that speaks against a session at `start`; empty: it is offered (S9).

    Each code once, in the order of S10. Raises DurationNotOffered if the policy has no
    sessions of that many minutes.
    """
    require_duration(calendar.policy, minutes)
    at = start.timestamp()
    if FIRST_YEAR <= start.year <= LAST_YEAR:
        return [
            *_about_hours(calendar, minutes, at),
            *_about_times(calendar, minutes, at),
            *about_limits(calendar, at),
        ]
    return list(_about_span(calendar, at))


def for_others(found: Iterable[Reason]) -> list[Reason]:
    """What everybody but the coach may know: no word of what the coach does (S10)."""
    seen = (UNAVAILABLE if each.code in SECRET else each for each in found)
    return list(dict.fromkeys(seen))


def covers(schedule: Schedule, start: datetime, end: datetime) -> bool:
    """Whether a session lies in open hours and outside time off, on a grid or not."""
    at, until = start.timestamp(), end.timestamp()
    off = any(each.start < end and start < each.end for each in schedule.time_off)
    return not off and _is_open(_around(schedule, at), at, until)


def _around(schedule: Schedule, at: float) -> Hours:
    return hours(schedule, floor(at), floor(at) + 1)


def _is_open(near: Hours, start: float, end: float) -> bool:
    return any(low <= start and end <= high for low, high in near.open)


def _about_hours(calendar: Calendar, minutes: int, at: float) -> Iterator[Reason]:
    schedule, end = calendar.schedule, at + minutes * 60
    near = _around(schedule, at)
    usual = Schedule(schedule.timezone, schedule.rules)
    step = calendar.policy.increment * 60
    if not _is_open(near, at, end):
        if _is_open(_around(usual, at), at, end):
            detail = "Other hours, or none, replace the usual ones on this date."
            yield Reason(Code.OVERRIDE_CLOSED, detail)
        else:
            yield Reason(Code.OUTSIDE_HOURS, "The coach does not work at this time.")
    elif not any(
        grid.first <= at < grid.until and (at - grid.first) % step == 0
        for grid in near.grids
    ):
        every = calendar.policy.increment
        detail = f"Sessions start every {every} minutes from the opening of the day."
        yield Reason(Code.OFF_GRID, detail)


def _about_times(calendar: Calendar, minutes: int, at: float) -> Iterator[Reason]:
    if _holds(away(calendar, minutes), at):
        yield Reason(Code.TIME_OFF, "The coach has time off.")
    plain = [low <= at < high for low, high in taken(calendar, minutes, buffers=False)]
    wide = [low <= at < high for low, high in taken(calendar, minutes)]
    if any(plain):
        yield Reason(Code.BUSY, "The coach is taken at this time.")
    if any(near and not hit for near, hit in zip(wide, plain, strict=True)):
        yield Reason(Code.BUFFER, "It is too close to another session of the coach.")


def about_limits(calendar: Calendar, at: float) -> Iterator[Reason]:
    """Notice, horizon, caps and the pause: what also binds who joins a session (S6)."""
    yield from _about_span(calendar, at)
    full = [
        why
        for why, ranges in capped(calendar, floor(at), floor(at) + 1)
        if _holds(ranges, at)
    ]
    if full:
        yield Reason(Code.CAP, " ".join(full))
    if is_paused(calendar):
        yield Reason(Code.COACH_PAUSED, "The coach takes no bookings at present.")


def _about_span(calendar: Calendar, at: float) -> Iterator[Reason]:
    if at < earliest(calendar):
        notice = calendar.policy.notice_minutes
        detail = f"Sessions are booked at least {notice} minutes ahead."
        yield Reason(Code.NOTICE, detail)
    if at >= horizon_end(calendar):
        days = calendar.policy.horizon_days
        detail = f"Sessions are booked at most {days} days ahead."
        yield Reason(Code.HORIZON, detail)


def _holds(ranges: Sequence[Range], at: float) -> bool:
    return any(low <= at < high for low, high in ranges)
