"""What would open a time: applied by hand, it does, as the oracle sees it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.policy import Group, Policy, policy_errors
from services.booking.domain.remedies import remedy
from services.booking.domain.schedule import (
    Override,
    Schedule,
    Span,
    TimeOff,
    Window,
    minutes,
    schedule_errors,
)
from services.booking.domain.seats import Wish, against
from services.booking.domain.slots import Busy, Calendar, OpenGroup
from shared.ids import new_id
from tests.booking.domain.chance import GAMES, ZONES, question
from tests.booking.domain.oracle import Oracle
from tests.booking.domain.test_oracle import by, moments

HOUR = timedelta(hours=1)
NOON = datetime(2026, 6, 17, 12, tzinfo=UTC)
"""A Wednesday."""

NOW = NOON - timedelta(days=2)
OPEN = tuple(Window(day, 600, 1200) for day in range(7))
EASY = Policy(increment=60, notice_minutes=0)


def applied(calendar: Calendar, setting: str, value: Any) -> Calendar:
    """The calendar once its coach has stored that value."""
    policy, schedule = calendar.policy, calendar.schedule
    name, _, part = setting.partition(".")
    if setting == "group.capacity":
        changed: Any = replace(policy, group=replace(policy.group, capacity=value))
        return replace(calendar, policy=changed)
    if not part:
        return replace(calendar, policy=replace(policy, **{name: value}))
    entries = list(getattr(schedule, name))
    entries[int(part) : int(part) + 1] = [] if value is None else [entry(value)]
    parts: dict[str, Any] = {name: tuple(entries)}
    return replace(calendar, schedule=replace(schedule, **parts))


def entry(shown: dict[str, Any]) -> Window | Override:
    if "date" in shown:
        spans = [Span(*bounds(each)) for each in shown["windows"]]
        return Override(date.fromisoformat(shown["date"]), tuple(spans))
    return Window(shown["weekday"], *bounds(shown), shown["active"])


def bounds(shown: dict[str, str]) -> tuple[int, int]:
    return minutes(shown["start"]), minutes(shown["end"])


@given(st.integers(0, 10**9))
def test_the_setting_that_would_open_a_time_opens_it(seed: int) -> None:
    chance = by(f"remedy {seed}")
    asked = question(chance, chance.choice(ZONES))
    oracle = Oracle(asked.calendar, asked.minutes, asked.around)
    for at in moments(chance, oracle, asked):
        for kind in ("individual", "group"):
            wish = Wish(asked.minutes, kind, chance.choice(GAMES))
            found = remedy(asked.calendar, wish, at)
            if found is None:
                continue
            after = applied(asked.calendar, found.setting, found.value)
            assert schedule_errors(after.schedule) == []
            assert policy_errors(after.policy) == []
            judge = Oracle(after, asked.minutes, asked.around)
            assert against(asked.calendar, wish, at)
            if kind == "individual":
                assert judge.reasons(at) == []
            else:
                assert judge.group_reasons(at, wish.game) == []


def calendar(**changes: Any) -> Calendar:
    """Open from ten to eight in UTC, an hour at each hour, two days ahead."""
    values: dict[str, Any] = {
        "schedule": Schedule("UTC", OPEN),
        "policy": EASY,
        "busy": [],
        "now": NOW,
    }
    return Calendar(**(values | changes))


def session(start: datetime, **changes: Any) -> Busy:
    return Busy(start, start + HOUR, **changes)


A_GROUP = OpenGroup(new_id(), NOON, 60, None, 2, 2)

OPENS: list[tuple[str, Calendar, datetime, str, Any]] = [
    ("a notice", calendar(policy=replace(EASY, notice_minutes=2881)), NOON, "notice_minutes", 2880),
    ("a horizon", calendar(policy=replace(EASY, horizon_days=1)), NOON, "horizon_days", 2),
    ("a grid", calendar(), NOON + HOUR / 4, "increment", 45),
    ("a pause", calendar(policy=replace(EASY, paused=True)), NOON, "paused", False),
    ("a full day", calendar(policy=replace(EASY, max_sessions_per_day=1), busy=[session(NOON + 2 * HOUR)]), NOON, "max_sessions_per_day", 2),
    ("a full week", calendar(policy=replace(EASY, max_sessions_per_week=1), busy=[session(NOON + 50 * HOUR)]), NOON, "max_sessions_per_week", 2),
    ("new students", calendar(policy=replace(EASY, max_students_per_week=2), busy=[session(NOON + 50 * HOUR, opened=2)]), NOON, "max_students_per_week", 3),
    ("a buffer before", calendar(policy=replace(EASY, buffer_before=30), busy=[Busy(NOON - 2 * HOUR, NOON - HOUR / 4, 0, 5)]), NOON, "buffer_before", 10),
    ("a buffer after", calendar(policy=replace(EASY, buffer_after=30), busy=[session(NOON + HOUR, before=0)]), NOON, "buffer_after", 0),
    ("a closed date", calendar(schedule=Schedule("UTC", OPEN, (Override(date(2026, 6, 1)), Override(date(2026, 6, 17))))), NOON, "overrides.1", None),
    ("time off", calendar(schedule=Schedule("UTC", OPEN, (), (TimeOff(NOW, NOW + HOUR), TimeOff(NOON, NOON + HOUR)))), NOON, "time_off.1", None),
    ("an end", calendar(), NOON + 8 * HOUR, "rules.2", {"weekday": 2, "start": "10:00", "end": "21:00", "active": True}),
    ("a beginning", calendar(), NOON - 3 * HOUR, "rules.2", {"weekday": 2, "start": "09:00", "end": "20:00", "active": True}),
    ("a night", calendar(schedule=Schedule("UTC")), NOON + 11.5 * HOUR, "rules.0", {"weekday": 2, "start": "23:30", "end": "00:30", "active": True}),
    ("other hours", calendar(schedule=Schedule("UTC", OPEN, (Override(date(2026, 6, 17), (Span(600, 720),)),))), NOON + 8 * HOUR, "overrides.0", {"date": "2026-06-17", "windows": [{"start": "10:00", "end": "21:00"}]}),
    ("a date that never opens", calendar(schedule=Schedule("UTC", OPEN, (Override(date(2026, 6, 17)),))), NOON + 9 * HOUR, "overrides.0", {"date": "2026-06-17", "windows": [{"start": "21:00", "end": "22:00"}]}),
    ("an idle window", calendar(schedule=Schedule("UTC", (Window(2, 600, 1200, active=False),))), NOON, "rules.0", {"weekday": 2, "start": "10:00", "end": "20:00", "active": True}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "start", "setting", "value"),
    [pytest.param(*rest, id=name) for name, *rest in OPENS],
)
def test_one_setting_would_open_it(
    asked: Calendar, start: datetime, setting: str, value: Any
) -> None:
    found = remedy(asked, Wish(60), start)

    assert found is not None
    assert (found.setting, found.value) == (setting, value)


SHUT: list[tuple[str, Calendar, datetime]] = [
    ("it is offered", calendar(), NOON),
    ("another session", calendar(busy=[session(NOON)]), NOON),
    ("a coach who is not active", calendar(accepting=False), NOON),
    ("it has begun", calendar(), NOW - HOUR),
    ("two sessions too close", calendar(policy=replace(EASY, buffer_before=15, buffer_after=15), busy=[session(NOON - HOUR), session(NOON + HOUR)]), NOON),
    ("a pause and a notice", calendar(policy=replace(EASY, paused=True, notice_minutes=4000)), NOON),
    ("two absences", calendar(schedule=Schedule("UTC", OPEN, (), (TimeOff(NOON, NOON + HOUR), TimeOff(NOON, NOON + HOUR)))), NOON),
    ("a day and a week that are full", calendar(policy=replace(EASY, max_sessions_per_day=1, max_sessions_per_week=1), busy=[session(NOON + 2 * HOUR)]), NOON),
    ("further than any horizon", calendar(), NOON + timedelta(days=400)),
    ("a second past", calendar(), NOON + timedelta(seconds=1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "start"), [pytest.param(*rest, id=name) for name, *rest in SHUT]
)
def test_no_single_setting_would_open_it(asked: Calendar, start: datetime) -> None:
    assert remedy(asked, Wish(60), start) is None


def test_a_larger_group_would_have_a_seat() -> None:
    policy = replace(EASY, group=Group(True, 2, 1))
    asked = calendar(policy=policy, groups=[A_GROUP], busy=[session(NOON)])

    found = remedy(asked, Wish(60, "group"), NOON)

    assert found is not None
    assert (found.setting, found.value) == ("group.capacity", 3)


def test_no_setting_opens_a_new_group_within_a_day() -> None:
    asked = calendar(now=NOON - 23 * HOUR)

    assert remedy(asked, Wish(60, "group"), NOON) is None
    assert remedy(asked, Wish(60), NOON) is None
