"""Free times, as anybody sees them."""

from datetime import date
from typing import Literal

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


class Alternative(Output):
    start: Instant
    end: Instant
    price: Money
