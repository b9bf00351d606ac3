"""Sessions as entries of a calendar (RFC 5545), as in the mails about them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from icalendar import Calendar, Event

PAST = timedelta(days=30)
MOST_ENTRIES = 1000
"""A feed reaches from so far back to as far ahead as sessions are sold."""


class Entry(NamedTuple):
    """One seat, for one of its people; `other` is whom they meet."""

    seat_id: UUID
    session_id: UUID
    start: datetime
    end: datetime
    sequence: int
    cancelled: bool
    group: bool
    other: str
    stamped_at: datetime


def calendar(entries: Iterable[Entry], public_url: str) -> bytes:
    """All of them in UTC, with CRLF and folded lines; nobody's address is in it."""
    found = Calendar()
    found.add("prodid", "-//Scrimline//Sessions//EN")
    found.add("version", "2.0")
    found.add("calscale", "GREGORIAN")
    found.add("method", "PUBLISH")
    found.add("x-wr-calname", "Scrimline")
    for entry in entries:
        found.add_component(_event(entry, public_url))
    source: bytes = found.to_ical()
    return source


def _event(entry: Entry, public_url: str) -> Event:
    event = Event()
    event.add("uid", f"{entry.seat_id}@scrimline")
    event.add("dtstamp", entry.stamped_at)
    event.add("dtstart", entry.start)
    event.add("dtend", entry.end)
    event.add("summary", summary(entry.group, entry.other))
    event.add("sequence", entry.sequence)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("url", f"{public_url}/sessions/{entry.session_id}")
    return event


def summary(group: bool, other: str) -> str:
    """What the mails call the session, too."""
    return f"{'Group coaching' if group else 'Coaching'} with {other}"
