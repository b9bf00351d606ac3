"""The hours a coach is open, as instants, and the grid that sessions start on."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.booking.domain.policy import LONGEST
from services.booking.domain.schedule import Schedule, Span
from services.booking.domain.zones import instant, local_day, midnight

Range = tuple[int, int]
"""Half-open: from an instant, included, to another, excluded."""


class Grid(NamedTuple):
    """Session starts count from `first` and lie before `until`.

    `closing` is the end of the open time around it, merged over dates (S4).
    """

    first: int
    until: int
    closing: int


class Hours(NamedTuple):
    """`open`: merged open time, ascending; `grids`: in order, none overlapping."""

    open: list[Range]
    grids: list[Grid]


def hours(schedule: Schedule, since: int, until: int) -> Hours:
    """Open time and grids of every local date a start in `[since, until)` can be on.

    The neighbouring dates are expanded as well: the night before reaches in, the last
    session may end on another date, and a grid ends where the next date's begins.
    """
    zone = schedule.timezone
    first, last = local_day(zone, since) - 1, local_day(zone, until + LONGEST * 60) + 1
    dates = [
        blocks(zone, day, spans, clip)
        for day, spans, clip in _dates(schedule, first, last)
    ]
    merged = union(block for date_ in dates for block in date_)
    return Hours(merged, _grids(dates, merged))


def _dates(
    schedule: Schedule, first: int, last: int
) -> Iterable[tuple[int, tuple[Span, ...], bool]]:
    """Each date, its windows in order, and whether the next date clips them (S3)."""
    weekly: list[list[Span]] = [[] for _ in range(7)]
    for rule in schedule.rules:
        if rule.active:
            weekly[rule.weekday].append(rule.span)
    usual = [tuple(sorted(spans)) for spans in weekly]
    special = {
        override.date.toordinal(): tuple(sorted(override.windows))
        for override in schedule.overrides
    }
    for day in range(first, last + 1):
        yield day, special.get(day, usual[(day - 1) % 7]), day + 1 in special


@lru_cache(maxsize=1 << 14)
def blocks(
    zone: str, day: int, windows: tuple[Span, ...], clip: bool
) -> tuple[Range, ...]:
    """The windows of one local date as instants, those that touch merged (S4)."""
    night = midnight(zone, day + 1)
    bounds = []
    for window in windows:
        start, end = instant(zone, day, window.start), instant(zone, day, window.until)
        bounds.append((start, min(end, night) if clip else end))
    return tuple(union(each for each in bounds if each[0] < each[1]))


def union(ranges: Iterable[Range]) -> list[Range]:
    """Merge ranges that overlap or touch; they come sorted by their start."""
    merged: list[Range] = []
    for start, end in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _grids(dates: Sequence[tuple[Range, ...]], merged: list[Range]) -> list[Grid]:
    """One grid per block of a date; it ends where a later date's first block begins."""
    grids: list[Grid] = []
    around = len(merged) - 1
    later = merged[-1][1] if merged else 0
    for date_ in reversed(dates):
        for start, end in reversed(date_):
            while merged[around][0] > start:
                around -= 1
            grids.append(Grid(start, min(end, later), merged[around][1]))
        if date_:
            later = date_[0][0]
    grids.reverse()
    return grids
