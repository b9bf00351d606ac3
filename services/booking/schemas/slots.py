"""Free times, as anybody sees them."""

from datetime import date
from typing import Literal

from shared.inputs import Instant, Money, Output


class SlotView(Output):
    """`start` identifies it; `local_start` is the viewer's wall clock and offset."""

    start: Instant
    end: Instant
    local_start: str
    price: Money
    kind: Literal["individual", "group"]
    seats_left: int


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
