"""The calendar entry that travels with a mail (RFC 5545, RFC 5546)."""

from typing import Literal

from icalendar import Calendar, Event, vCalAddress

from services.notifications.domain import House, Reader
from shared.contracts.booking import SeatCancelledV1, SeatConfirmedV1, SessionMovedV1

Method = Literal["REQUEST", "CANCEL"]


def invitation(
    seat: SeatConfirmedV1 | SessionMovedV1,
    summary: str,
    reader: Reader,
    house: House,
    url: str,
) -> bytes:
    """Puts the session of one seat into the reader's calendar, or moves it there."""
    event = _event(seat, summary, reader, house, url)
    event.add("sequence", seat.sequence)
    event.add("status", "CONFIRMED")
    return _calendar("REQUEST", event)


def cancellation(
    seat: SeatCancelledV1, summary: str, reader: Reader, house: House, url: str
) -> bytes:
    """Takes it out again: the same UID with a higher SEQUENCE."""
    event = _event(seat, summary, reader, house, url)
    event.add("sequence", seat.sequence)
    event.add("status", "CANCELLED")
    return _calendar("CANCEL", event)


def _event(
    seat: SeatConfirmedV1 | SeatCancelledV1 | SessionMovedV1,
    summary: str,
    reader: Reader,
    house: House,
    url: str,
) -> Event:
    """One seat's entry. We organise and only the reader attends: no address leaks."""
    event = Event()
    seat_id = seat.seat_ids[0] if isinstance(seat, SessionMovedV1) else seat.seat_id
    event.add("uid", f"{seat_id}@scrimline")
    event.add("dtstamp", seat.occurred_at)
    event.add("dtstart", seat.start)
    event.add("dtend", seat.end)
    event.add("summary", summary)
    event.add("url", url)
    event.add("organizer", _person(house.address, house.name))
    attendee = _person(reader.address, reader.name or reader.address)
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    event.add("attendee", attendee)
    return event


def _person(address: str, name: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    person.params["CN"] = name
    return person


def _calendar(method: Method, event: Event) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Scrimline//Sessions//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    source: bytes = calendar.to_ical()
    return source
