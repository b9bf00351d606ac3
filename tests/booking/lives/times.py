"""Who is where and when, in the model: what all else is decided by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.booking.lives.seats import DAY, HOUR, Proposal, Seat, Session, Terms


@dataclass
class Times:
    """All sessions with all coaches, at one instant."""

    terms: Sequence[Terms]
    now: datetime
    sessions: list[Session] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    seats: list[Seat] = field(default_factory=list)
    strikes: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    def is_paused(self, coach: int) -> bool:
        since = self.now - 90 * DAY
        return sum(who == coach and at > since for who, at in self.strikes.values()) > 2

    def is_free(self, coach: int, start: datetime, but: Session | None = None) -> bool:
        terms = but.terms if but else self.terms[coach]
        return not any(
            session.keeps_apart(coach, start, terms)
            for session in self.sessions
            if session is not but
        )

    def is_idle(self, student: int, start: datetime, but: Seat | None = None) -> bool:
        return not any(
            seat.occupies(student, start) for seat in self.seats if seat is not but
        )

    def strike(self, session: Session) -> None:
        """A session is one strike, whatever went wrong with how many of its seats."""
        self.strikes.setdefault(session.session_id, (session.coach, self.now))

    def may_wait_for_money(self, student: int, coach: int) -> bool:
        """Three holds, one of them with this coach, and five with it in an hour.

        A series is one; what the line was offered is none.
        """
        mine = [seat for seat in self.seats if seat.student == student]
        mine = [seat for seat in mine if not seat.is_offer]
        waits = {
            seat.series or seat.seat_id: seat.session.coach
            for seat in mine
            if seat.status == "held"
        }
        recent = {
            seat.series or seat.seat_id
            for seat in mine
            if seat.session.coach == coach and seat.made_at > self.now - HOUR
        }
        return len(waits) < 3 and coach not in waits.values() and len(recent) < 5
