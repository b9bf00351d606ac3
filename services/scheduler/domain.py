"""When ticks are due. Product time in, no clock and no database."""

from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

KEPT = timedelta(days=7)
"""How long emitted ticks can be looked up."""


def latest_due(now: datetime, every: timedelta) -> datetime:
    """The last whole multiple of `every`, in UTC, that is not after `now`."""
    return now - (now - EPOCH) % every


def next_due(now: datetime, every: timedelta) -> datetime:
    """The first such instant after `now`."""
    return latest_due(now, every) + every
