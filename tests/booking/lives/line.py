"""Who waits for which hour of which coach, and who is offered it next."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.booking.lives.model import Market
from tests.booking.lives.seats import DAY, MINUTE, Seat, Session

OFFER = 30 * MINUTE


@dataclass(eq=False)
class Entry:
    """A student waits for one hour of a coach; `seat` is what it was offered."""

    entry_id: str
    student: int
    coach: int
    start: datetime
    joined_at: datetime
    seat: Seat | None = None
    left: bool = False

    def is_open(self, now: datetime) -> bool:
        if self.seat is not None:
            return not self.left and self.seat.status == "held"
        return not self.left and self.start >= now


@dataclass
class Line:
    """All who wait, in the order in which they came."""

    market: Market
    entries: list[Entry] = field(default_factory=list)

    def may_join(self, student: int, coach: int, start: datetime) -> bool:
        """Three times at once, five a day with one coach, and none that is over."""
        now = self.market.now
        own = [e for e in self.entries if (e.student, e.coach) == (student, coach)]
        waits = sum(each.is_open(now) for each in own)
        today = sum(each.joined_at > now - DAY for each in own)
        return start >= now and waits < 3 and today < 5

    def call(self, coach: int) -> list[Entry]:
        """Who is offered now what it waits for, first come, first served.

        One offer of a coach at a time is enough for anybody.
        """
        served = []
        for entry in self.entries:
            if entry.coach == coach and self._is_next(entry):
                self._offer(entry)
                served.append(entry)
        return served

    def _is_next(self, entry: Entry) -> bool:
        has_one = any(
            (other.student, other.coach) == (entry.student, entry.coach)
            and other.seat is not None
            and other.seat.status == "held"
            for other in self.entries
        )
        return (
            entry.seat is None
            and not entry.left
            and not has_one
            and self.market.is_offered(entry.student, entry.coach, entry.start)
        )

    def _offer(self, entry: Entry) -> None:
        terms = self.market.terms[entry.coach]
        session = Session("", entry.coach, entry.start, terms)
        entry.seat = self.market.seat(session, "", entry.student)
        entry.seat.is_offer = True
        entry.seat.runs_out = min(self.market.now + OFFER, entry.start)

    def leave(self, entry: Entry) -> bool:
        """Whether it still stood in the line; what it was offered goes, too."""
        good = not entry.left
        entry.left = True
        if good and entry.seat is not None and entry.seat.status == "held":
            self.market.cancel([entry.seat], "student")
        return good
