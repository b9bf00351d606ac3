"""Weekly sessions that are booked together: which of them can be had, and why not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.booking.domain.reasons import Code, Reason, reasons
from services.booking.domain.slots import Busy, Calendar

FEWEST, MOST = 2, 26
"""Bounds of the weeks of a series: half a year at most."""

OWN_SESSION = Reason(Code.STUDENT_BUSY, "You have another session at this time.")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One week of a series; nothing speaks against one that can be booked."""

    start: datetime
    against: Sequence[Reason]

    @property
    def ok(self) -> bool:
        return not self.against


def check(
    calendar: Calendar,
    minutes: int,
    starts: Iterable[datetime],
    own: Sequence[tuple[datetime, datetime]],
) -> list[Occurrence]:
    """Ask the rule of the slots about each start, as if those before it were booked.

    So they count against each other's caps and the student is new only once. `own` are
    the student's live sessions, with whomever. Raises DurationNotOffered.
    """
    found = []
    for start in starts:
        end = start + timedelta(minutes=minutes)
        against = reasons(calendar, minutes, start)
        if any(since < end and start < until for since, until in own):
            against.append(OWN_SESSION)
        found.append(Occurrence(start, against))
        if not against:
            calendar = _with(calendar, start, end)
    return found


def _with(calendar: Calendar, start: datetime, end: datetime) -> Calendar:
    """The calendar once the student has booked this time."""
    policy = calendar.policy
    booked = Busy(
        start,
        end,
        policy.buffer_before,
        policy.buffer_after,
        opened=calendar.new_student,
    )
    return replace(calendar, busy=[*calendar.busy, booked], new_student=False)
