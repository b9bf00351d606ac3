"""What another calendar says about when its owner is busy (RFC 5545)."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Any, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar, Component

from services.booking.domain.zones import midnight

EVERY = timedelta(minutes=15)
"""How often a calendar is read."""

LATER = timedelta(hours=24)
"""When one is read again that cost too much to work out."""

STALE_AFTER = timedelta(days=3)
"""So long what was read last counts although reading fails."""

MOST_CALENDARS = 5
MOST_EVENTS = 5_000
MOST_TIMES = 5_000
LARGEST = 1 << 20
"""Bytes of a calendar."""

PATIENCE = 3.0
"""Seconds of our time that one calendar's recurrences may cost."""

OURS = "@scrimline"
"""How the UIDs of our own entries end: sessions are busy by themselves."""

T = TypeVar("T")


class Unreadable(Exception):  # noqa: N818 - a state of the calendar, told to its coach
    """The calendar cannot be used as it is; the text is for its coach."""


class TooCostly(Unreadable):
    """Working it out takes longer than we give it."""


class Range(NamedTuple):
    """Half-open, in UTC."""

    start: datetime
    end: datetime


State = Literal["new", "ok", "failing", "stale"]


def state(read_at: datetime | None, last_error: str | None, now: datetime) -> State:
    """How reading goes, in a word."""
    if read_at is not None and now - read_at > STALE_AFTER:
        return "stale"
    if last_error is not None:
        return "failing"
    return "new" if read_at is None else "ok"


def busy_times(
    source: bytes, zone: str, since: datetime, until: datetime
) -> list[Range]:
    """When the calendar is busy within `[since, until)`, in order, merged.

    Days and times without a zone are those of `zone`. Raises Unreadable. Blocks for up
    to some seconds: not for the loop's own thread.
    """
    events = _events(source)
    replaced = _replaced(events, zone)

    def work() -> list[Range]:
        window = Range(since, until)
        found = chain.from_iterable(
            _occurrences(event, zone, window, replaced) for event in events
        )
        times = list(islice(found, MOST_TIMES + 1))
        if len(times) > MOST_TIMES:
            raise Unreadable(f"has more than {MOST_TIMES} entries in the time ahead")
        return _merged(times)

    try:
        return _within(PATIENCE, work)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        # dateutil and icalendar say so in all of these ways
        raise Unreadable("has an entry that cannot be read") from error


def _events(source: bytes) -> list[Component]:
    try:
        calendars = Calendar.from_ical(source, multiple=True)
        found = [each for calendar in calendars for each in calendar.walk("VEVENT")]
    except Exception as error:  # whatever a parser makes of what strangers write
        raise Unreadable("is not a calendar (iCalendar)") from error
    if not any(each.name == "VCALENDAR" for each in calendars):
        raise Unreadable("is not a calendar (iCalendar)")
    if len(found) > MOST_EVENTS:
        raise Unreadable(f"has more than {MOST_EVENTS} entries")
    return [each for each in found if not str(each.get("UID", "")).endswith(OURS)]


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Do the work in this thread, and give up when it takes longer.

    A rule that matches no day at all keeps dateutil looking until the year 9999, and
    one with an interval of 0 for ever.
    """
    deadline = time.monotonic() + seconds

    def check(*_: Any) -> None:
        if time.monotonic() > deadline:
            raise TooCostly("has a repetition that takes too long to work out")

    sys.setprofile(check)
    try:
        return work()
    finally:
        sys.setprofile(None)


Replaced = dict[str, set[datetime]]


def _replaced(events: Iterable[Component], zone: str) -> Replaced:
    """By UID, the starts of occurrences that have an entry of their own."""
    starts: Replaced = defaultdict(set)
    for event in events:
        if "RECURRENCE-ID" in event:
            at = _when(event, "RECURRENCE-ID")
            starts[str(event.get("UID", ""))].add(_instant(at, zone))
    return starts


def _occurrences(
    event: Component, zone: str, window: Range, replaced: Replaced
) -> Iterator[Range]:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    if str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
        return
    start = _when(event, "DTSTART")
    length = _length(event, start, zone)
    gone = {_instant(_plain(at), zone) for at in _dates(event, "EXDATE")}
    if "RECURRENCE-ID" not in event:
        gone |= replaced.get(str(event.get("UID", "")), set())
    seen = set(gone)
    for at, lasts in chain(_repeated(event, start, zone, window), _added(event)):
        begin = _instant(at, zone)
        if begin in seen:
            continue
        seen.add(begin)
        end = _end(at, begin, lasts or length, zone)
        if begin < end and begin < window.end and end > window.start:
            yield Range(max(begin, window.start), min(end, window.end))


When = date | datetime


def _repeated(
    event: Component, start: When, zone: str, window: Range
) -> Iterator[tuple[When, None]]:
    yield start, None
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        yield from ((at, None) for at in _by_rule(rule, start, zone, window))


def _by_rule(rule: Any, start: When, zone: str, window: Range) -> Iterator[When]:
    """Local times of the event's own zone, so that a meeting at nine stays at nine."""
    parts = dict(rule)
    ends = parts.pop("UNTIL", [None])[0]
    local = start if isinstance(start, datetime) else _midnight(start)
    home = local.tzinfo or ZoneInfo(zone)
    text = ";".join(
        line for line in rule.to_ical().decode().split(";") if line[:6] != "UNTIL="
    )
    last = window.end.astimezone(home).replace(tzinfo=None)
    if ends is not None:
        last = min(last, _local_end(_plain(ends), home))
    found = rrulestr(text, dtstart=local.replace(tzinfo=None))
    for at in takewhile(lambda at: at <= last, found):
        if not isinstance(start, datetime):
            yield at.date()
        else:
            yield at.replace(tzinfo=start.tzinfo)


def _local_end(ends: When, home: Any) -> datetime:
    if not isinstance(ends, datetime):
        return _midnight(ends) + timedelta(days=1, microseconds=-1)
    return (ends.astimezone(home) if ends.tzinfo else ends).replace(tzinfo=None)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - on a wall somewhere


def _added(event: Component) -> Iterator[tuple[When, timedelta | None]]:
    """RDATE: starts, or periods with an end or a length of their own."""
    for at in _dates(event, "RDATE"):
        if not isinstance(at, tuple):
            yield _plain(at), None
            continue
        start, rest = _plain(at[0]), at[1]
        yield start, rest if isinstance(rest, timedelta) else rest - start


def _dates(event: Component, name: str) -> Iterator[Any]:
    lists = event.get(name, [])
    for each in lists if isinstance(lists, list) else [lists]:
        yield from (value.dt for value in each.dts)


def _length(event: Component, start: When, zone: str) -> timedelta:
    """Elapsed time; whole days for an event of whole days."""
    if "DTEND" in event:
        end = _when(event, "DTEND")
        if isinstance(start, datetime) == isinstance(end, datetime):
            if not isinstance(start, datetime):
                return end - start
            return _instant(end, zone) - _instant(start, zone)
        raise ValueError("a day and a time cannot bound one event")
    if "DURATION" in event:
        length: Any = event["DURATION"]
        lasts: timedelta = length.dt
        return lasts
    return timedelta() if isinstance(start, datetime) else timedelta(days=1)


def _end(at: When, begin: datetime, length: timedelta, zone: str) -> datetime:
    if isinstance(at, datetime):
        return begin + length
    return _instant(at + length, zone)


def _when(event: Component, name: str) -> When:
    value: Any = event[name]
    return _plain(value.dt)


def _plain(at: Any) -> When:
    if not isinstance(at, date):
        raise TypeError("neither a day nor a time")
    return at


def _instant(at: When, zone: str) -> datetime:
    """A day is its first instant; a time without a zone is on the coach's wall.

    A time that the clocks skip has the offset before it (RFC 5545), as `zoneinfo` says.
    """
    if not isinstance(at, datetime):
        return datetime.fromtimestamp(midnight(zone, at.toordinal()), UTC)
    aware = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return aware.astimezone(UTC)


def _merged(times: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for each in sorted(times):
        if merged and each.start <= merged[-1].end:
            merged[-1] = Range(merged[-1].start, max(merged[-1].end, each.end))
        else:
            merged.append(each)
    return merged
