"""Schedules and booking policies, as their coach writes them."""

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from services.booking.domain.policy import Meeting
from services.booking.domain.schedule import minutes
from shared.inputs import Bool, HttpsUrl, Input, Instant, Int, Output, Text


def _readable(text: str) -> str:
    minutes(text)
    return text


WallClock = Annotated[str, AfterValidator(_readable), Field(examples=["14:00"])]
"""Hours and minutes on the coach's wall; "24:00" only as an end."""


def _only_a_date(value: object) -> object:
    """Not an instant nor seconds since 1970, which pydantic would read as well."""
    written = isinstance(value, str) and A_DATE.fullmatch(value)
    if not (written or isinstance(value, date)):
        raise ValueError("write it as YYYY-MM-DD")
    return value


A_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

LocalDate = Annotated[date, BeforeValidator(_only_a_date)]


class WindowOfDay(Input):
    """From `start` to `end`; an end that is not later lies on the next day."""

    start: WallClock
    end: WallClock


class Rule(WindowOfDay):
    """A window of every such weekday, 0 is Monday."""

    weekday: Int
    active: Bool = True


class DayOverride(Input):
    """What replaces the windows of one date; none at all closes it."""

    date: LocalDate
    windows: list[WindowOfDay]


class Absence(Input):
    start: Instant
    end: Instant
    note: Annotated[Text, Field(max_length=500)] | None = None


class ScheduleBody(Input):
    """A coach's hours: rules and overrides by its wall clock, time off by instants."""

    timezone: Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])]
    rules: tuple[Rule, ...] = ()
    overrides: tuple[DayOverride, ...] = ()
    time_off: tuple[Absence, ...] = ()


class ScheduleView(Output):
    """`time_off` is only there for the coach."""

    timezone: str
    rules: tuple[Rule, ...]
    overrides: tuple[DayOverride, ...]
    time_off: tuple[Absence, ...] | None = None


class GroupTerms(Input):
    """How many may share a session, 2 to 100, and how many of them it needs.

    A group with fewer confirmed seats 24 hours before its start is called off.
    """

    enabled: Bool = False
    capacity: Int = 1
    min_participants: Int = 1


class PolicyBody(Input):
    """On what terms a coach is booked; what is left out gets its default.

    Times in minutes, but for `horizon_days`. `cancellation_tiers` are
    [hours before the start, percent given back], the first that is reached holds.
    """

    durations: tuple[Int, ...] = (60,)
    increment: Int = 30
    buffer_before: Int = 0
    buffer_after: Int = 0
    notice_minutes: Int = 120
    horizon_days: Int = 60
    max_sessions_per_day: Int | None = None
    max_sessions_per_week: Int | None = None
    max_students_per_week: Int | None = None
    paused: Bool = False
    group: GroupTerms = GroupTerms()
    cancellation_tiers: tuple[tuple[Int, Int], ...] = ((24, 100), (0, 0))
    refund_on_resale: Bool = False
    meeting: Meeting = "jitsi"
    meeting_url: HttpsUrl | None = None


class AffectedSession(Output):
    """A sold session that no longer fits; it takes place all the same."""

    id: UUID
    start: Instant
    end: Instant


class StoredScheduleView(ScheduleBody):
    affected_sessions: list[AffectedSession]


class StoredPolicyView(PolicyBody):
    affected_sessions: list[AffectedSession]
