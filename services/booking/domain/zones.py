"""Wall clocks and instants: the only place where local time meets UTC.

Inside the rules an instant is a whole number of seconds since 1970 (`int`), a date is
its proleptic ordinal (`date.toordinal()`) and a zone is its IANA name: cheap to
compare, to sort and to remember.
"""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

DAY = 1440
"""Minutes of a day on the wall, whatever the clocks do that day."""

NOWHERE = {"localtime", "Factory"}
"""Files beside the zones: what the machine itself is set to, differing by machine."""

EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - NOWHERE


def is_zone(name: str) -> bool:
    """Whether the IANA database of this machine has a zone of exactly that name."""
    return name in _names()


def offset(zone: str, at: int) -> int:
    """Seconds that local time is ahead of UTC at an instant."""
    return _seconds(datetime.fromtimestamp(at, ZoneInfo(zone)))


def _seconds(local: datetime) -> int:
    ahead = local.utcoffset()
    return 0 if ahead is None else round(ahead.total_seconds())


@lru_cache(maxsize=1 << 16)
def instant(zone: str, day: int, minute: int) -> int:
    """The instant of a wall clock: `minute` (0 to 2880) after 00:00 of a date (S2).

    A time that the clocks skip is the moment they skip it, and a time they show
    twice is its first occurrence; `zoneinfo` alone would place skipped times later.
    """
    wall = datetime.fromordinal(day) + timedelta(minutes=minute)
    local = wall.replace(tzinfo=ZoneInfo(zone))
    clock = (day - EPOCH_DAY) * 86_400 + minute * 60
    before, after = _seconds(local), _seconds(local.replace(fold=1))
    if before >= after:
        return clock - before
    skipped = range(clock - after, clock - before + 1)
    return skipped[bisect_left(skipped, after, key=lambda at: offset(zone, at))]


def weekly(zone: str, first: datetime, count: int) -> list[datetime]:
    """The first instant and those at the same wall clock in the weeks after it.

    They are points in time (RFC 5545, 3.3.5): a time that the clocks skip is read with
    the offset before, and of a time they show twice the first is meant.
    """
    local = first.astimezone(ZoneInfo(zone))  # sums of it are the first pass, fold=0
    later = (local + timedelta(weeks=week) for week in range(1, count))
    return [first, *(at.astimezone(UTC) for at in later)]


def midnight(zone: str, day: int) -> int:
    """The first instant of a local date."""
    return instant(zone, day, 0)


def local_day(zone: str, at: int) -> int:
    """The local date of an instant, as an ordinal."""
    return EPOCH_DAY + (at + offset(zone, at)) // 86_400
