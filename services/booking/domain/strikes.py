"""What is held against a coach, and when it pauses the listing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

MEMORY = timedelta(days=90)
"""So long a strike stands, unless it is cleared."""

MOST = 3
"""So many standing strikes pause the listing."""

LATE = timedelta(hours=24)
"""A coach who cancels nearer to the start than this lets the student down."""


class Cause(StrEnum):
    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"


def is_late(start: datetime, now: datetime) -> bool:
    """Whether a coach who cancels at `now` is struck; exactly a day before is not."""
    return start - now < LATE


def paused_until(strikes: Iterable[datetime], now: datetime) -> datetime | None:
    """Until when the strikes that stand pause the listing; None: they do not.

    That is when the third latest of them has aged.
    """
    standing = sorted(at for at in strikes if now - MEMORY < at <= now)
    return standing[-MOST] + MEMORY if len(standing) >= MOST else None
