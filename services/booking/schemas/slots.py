"""Free times, as anybody sees them."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from services.booking.domain.reasons import Code
from services.booking.schemas.schedules import DayOverride, Rule
from shared.inputs import Instant, Money, Output


class SlotView(Output):
    """`start` and `kind` identify it; `local_start` is the viewer's wall clock.

    A free time is there once for each kind that the coach offers. A group that is open
    is there until it is full, with the `game` its first seat fixed; `seats_left` of one
    that is yet to be opened is all it will have.
    """

    start: Instant
    end: Instant
    local_start: str
    price: Money
    kind: Literal["individual", "group"]
    seats_left: int
    game: str | None = None


class DayView(Output):
    """The slots that start on this date of the viewer's zone."""

    date: date
    slots: list[SlotView]


class SlotsView(Output):
    timezone: str
    days: list[DayView]


class ReasonView(Output):
    """Why not, and a sentence for a person; `unavailable` is all that others learn."""

    code: Code
    detail: str


class WouldOpen(Output):
    """The one setting that alone would open the time, and the value it needs.

    A field of the booking policy, or an entry of the schedule such as `rules.2`,
    `overrides.0` or `time_off.1`; null takes the entry out.
    """

    setting: Annotated[str, Field(examples=["notice_minutes"])]
    value: int | bool | Rule | DayOverride | None


class Explanation(Output):
    """Whether a time is offered, and everything that speaks against it.

    `would_open` is for the coach, and null if no single setting would help.
    """

    offered: bool
    reasons: list[ReasonView]
    would_open: WouldOpen | None


class Alternative(Output):
    start: Instant
    end: Instant
    price: Money
