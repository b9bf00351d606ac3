"""The rules of slots again, minute by minute and as slowly as they read.

Shares nothing with the product but the types of its inputs. Local time is looked up
in one direction only, from UTC to the wall, one minute after the other; a bound is the
first minute whose wall clock shows it, or a later time if it never does.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.booking.domain.schedule import Schedule, Span
from services.booking.domain.slots import Busy, Calendar, OpenGroup

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
S10 = [
    "outside_hours",
    "off_grid",
    "override_closed",
    "time_off",
    "busy",
    "buffer",
    "notice",
    "horizon",
    "cap",
    "group_full",
    "coach_paused",
    "unavailable",
]
REACH = 4
"""Days walked around the date in question."""


class Walls:
    """What the clocks of a zone show in the days around a date."""

    def __init__(self, zone: str, around: date) -> None:
        self.first: dict[datetime, datetime] = {}
        at = datetime.combine(around - REACH * DAY, time(), UTC)
        end = datetime.combine(around + (REACH + 2) * DAY, time(), UTC)
        while at < end:
            wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            self.first.setdefault(wall, at)
            at += MINUTE

    def instant(self, wall: datetime) -> datetime:
        while wall not in self.first:
            wall += MINUTE
        return self.first[wall]


@lru_cache(maxsize=256)
def walls(zone: str, around: date) -> Walls:
    return Walls(zone, around)


class Oracle:
    """What a calendar offers near one date; `around` is that date."""

    def __init__(self, calendar: Calendar, minutes: int, around: date) -> None:
        self.calendar, self.minutes = calendar, minutes
        self.zone = ZoneInfo(calendar.schedule.timezone)
        self.walls = walls(calendar.schedule.timezone, around)
        self.dates = [around + step * DAY for step in range(1 - REACH, REACH)]
        self.hours = {day: self._open(calendar.schedule, day) for day in self.dates}
        usual = Schedule(calendar.schedule.timezone, calendar.schedule.rules)
        self.usual = set().union(*(self._open(usual, day) for day in self.dates))
        self.open = set().union(*self.hours.values())
        self.starts = set(self._grid())

    def reasons(self, start: datetime) -> list[str]:
        return [*self._of_hours(start), *self._of_times(start), *self._of_limits(start)]

    def group_reasons(self, start: datetime, game: str | None) -> list[str]:
        """Against a seat in a group: the one that begins then, or a new one."""
        for group in self.calendar.groups:
            alike = group.start == start and group.minutes == self.minutes
            if alike and game in (None, group.game):
                return self._of_joining(group)
        found = set(self.reasons(start))
        if start - self.calendar.now < DAY:
            found.add("notice")
        return [code for code in S10 if code in found]

    def _of_joining(self, group: OpenGroup) -> list[str]:
        policy = self.calendar.policy
        limits = set(self._of_limits(group.start)) - {"cap"}
        weeks = [
            b.opened
            for b in self.calendar.busy
            if self._week(b.start) == self._week(group.start)
        ]
        cap = policy.max_students_per_week
        if self.calendar.new_student and cap is not None and sum(weeks) >= cap:
            limits.add("cap")
        if group.mine:
            limits.add("unavailable")
        elif group.taken >= max(group.capacity, policy.group.capacity):
            limits.add("group_full")
        return [code for code in S10 if code in limits]

    def _week(self, at: datetime) -> tuple[int, int]:
        return self._date(at).isocalendar()[:2]

    def listing(self, zone: str, first: date, last: date) -> list[datetime]:
        return [
            at
            for at in sorted(self.starts)
            if first <= at.astimezone(ZoneInfo(zone)).date() <= last
            and not self.reasons(at)
        ]

    def _open(self, schedule: Schedule, day: date) -> set[datetime]:
        special = {each.date: list(each.windows) for each in schedule.overrides}
        weekly = [
            rule.span
            for rule in schedule.rules
            if rule.active and rule.weekday == day.weekday()
        ]
        found: set[datetime] = set()
        for span in special.get(day, weekly):
            at, end = self._bounds(day, span)
            if day + DAY in special:
                end = min(end, self._at(day + DAY, 0))
            while at < end:
                found.add(at)
                at += MINUTE
        return found

    def _bounds(self, day: date, span: Span) -> tuple[datetime, datetime]:
        if span.end == 1440:
            return self._at(day, span.start), self._at(day + DAY, 0)
        night = day if span.end > span.start else day + DAY
        return self._at(day, span.start), self._at(night, span.end)

    def _at(self, day: date, minute: int) -> datetime:
        return self.walls.instant(
            datetime.combine(day, time(minute // 60, minute % 60))
        )

    def _grid(self) -> Iterator[datetime]:
        step = timedelta(minutes=self.calendar.policy.increment)
        for day, minutes in self.hours.items():
            later = [
                at for other in self.dates if other > day for at in self.hours[other]
            ]
            ends = min(later, default=datetime.max.replace(tzinfo=UTC))
            for at in minutes:
                if at - MINUTE not in minutes:
                    start = at
                    while start in minutes:
                        if start < ends:
                            yield start
                        start = self._step(start, step, minutes)

    @staticmethod
    def _step(start: datetime, step: timedelta, minutes: set[datetime]) -> datetime:
        """One increment on, or the first minute after the block if it ends before."""
        target = start + step
        while start < target and start in minutes:
            start += MINUTE
        return start

    def _of_hours(self, start: datetime) -> Iterator[str]:
        needed = {start + step * MINUTE for step in range(self.minutes)}
        if not needed <= self.open:
            yield "override_closed" if needed <= self.usual else "outside_hours"
        elif start not in self.starts:
            yield "off_grid"

    def _of_times(self, start: datetime) -> Iterator[str]:
        end = start + self.minutes * MINUTE
        if any(
            off.start < end and start < off.end
            for off in self.calendar.schedule.time_off
        ):
            yield "time_off"
        overlapping = [b for b in self.calendar.busy if b.start < end and start < b.end]
        if overlapping:
            yield "busy"
        rest = [b for b in self.calendar.busy if b not in overlapping and b.counts]
        if any(self._is_close(busy, start, end) for busy in rest):
            yield "buffer"

    def _is_close(self, busy: Busy, start: datetime, end: datetime) -> bool:
        policy = self.calendar.policy
        if busy.start >= end:
            gap, least = busy.start - end, policy.buffer_after + busy.before
        else:
            gap, least = start - busy.end, busy.after + policy.buffer_before
        return gap < least * MINUTE

    def _of_limits(self, start: datetime) -> Iterator[str]:
        policy, now = self.calendar.policy, self.calendar.now
        if start < now + policy.notice_minutes * MINUTE:
            yield "notice"
        if (self._date(start) - self._date(now)).days > policy.horizon_days:
            yield "horizon"
        if self._is_full(start):
            yield "cap"
        if not self.calendar.accepting or (policy.paused and self.calendar.new_student):
            yield "coach_paused"

    def _is_full(self, start: datetime) -> bool:
        policy, day = self.calendar.policy, self._date(start)
        sold = [(self._date(b.start), b.opened) for b in self.calendar.busy if b.counts]
        today = [d for d, _ in sold if d == day]
        week = [o for d, o in sold if d.isocalendar()[:2] == day.isocalendar()[:2]]
        used = [
            (len(today), policy.max_sessions_per_day),
            (len(week), policy.max_sessions_per_week),
        ]
        if self.calendar.new_student:
            used.append((sum(week), policy.max_students_per_week))
        return any(cap is not None and count >= cap for count, cap in used)

    def _date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()
