"""Who of those who wait is offered which of the times that are free."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.booking.domain.slots import Busy, Calendar, slots

OFFER = timedelta(minutes=30)
"""How long an offered time is reserved; never past its start."""

MOST_OPEN = 3
MOST_A_DAY = 5
MOST_IN_LINE = 200
LONGEST_RANGE = timedelta(days=62)
BEYOND_HORIZON = timedelta(days=30)
"""One may wait for times that will be offered in some weeks only."""


class Standing(StrEnum):
    """Where an entry is; `expired`: its offer or its range ran out, or was declined."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Place:
    """One entry in the line: a session of `minutes` within `[since, until)`.

    `own` are the live sessions of the student, with whomever; `new` says that it had
    none with this coach.
    """

    id: UUID
    student_id: UUID
    since: datetime
    until: datetime
    minutes: int
    new: bool
    own: Sequence[tuple[datetime, datetime]] = ()


@dataclass(frozen=True, slots=True)
class Match:
    place: Place
    start: datetime


def serve(calendar: Calendar, line: Iterable[Place]) -> list[Match]:
    """Give each place, in order, the earliest free start that fits it, if there is one.

    A start that was given is taken for those behind. Who is busy then is passed over,
    and nobody gets two. By the rule of the slots: so never within the notice.
    """
    matches: list[Match] = []
    served: set[UUID] = set()
    for place in line:
        if place.student_id in served:
            continue
        if place.minutes not in calendar.policy.durations:
            continue
        start = _first_free(calendar, place)
        if start is not None:
            matches.append(Match(place, start))
            served.add(place.student_id)
            calendar = _without(calendar, place, start)
    return matches


def _first_free(calendar: Calendar, place: Place) -> datetime | None:
    length = timedelta(minutes=place.minutes)
    asked = replace(calendar, new_student=place.new)
    last = place.until - length + timedelta(seconds=1)
    for at in slots(asked, place.minutes, place.since, last):
        start = datetime.fromtimestamp(at, UTC)
        end = start + length
        if not any(since < end and start < until for since, until in place.own):
            return start
    return None


def _without(calendar: Calendar, place: Place, start: datetime) -> Calendar:
    policy = calendar.policy
    taken = Busy(
        start,
        start + timedelta(minutes=place.minutes),
        policy.buffer_before,
        policy.buffer_after,
        opened=place.new,
    )
    return replace(calendar, busy=[*calendar.busy, taken])
