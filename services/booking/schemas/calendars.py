"""Calendars that go out, and those that come in."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.inputs import HttpsUrl, Input, Instant, Output

CalendarName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"),
    Field(examples=["private"]),
]
"""What a coach calls one of its calendars: part of a path."""


class CalendarAddress(Output):
    """Where programs read the caller's sessions. Told once; who has it reads them."""

    url: str = Field(examples=["https://…/v1/calendars/….ics"])
    created_at: Instant


class BusyCalendarBody(Input):
    """Where a calendar program publishes the coach's own calendar (iCalendar)."""

    url: HttpsUrl


class BusyCalendarView(Output):
    """`new` until it is read for the first time; `failing` keeps what was read before.

    `stale` was not read for three days: its times do not count any more. `last_error`
    says why the last try failed; `busy` is how many times of the coach it takes.
    """

    name: str
    url: str
    state: Literal["new", "ok", "failing", "stale"]
    last_read_at: Instant | None
    last_tried_at: Instant | None
    last_error: str | None
    busy: int


class BusyCalendars(Output):
    items: list[BusyCalendarView]
