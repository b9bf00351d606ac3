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
    zone, rules = calendar.schedule.timezone, calendar.schedule.rules
    at = seconds(start)
    day, first = _wall(zone, at)
    end = first + wish.minutes
    weekday = (day - 1) % 7
    for index, rule in enumerate(rules):
        for window in _stretched(rule, weekday, first, end):
            wider = (*rules[:index], window, *rules[index + 1 :])
            shown = _shown(window)
            yield _schedule(calendar, f"rules.{index}", shown, rules=wider)
    new = Window(weekday, first, end if end <= DAY else end - DAY)
    shown = _shown(new)
    yield _schedule(calendar, f"rules.{len(rules)}", shown, rules=(*rules, new))


def _wall(zone: str, at: int) -> tuple[int, int]:
    """The local date of an instant and the minutes on its clock."""
    local = at + offset(zone, at)
    return EPOCH_DAY + local // 86_400, local % 86_400 // 60


def _stretched(rule: Window, weekday: int, first: int, end: int) -> Iterator[Window]:
    """The same window until `end` or from `first`, if the session is on its day."""
    if rule.weekday != weekday:
        return
    last = end if end <= DAY else end - DAY
    if rule.start <= first and rule.span.until < end:
        yield replace(rule, end=last, active=True)
    if rule.start > first and rule.span.until >= end:
        yield replace(rule, start=first, active=True)
    if not rule.active:
        yield replace(rule, active=True)


def _shown(window: Window) -> dict[str, Any]:
    """The window as the schedule's JSON has it."""
    return {
        "weekday": window.weekday,
        "start": clock(window.start),
        "end": clock(window.end),
        "active": window.active,
    }


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
