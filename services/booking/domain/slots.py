"""Which session starts a coach offers: S1 to S6 as one sweep over sorted ranges.

Everything that refuses a start is a half-open range of refused *starts*; a listing is
the grid minus these ranges, and `reasons` asks the same ranges about one instant.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from math import ceil, floor
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.hours import Grid, Range, hours
from services.booking.domain.policy import (
    LONGEST,
    LONGEST_BUFFER,
    Policy,
    require_duration,
)
from services.booking.domain.schedule import Schedule
from services.booking.domain.zones import local_day, midnight

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MARGIN = timedelta(minutes=LONGEST + 2 * LONGEST_BUFFER)


class Busy(NamedTuple):
    """A half-open time the coach is taken, with its snapshotted buffers in minutes.

    `counts` says that it is a session, which counts for the caps and keeps buffers;
    a private appointment does neither (S5). `opened` is for how many of its students it
    is the first session with this coach: the week's new students (S6).
    """

    start: datetime
    end: datetime
    before: int = 0
    after: int = 0
    counts: bool = True
    opened: int = 0


class OpenGroup(NamedTuple):
    """A live group session, which is among the busy times as well.

    `taken` counts the seats that are sold or held; `mine` says that the asking student
    has one of them.
    """

    id: UUID
    start: datetime
    minutes: int
    game: str | None
    capacity: int
    taken: int
    mine: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """All that decides what a coach offers to whom, for listing and booking (S9).

    `busy` must hold all that overlaps `relevant(...)`, `groups` those of it that can be
    joined. `accepting` is False for a coach nobody can book; `policy.paused` refuses
    new students only.
    """

    schedule: Schedule
    policy: Policy
    busy: Sequence[Busy]
    now: datetime
    new_student: bool = True
    accepting: bool = True
    groups: Sequence[OpenGroup] = ()


def relevant(
    schedule: Schedule, since: datetime, until: datetime
) -> tuple[datetime, datetime]:
    """The half-open range whose busy times decide about starts in `[since, until)`.

    Whole weeks of the coach, since caps count in them, widened by the longest session
    and buffers there can be. Load what overlaps it, no matter by how little.
    """
    edges = _week_edges(schedule.timezone, seconds(since), seconds(until))
    first, last = (datetime.fromtimestamp(edge, UTC) for edge in (edges[0], edges[-1]))
    return first - MARGIN, last + MARGIN


def slots(
    calendar: Calendar, minutes: int, since: datetime, until: datetime
) -> list[int]:
    """Every offered start in `[since, until)`, ascending, in seconds since 1970.

    Raises DurationNotOffered if the policy has no sessions of that many minutes.
    """
    require_duration(calendar.policy, minutes)
    low = max(seconds(since), earliest(calendar))
    high = min(seconds(until), horizon_end(calendar))
    if is_paused(calendar) or low >= high:
        return []
    refused = sorted(
        chain(
            away(calendar, minutes),
            taken(calendar, minutes),
            *(days for _, days in capped(calendar, low, high)),
        )
    )
    grids = hours(calendar.schedule, low, high).grids
    step = calendar.policy.increment * 60
    return _sweep(_clipped(grids, minutes * 60, low, high, step), step, refused)


def seconds(at: datetime) -> int:
    """Seconds since 1970, rounded up: a start is a whole second, never before `at`."""
    return ceil(at.timestamp())


def _whole(at: datetime) -> int:
    """Seconds since 1970, rounded down."""
    return floor(at.timestamp())


def is_paused(calendar: Calendar) -> bool:
    """Whether nothing at all is offered to this student."""
    paused = calendar.policy.paused and calendar.new_student
    return paused or not calendar.accepting


def earliest(calendar: Calendar) -> int:
    """The first start the notice allows, included (S6)."""
    return seconds(calendar.now) + calendar.policy.notice_minutes * 60


def horizon_end(calendar: Calendar) -> int:
    """The first start that is beyond the horizon, counted in the coach's dates (S6)."""
    zone = calendar.schedule.timezone
    today = local_day(zone, _whole(calendar.now))
    return midnight(zone, today + calendar.policy.horizon_days + 1)


def away(calendar: Calendar, minutes: int) -> list[Range]:
    """The starts that time off refuses."""
    back = minutes * 60 - 1
    return [
        (_whole(off.start) - back, seconds(off.end))
        for off in calendar.schedule.time_off
    ]


def taken(calendar: Calendar, minutes: int, *, buffers: bool = True) -> list[Range]:
    """The starts that each busy time refuses, in the order of `calendar.busy`.

    Without `buffers` only those whose session would overlap it (S5).
    """
    back, policy = minutes * 60 - 1, calendar.policy
    lead, trail = policy.buffer_before * 60, policy.buffer_after * 60
    refused = []
    for start, end, before, after, counts, _ in calendar.busy:
        since, left = start - EPOCH, EPOCH - end  # thrice as fast as timestamp()
        low = since.days * 86_400 + since.seconds - back
        high = -(left.days * 86_400 + left.seconds)
        if buffers and counts:
            refused.append((low - trail - before * 60, high + lead + after * 60))
        else:
            refused.append((low, high))
    return refused


def capped(
    calendar: Calendar, low: int, high: int
) -> Iterator[tuple[str, list[Range]]]:
    """The dates and weeks that are full, under the sentence that says why (S6)."""
    policy = calendar.policy
    a_day, a_week = policy.max_sessions_per_day, policy.max_sessions_per_week
    fresh = policy.max_students_per_week if calendar.new_student else None
    if a_day is None and a_week is None and fresh is None:
        return
    edges = _week_edges(calendar.schedule.timezone, low, high)
    sold = sorted(each.start for each in calendar.busy if each.counts)
    if a_day is not None:
        yield f"At most {a_day} sessions a day.", _full(sold, edges, a_day)
    if a_week is not None:
        yield f"At most {a_week} sessions a week.", _full(sold, edges[::7], a_week)
    if fresh is not None:
        opened = sorted(chain(*([e.start] * e.opened for e in calendar.busy)))
        weeks = _full(opened, edges[::7], fresh)
        yield f"At most {fresh} new students a week.", weeks


def _week_edges(zone: str, low: int, high: int) -> list[int]:
    """The midnights of the ISO weeks around two instants, the last one included."""
    first, last = local_day(zone, low), local_day(zone, high)
    monday, end = first - (first - 1) % 7, last - (last - 1) % 7 + 7
    return [midnight(zone, day) for day in range(monday, end + 1)]


def _full(starts: Sequence[datetime], edges: Sequence[int], cap: int) -> list[Range]:
    """From edge to edge, the ranges that hold `cap` of the sorted starts or more."""
    places = [bisect_left(starts, datetime.fromtimestamp(at, UTC)) for at in edges]
    return [
        range_
        for range_, (first, last) in zip(pairwise(edges), pairwise(places), strict=True)
        if last - first >= cap
    ]


def _clipped(
    grids: Sequence[Grid], length: int, low: int, high: int, step: int
) -> Iterator[Range]:
    """Of each grid the first and the end of the starts that fit and are asked for."""
    for first, until, closing in grids:
        stop = min(until, closing - length + 1, high)
        yield _step_on(first, step, max(first, low)), stop


def _step_on(origin: int, step: int, at: int) -> int:
    """The first point of a grid that is not before `at`."""
    return origin - (origin - at) // step * step


def _sweep(runs: Iterator[Range], step: int, refused: Sequence[Range]) -> list[int]:
    """Subtract sorted ranges from ascending runs of points, looking at each once."""
    found: list[int] = []
    index, count = 0, len(refused)
    for at, stop in runs:
        while index < count and at < stop:
            low, high = refused[index]
            if high <= at:
                index += 1
            elif low >= stop:
                break
            else:
                found.extend(range(at, low, step))
                at = _step_on(at, step, high)
        found.extend(range(at, stop, step))
    return found
