"""What is decided about a group as a whole: whether it takes place."""

from datetime import datetime, timedelta
from enum import StrEnum

from services.booking.domain.seats import NOTICE

REASON = "Not enough participants."


class Fate(StrEnum):
    """A group `runs` when enough take part a day before, or the coach says so."""

    RUNS = "runs"
    CALLED_OFF = "called_off"


def deadline(start: datetime) -> datetime:
    """When a group must have its participants, and until when the coach may decide."""
    return start - timedelta(minutes=NOTICE)


def due_starts(now: datetime) -> datetime:
    """The latest start whose deadline has come."""
    return now + timedelta(minutes=NOTICE)
