"""Which single setting of a coach would open a time that is not offered, and to what.

Each reason proposes values for the settings that could answer it; the first one under
which nothing speaks against the seat any more is the remedy. So it is right by the very
run that lists and books (S9), and there is none when two settings would have to change.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.booking.domain.hours import hours
from services.booking.domain.policy import (
    LONGEST,
    STEP,
    Policy,
    policy_errors,
)
from services.booking.domain.reasons import Code
from services.booking.domain.schedule import (
    Schedule,
    Span,
    Window,
    clock,
    schedule_errors,
)
from services.booking.domain.seats import Wish, against, group_at
from services.booking.domain.slots import Busy, Calendar, seconds
from services.booking.domain.zones import DAY, EPOCH_DAY, local_day, midnight, offset


@dataclass(frozen=True, slots=True)
class Remedy:
    """A setting by its path in the schedule or the policy, and the value it needs.

    A path such as `time_off.0` counts from 0 as the errors of a 422 do; None takes the
    entry out, and a rule at the end of the list is added.
    """

    setting: str
    value: Any
    calendar: Calendar


def remedy(calendar: Calendar, wish: Wish, start: datetime) -> Remedy | None:
    """The one setting that alone would open the seat; None if there is none.

    Raises DurationNotOffered as `against` does.
    """
    for code in {reason.code: None for reason in against(calendar, wish, start)}:
        for found in PROPOSALS.get(code, _nothing)(calendar, wish, start):
            if _is_valid(found.calendar) and not against(found.calendar, wish, start):
                return found
    return None


Proposals = Iterator[Remedy]


def _nothing(*_: object) -> Proposals:
    """Another session, and a coach who is not active, are no settings."""
    return iter(())


def _is_valid(calendar: Calendar) -> bool:
    return not policy_errors(calendar.policy) and not schedule_errors(calendar.schedule)


def _policy(calendar: Calendar, **values: Any) -> Remedy:
    [(name, value)] = values.items()
    policy: Policy = replace(calendar.policy, **values)
    return Remedy(name, value, replace(calendar, policy=policy))


def _schedule(calendar: Calendar, setting: str, value: Any, **parts: Any) -> Remedy:
    schedule: Schedule = replace(calendar.schedule, **parts)
    return Remedy(setting, value, replace(calendar, schedule=schedule))


def _off_grid(calendar: Calendar, _: Wish, start: datetime) -> Proposals:
    """The increments that reach the start, those closest to the present one first."""
    at = seconds(start)
    present = calendar.policy.increment
    for grid in hours(calendar.schedule, at, at + 1).grids:
        if grid.first <= at < grid.until:
            fitting = [
                step
                for step in range(STEP, LONGEST + 1, STEP)
                if (at - grid.first) % (step * 60) == 0
            ]
            for step in sorted(fitting, key=lambda step: abs(step - present)):
                yield _policy(calendar, increment=step)


def _notice(calendar: Calendar, _: Wish, start: datetime) -> Proposals:
    ahead = seconds(start) - seconds(calendar.now)
    if ahead >= 0:
        yield _policy(calendar, notice_minutes=ahead // 60)


def _horizon(calendar: Calendar, _: Wish, start: datetime) -> Proposals:
    zone = calendar.schedule.timezone
    today = local_day(zone, int(calendar.now.timestamp()))
    days = local_day(zone, seconds(start)) - today
    yield _policy(calendar, horizon_days=days)


def _cap(calendar: Calendar, _: Wish, start: datetime) -> Proposals:
    """One more than there are on the day, or in the week."""
    zone = calendar.schedule.timezone
    day = local_day(zone, seconds(start))
    monday = day - (day - 1) % 7
    today, week = _sold(calendar, day, 1), _sold(calendar, monday, 7)
    yield _policy(calendar, max_sessions_per_day=len(today) + 1)
    yield _policy(calendar, max_sessions_per_week=len(week) + 1)
    students = sum(busy.opened for busy in week)
    yield _policy(calendar, max_students_per_week=students + 1)


def _sold(calendar: Calendar, first: int, days: int) -> list[Busy]:
    zone = calendar.schedule.timezone
    since, until = midnight(zone, first), midnight(zone, first + days)
    return [
        busy
        for busy in calendar.busy
        if busy.counts and since <= busy.start.timestamp() < until
    ]


def _buffer(calendar: Calendar, wish: Wish, start: datetime) -> Proposals:
    """As much of a buffer as the sessions around leave room for."""
    at = start.timestamp()
    end = at + wish.minutes * 60
    sold = [busy for busy in calendar.busy if busy.counts]
    before = [
        int(at - busy.end.timestamp()) // 60 - busy.after
        for busy in sold
        if busy.end.timestamp() <= at
    ]
    after = [
        int(busy.start.timestamp() - end) // 60 - busy.before
        for busy in sold
        if busy.start.timestamp() >= end
    ]
    if before:
        yield _policy(calendar, buffer_before=min(before))
    if after:
        yield _policy(calendar, buffer_after=min(after))


def _paused(calendar: Calendar, *_: object) -> Proposals:
    yield _policy(calendar, paused=False)


def _full(calendar: Calendar, wish: Wish, start: datetime) -> Proposals:
    group = group_at(calendar, wish, start)
    if group is not None:
        terms = replace(calendar.policy.group, capacity=group.taken + 1)
        found = _policy(calendar, group=terms)
        yield replace(found, setting="group.capacity", value=terms.capacity)


def _override(calendar: Calendar, _: Wish, start: datetime) -> Proposals:
    """Without one of the overrides near it; the one that clips the night counts."""
    day = local_day(calendar.schedule.timezone, seconds(start))
    overrides = calendar.schedule.overrides
    for index, override in enumerate(overrides):
        if abs(override.date.toordinal() - day) <= 1:
            rest = overrides[:index] + overrides[index + 1 :]
            yield _schedule(calendar, f"overrides.{index}", None, overrides=rest)


def _time_off(calendar: Calendar, wish: Wish, start: datetime) -> Proposals:
    absences, end = calendar.schedule.time_off, start + timedelta(minutes=wish.minutes)
    for index, absence in enumerate(absences):
        if absence.end <= start or end <= absence.start:
            continue
        rest = absences[:index] + absences[index + 1 :]
        yield _schedule(calendar, f"time_off.{index}", None, time_off=rest)


def _outside_hours(calendar: Calendar, wish: Wish, start: datetime) -> Proposals:
    """A window that begins earlier or ends later, or one more."""
    day, first = _wall(calendar.schedule.timezone, seconds(start))
    end = first + wish.minutes
    yield from _other_rules(calendar, (day - 1) % 7, first, end)
    yield from _other_override(calendar, day, first, end)


def _other_rules(calendar: Calendar, weekday: int, first: int, end: int) -> Proposals:
    rules = calendar.schedule.rules
    new = Window(weekday, *_span(first, end))
    changed = [
        (index, window)
        for index, rule in enumerate(rules)
        if rule.weekday == weekday
        for window in _opened(rule, first, end)
    ]
    for index, window in [*changed, (len(rules), new)]:
        wider = (*rules[:index], window, *rules[index + 1 :])
        shown = {"weekday": weekday, **_shown(window.span), "active": True}
        yield _schedule(calendar, f"rules.{index}", shown, rules=wider)


def _opened(rule: Window, first: int, end: int) -> Iterator[Window]:
    if not rule.active:
        yield replace(rule, active=True)
    for span in _stretched(rule.span, first, end):
        yield replace(rule, start=span.start, end=span.end, active=True)


def _other_override(calendar: Calendar, day: int, first: int, end: int) -> Proposals:
    overrides = calendar.schedule.overrides
    for index, override in enumerate(overrides):
        if override.date.toordinal() != day:
            continue
        spans = override.windows
        widened = [
            (*spans[:place], wide, *spans[place + 1 :])
            for place, span in enumerate(spans)
            for wide in _stretched(span, first, end)
        ]
        for windows in [*widened, (*spans, _span(first, end))]:
            other = replace(override, windows=windows)
            changed = (*overrides[:index], other, *overrides[index + 1 :])
            shown = {"date": str(override.date), "windows": [*map(_shown, windows)]}
            yield _schedule(calendar, f"overrides.{index}", shown, overrides=changed)


def _wall(zone: str, at: int) -> tuple[int, int]:
    """The local date of an instant and the minutes on its clock."""
    local = at + offset(zone, at)
    return EPOCH_DAY + local // 86_400, local % 86_400 // 60


def _span(first: int, end: int) -> Span:
    return Span(first, end if end <= DAY else end - DAY)


def _stretched(span: Span, first: int, end: int) -> Iterator[Span]:
    """The same window until `end`, or from `first`."""
    if span.start <= first and span.until < end:
        yield _span(span.start, end)
    if span.start > first and span.until >= end:
        yield Span(first, span.end)


def _shown(span: Span) -> dict[str, str]:
    """The window as the schedule's JSON has it."""
    return {"start": clock(span.start), "end": clock(span.end)}


PROPOSALS: dict[Code, Callable[[Calendar, Wish, datetime], Proposals]] = {
    Code.OUTSIDE_HOURS: _outside_hours,
    Code.OFF_GRID: _off_grid,
    Code.OVERRIDE_CLOSED: _override,
    Code.TIME_OFF: _time_off,
    Code.BUFFER: _buffer,
    Code.NOTICE: _notice,
    Code.HORIZON: _horizon,
    Code.CAP: _cap,
    Code.GROUP_FULL: _full,
    Code.COACH_PAUSED: _paused,
}
