"""How offered starts are shown: by the viewer's dates, with labels in its zone."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from services.booking.domain.zones import EPOCH_DAY, is_zone, midnight, offset
from shared.errors import InvalidRequest

LONGEST_LISTING = 62
FIRST_DATE, LAST_DATE = date(2000, 1, 1), date(2999, 12, 31)
MOST_ALTERNATIVES = 5
A_DAY = 86_400


class Slot(NamedTuple):
    """RFC 3339 labels: `start`, `end` in UTC, `local_start` with its offset (S8).

    `json` has all three of them, as an object begins with them.
    """

    start: str
    end: str
    local_start: str
    json: str


class Day(NamedTuple):
    """A date of the viewer and what is offered on it, possibly nothing."""

    date: str
    slots: list[Slot]


def viewer_range(zone: str, first: date, last: date) -> tuple[datetime, datetime]:
    """The half-open range of instants of the viewer's dates, both included (S7).

    Raises InvalidRequest, naming the query's field, for an unknown zone, dates in the
    wrong order, out of the calendar, or more than 62 of them.
    """
    if not is_zone(zone):
        raise _invalid("timezone", "is not a time zone of the IANA database")
    if not FIRST_DATE <= first <= LAST_DATE:
        raise _invalid("from", f"must be from {FIRST_DATE} to {LAST_DATE}")
    if not 0 <= (last - first).days < LONGEST_LISTING:
        raise _invalid("to", f"must be from 0 to {LONGEST_LISTING - 1} days later")
    since, until = first.toordinal(), last.toordinal() + 1
    return _utc(midnight(zone, since)), _utc(midnight(zone, until))


def days(
    starts: Sequence[int], minutes: int, zone: str, first: date, last: date
) -> list[Day]:
    """Ascending starts under the viewer's dates from `first` to `last`, each present.

    Starts outside these dates are left out.
    """
    return [
        Day(date.fromordinal(day).isoformat(), _of_day(starts, minutes * 60, zone, day))
        for day in range(first.toordinal(), last.toordinal() + 1)
    ]


def nearest(starts: Sequence[int], wanted: datetime) -> list[datetime]:
    """Up to five of the ascending starts, those closest to `wanted`, in order of time.

    Never `wanted` itself; of two that are equally close the earlier comes first.
    """
    at = wanted.timestamp()
    middle = bisect_left(starts, at)
    around = starts[max(0, middle - MOST_ALTERNATIVES) : middle + MOST_ALTERNATIVES + 1]
    close = sorted((abs(start - at), start) for start in around if start != at)
    return [_utc(start) for start in sorted(s for _, s in close[:MOST_ALTERNATIVES])]


def _invalid(field: str, message: str) -> InvalidRequest:
    errors = [{"field": f"query.{field}", "message": message}]
    return InvalidRequest("These dates cannot be listed.", errors=errors)


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _of_day(starts: Sequence[int], length: int, zone: str, day: int) -> list[Slot]:
    since, until = midnight(zone, day), midnight(zone, day + 1)
    mine = starts[bisect_left(starts, since) : bisect_left(starts, until)]
    if until - since == A_DAY:
        # No zone has changed its clocks twice in a day: it is what it is at midnight.
        ahead = (day - EPOCH_DAY) * A_DAY - since
        return [_slot(at, length, ahead) for at in mine]
    return [_slot(at, length, offset(zone, at)) for at in mine]


@lru_cache(maxsize=1 << 15)
def _slot(at: int, length: int, ahead: int) -> Slot:
    """Cached: coaches and requests share their quarter hours."""
    start, end, local = zulu(at), zulu(at + length), _stamp(at + ahead) + _suffix(ahead)
    # digits and signs need no escaping
    json = f'{{"start":"{start}","end":"{end}","local_start":"{local}",'
    return Slot(start, end, local, json)


def zulu(at: int) -> str:
    """The label of an instant in UTC; labels sort as their instants do."""
    return _stamp(at) + "Z"


def _stamp(at: int) -> str:
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache
def _suffix(ahead: int) -> str:
    """The offset as RFC 3339 writes it; whole minutes in every zone since 1972."""
    minutes = abs(ahead) // 60
    return f"{'-' if ahead < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
