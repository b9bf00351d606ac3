"""Who came, and what follows from it: the outcome of a seat, by evidence and time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from services.booking.domain.problems import HasCome, TooEarly, TooLate

Side = Literal["student", "coach"]
Missed = Literal["student", "coach", "both"]


class Evidence(StrEnum):
    """What shows that somebody came."""

    JOINED = "joined"
    CHECKED_IN = "checked_in"
    STARTED = "started"


EARLY = timedelta(minutes=15)
"""Who comes earlier than this before the start has not come yet."""

START_EARLY = timedelta(minutes=10)
"""The coach starts a session this long before its time at most."""

NUDGE = timedelta(minutes=5)
"""After the start, whoever is missing is reminded."""

PATIENCE = timedelta(minutes=15)
"""After the start, who came need not wait any longer for who did not."""

LATEST = timedelta(hours=2)
"""After the end, what nobody has ended is decided."""

PROVISIONAL = timedelta(hours=24)
"""So long whoever is said to have been missing may contest it."""

REPORTABLE = timedelta(hours=72)
"""So long after the end a student may report a problem."""


@dataclass(frozen=True, slots=True)
class Presence:
    """When each side was first seen; None: never."""

    student: datetime | None = None
    coach: datetime | None = None

    def until(self, at: datetime) -> "Presence":
        """What was known of it at that instant."""
        return Presence(_seen(self.student, at), _seen(self.coach, at))

    @property
    def missing(self) -> Missed | None:
        """Who has not been seen; None: both were."""
        match self.student, self.coach:
            case None, None:
                return "both"
            case None, _:
                return "student"
            case _, None:
                return "coach"
        return None

    def as_evidence(self) -> dict[str, str | None]:
        """As it stands in the history, beside what was decided by it."""
        sides = {"student": self.student, "coach": self.coach}
        return {side: written(at) if at else None for side, at in sides.items()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a seat at an instant; `missed` None: it took place."""

    at: datetime
    missed: Missed | None


def counts(start: datetime, end: datetime, at: datetime) -> bool:
    """Whether what is seen at that instant is evidence; both bounds are included."""
    return start - EARLY <= at <= end


def verdict(
    start: datetime,
    end: datetime,
    presence: Presence,
    until: datetime,
    *,
    in_progress: bool,
) -> Verdict | None:
    """What is decided by `until` about a seat that is open; None: nothing yet.

    Decided late, it is decided as it would have been in time: the evidence of a quarter
    of an hour after the start decides if only one side had come by then, else all of it
    two hours after the end.
    """
    early, late = start + PATIENCE, end + LATEST
    missed = presence.until(early).missing
    if until >= early and missed in ("student", "coach"):
        return Verdict(early, missed)
    if until >= late:
        return Verdict(late, None if in_progress else presence.missing)
    return None


def to_nudge(start: datetime, presence: Presence, now: datetime) -> Missed | None:
    """Who is to be reminded now; nobody once it is decided who is missing."""
    if start + NUDGE <= now < start + PATIENCE:
        return presence.missing
    return None


def milestone(start: datetime, until: datetime) -> datetime:
    """The last instant by `until` at which a seat that had begun was looked at."""
    decided = start + PATIENCE
    return decided if until >= decided else start + NUDGE


def require_start(start: datetime, end: datetime, now: datetime) -> None:
    """Raise TooEarly or TooLate unless a coach may start the session now."""
    _not_before(start - START_EARLY, now, "A session starts at its time.")
    _not_after(end, now, "The time of the session is over.")


def require_check_in(start: datetime, end: datetime, now: datetime) -> None:
    """Raise TooEarly or TooLate unless being here now counts."""
    _not_before(start - EARLY, now, "The session is not near yet.")
    _not_after(end, now, "The time of the session is over.")


def require_complete(start: datetime, end: datetime, now: datetime) -> None:
    """Raise TooEarly before the middle of the scheduled time."""
    detail = "A session is complete from the middle of its time on."
    _not_before(start + (end - start) / 2, now, detail)


def require_no_show(
    party: Side, start: datetime, presence: Presence, now: datetime
) -> None:
    """Raise TooEarly or HasCome unless the coach may say now that this side is missing.

    The coach's own absence can be said from the start on, whoever came.
    """
    if party == "coach":
        _not_before(start, now, "Cancel a session that has not begun.")
        return
    _not_before(start + PATIENCE, now, "Wait a quarter of an hour.")
    if presence.student is not None:
        since = written(presence.student)
        raise HasCome("The student was seen at the session.", since=since)


def require_provisional(until: datetime, final: bool, now: datetime) -> None:
    """Raise TooLate once a no-show stands; `until` itself is too late already."""
    if final or now >= until:
        detail = "The no-show is final."
        raise TooLate(detail, possible_until=written(until))


def require_report(start: datetime, end: datetime, now: datetime) -> None:
    """Raise TooEarly or TooLate unless a student may report a problem now."""
    _not_before(start, now, "The session has not begun.")
    detail = "Problems are reported within three days of the end."
    _not_after(end + REPORTABLE, now, detail)


def written(at: datetime) -> str:
    """RFC 3339 in UTC, as problems carry it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _seen(first: datetime | None, at: datetime) -> datetime | None:
    return first if first is not None and first <= at else None


def _not_before(earliest: datetime, now: datetime, detail: str) -> None:
    if now < earliest:
        raise TooEarly(detail, possible_from=written(earliest))


def _not_after(latest: datetime, now: datetime, detail: str) -> None:
    if now > latest:
        raise TooLate(detail, possible_until=written(latest))
