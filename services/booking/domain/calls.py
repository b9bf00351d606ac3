"""Who may join a call and when, and where calls take place."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from services.booking.domain.attendance import Side
from services.booking.domain.lifecycle import MOST_ALIVE, Status, words
from services.booking.domain.problems import CallNotOpen, WrongStatus
from services.booking.domain.schedule import FieldError

OPENS_BEFORE = timedelta(minutes=15)
CLOSES_AFTER = timedelta(minutes=30)

AHEAD = timedelta(hours=24)
"""A room is made this long before the start, or once the seat is confirmed."""

JOINABLE = frozenset({Status.CONFIRMED, Status.IN_PROGRESS})

LONGEST_PAUSE = 600


class Provider(StrEnum):
    JITSI = "jitsi"
    DAILY = "daily"
    WHEREBY = "whereby"
    CUSTOM = "custom"


class RoomState(StrEnum):
    """`failed` is refused by the vendor so far, `closing` still open there."""

    WANTED = "wanted"
    READY = "ready"
    FAILED = "failed"
    CLOSING = "closing"
    CLOSED = "closed"


OPEN = frozenset({RoomState.WANTED, RoomState.READY, RoomState.FAILED})


class Hours(NamedTuple):
    """When a call can be joined; both instants included."""

    opens_at: datetime
    closes_at: datetime


class Door(NamedTuple):
    """Where a room is entered: by guests, and by its host if that differs."""

    url: str
    host_url: str | None = None
    external_id: str | None = None


class Order(NamedTuple):
    """The room to be made."""

    name: str
    hours: Hours
    group: bool = False


class Guest(NamedTuple):
    """Who enters; a host may keep order in the call."""

    id: UUID
    name: str
    side: Side

    @property
    def is_host(self) -> bool:
        return self.side == "coach"


def hours(start: datetime, end: datetime) -> Hours:
    return Hours(start - OPENS_BEFORE, end + CLOSES_AFTER)


def require_open(
    statuses: Collection[Status], start: datetime, end: datetime, now: datetime
) -> None:
    """Raise WrongStatus or CallNotOpen unless one of the seats may be joined now."""
    if not JOINABLE.intersection(statuses):
        status = min(statuses, key=MOST_ALIVE.index)
        detail = f"A session that is {words(status)} has no call to join."
        raise WrongStatus(detail, session_status=status)
    open_ = hours(start, end)
    if not open_.opens_at <= now <= open_.closes_at:
        early = now < open_.opens_at
        raise CallNotOpen(
            "The call has not opened yet." if early else "The call is over.",
            retry_after=_seconds(open_.opens_at - now) if early else None,
            opens_at=_text(open_.opens_at),
            closes_at=_text(open_.closes_at),
        )


def _seconds(span: timedelta) -> int:
    return -(-span // timedelta(seconds=1))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def pause_after(failures: int) -> timedelta:
    """How long to leave a vendor alone after so many failures in a row."""
    return timedelta(seconds=min(2 ** min(failures, 10), LONGEST_PAUSE))


@dataclass(frozen=True)
class Meetings:
    """What coaches may choose here: providers, and hosts of links of their own."""

    providers: frozenset[Provider]
    hosts: tuple[str, ...]

    def errors(self, provider: Provider, url: str | None) -> list[FieldError]:
        """What is wrong with a coach's choice; a host covers those below it."""
        errors = []
        if provider not in self.providers:
            offered = ", ".join(sorted(self.providers))
            errors.append(("meeting", f"is not available here; these are: {offered}"))
        if url is not None and not self._is_listed(url):
            hosts = ", ".join(self.hosts)
            errors.append(("meeting_url", f"must lead to one of: {hosts}"))
        return [
            {"field": f"body.{name}", "message": message} for name, message in errors
        ]

    def _is_listed(self, url: str) -> bool:
        host = (urlsplit(url).hostname or "").rstrip(".")
        return any(_is_below(host, each) for each in self.hosts)


def _is_below(host: str, parent: str) -> bool:
    return host == parent or host.endswith(f".{parent}")
