"""Who came, and what follows from it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

Side = Literal["student", "coach"]


class Evidence(StrEnum):
    """What shows that somebody came."""

    JOINED = "joined"
    CHECKED_IN = "checked_in"
    STARTED = "started"


EARLY = timedelta(minutes=15)
"""Who comes earlier than this before the start has not come yet."""


def counts(start: datetime, end: datetime, at: datetime) -> bool:
    """Whether what is seen at that instant is evidence; both bounds are included."""
    return start - EARLY <= at <= end
