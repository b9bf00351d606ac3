"""What the scheduler says: that an instant has come. Who is due, the hearers decide.

A tick stands for the span `(previous_due_at, due_at]`. When many were missed, one tick
stands for all of them, and a handler does the work of the whole span in one go.
"""

from typing import ClassVar

from shared.contracts import Event, Instant


class Tick(Event):
    """`previous_due_at` is None for the first tick there ever was."""

    due_at: Instant
    previous_due_at: Instant | None


class MinuteTickV1(Tick):
    """Every full minute."""

    name: ClassVar[str] = "scheduler.tick.minute.v1"


class HourTickV1(Tick):
    """Every full hour."""

    name: ClassVar[str] = "scheduler.tick.hour.v1"


class DayTickV1(Tick):
    """Every midnight in UTC."""

    name: ClassVar[str] = "scheduler.tick.day.v1"
