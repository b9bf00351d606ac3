"""The lives of seats, as a few pages of rules tell them, to hold against the product.

Shares no code with it. An operation says what must come of it, or that it must be
refused; `run_out` does what falls due by itself at an instant.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tests.booking.lives.groups import Groups
from tests.booking.lives.outcomes import BEGUN
from tests.booking.lives.seats import (
    DAY,
    HOLD,
    HOUR,
    LIVE,
    MINUTE,
    NOTICE,
    Seat,
    Session,
)


class Market(Groups):
    """All that people and time do to seats."""

    def may_hold(self, student: int, coach: int, start: datetime) -> bool:
        """Whether this student gets this time of this coach."""
        return self.may_hold_all(student, coach, [start])

    def may_hold_all(
        self, student: int, coach: int, starts: Sequence[datetime]
    ) -> bool:
        """Whether this student gets all these times of this coach, together."""
        good = self.may_wait_for_money(student, coach)
        return good and all(self.is_offered(student, coach, each) for each in starts)

    def is_offered(self, student: int, coach: int, start: datetime) -> bool:
        """Whether the time is in the listing, and the student has none beside it."""
        return (
            start >= self.now + NOTICE
            and start.minute in (0, 30)
            and not self.is_paused(coach)
            and self.is_idle(student, start)
            and self.is_free(coach, start)
        )

    def seat(self, session: Session, seat_id: str, student: int) -> Seat:
        """The student has a seat in the session from now on."""
        until = min(self.now + HOLD, session.start)
        seat = Seat(seat_id, session, student, session.start, self.now, until)
        if session not in self.sessions:
            self.sessions.append(session)
        session.seats.append(seat)
        self.seats.append(seat)
        return seat

    def pay(self, seat: Seat, payment: str) -> None:
        """Money came: for what is held, or ran out and can still be had; else it goes."""
        if payment == seat.payment or (payment, seat.seat_id) in self.refused:
            return
        late = seat.status == "expired" and self._can_still_be_had(seat)
        if seat.status == "held" or late:
            seat.status, seat.confirmed_at = "confirmed", self.now
            seat.payment, seat.back = payment, None
            return
        self.refused.add((payment, seat.seat_id))
        if seat.payment is None:
            seat.payment = payment
            seat.owes(100)

    def _can_still_be_had(self, seat: Seat) -> bool:
        own = seat.session
        overlaps = any(
            other.keeps_apart(own.coach, own.start, own.terms, LIVE)
            for other in self.sessions
            if other is not own
        )
        idle = self.is_idle(seat.student, seat.start, seat)
        return (
            seat.start > self.now
            and seat.start == own.start
            and idle
            and not overlaps
            and own.fate != "called_off"
            and len(own.live()) < own.capacity
            and not self.comes_too_late(own)
        )

    def cancel(self, seats: Sequence[Seat], by: str) -> bool:
        """Whether `by` can give all of these up now; then it is done.

        What is held as part of a series goes with all of it.
        """
        unpaid = {seat.series for seat in seats if seat.status == "held"} - {None}
        seats = [
            seat
            for seat in self.seats
            if seat in seats or (seat.series in unpaid and seat.status == "held")
        ]
        good = all(self.can_go(seat, by) for seat in seats)
        if good:
            for seat in seats:
                self._give_up(seat, by)
            self.overtake_what_is_over()
        return good

    def cancel_from(self, series: str, since: datetime, by: str) -> bool:
        """Whether anything of the series can be given up from then on; then it is."""
        seats = [
            seat
            for seat in self.seats
            if seat.series == series
            and seat.start > self.now
            and seat.status in ("held", "confirmed")
            and (seat.start >= since or seat.status == "held")
        ]
        return bool(seats) and self.cancel(seats, by)

    def call_off(self, session: Session, by: str) -> bool:
        """Whether `by` can give all of it up; no money revives a group then."""
        good = self.cancel(session.live() or session.seats[-1:], by)
        if good and session.kind == "group":
            session.fate = "called_off"
        return good

    def can_go(self, seat: Seat, by: str) -> bool:
        if seat.status == "in_progress":
            return by == "coach"
        late = by == "student" and self.now >= seat.start
        return seat.status == "held" or (seat.status == "confirmed" and not late)

    def _give_up(self, seat: Seat, by: str) -> None:
        """What has begun, its coach ends as a no-show of its own."""
        begun = seat.status == "in_progress" or self.now >= seat.start
        if begun and by == "coach":
            self.missed(seat, "coach")
            self.stands(seat)
            return
        if seat.status == "confirmed":
            seat.owes(seat.percent(self.now) if by == "student" else 100)
            if by == "coach" and seat.start - self.now < DAY:
                self.strike(seat.session)
        seat.cancel(self.now)

    def move(self, seat: Seat, start: datetime) -> bool:
        """Whether the student can move the seat there alone; then it is done."""
        good = (
            seat.status == "confirmed"
            and seat.session.kind == "individual"
            and self.now < seat.start
            and seat.moves < 3
            and seat.lowest(self.now) == 100
            and start != seat.start
            and start >= self.now + NOTICE
            and not self.is_paused(seat.session.coach)
            and self.is_idle(seat.student, start, seat)
            and self.is_free(seat.session.coach, start, seat.session)
        )
        if good:
            self.relocate(seat.session, [seat], start, "student")
        return good

    def boundaries(self) -> Iterator[datetime]:
        """When something may fall due by itself, from now on."""
        for seat in self.seats:
            if seat.status == "held":
                yield seat.runs_out
            elif seat.status in BEGUN:
                yield seat.start + 15 * MINUTE
                yield seat.end + 2 * HOUR
            elif seat.contestable_until and not seat.final:
                yield seat.contestable_until
        for session in self.sessions:
            if session.kind == "group" and session.fate is None:
                yield session.start - DAY
        yield from (each.until for each in self.proposals if each.is_open)

    def run_out(self) -> bool:
        """Do what has fallen due by now; whether that was anything."""
        due = [s for s in self.seats if s.status == "held" and s.runs_out <= self.now]
        for seat in due:
            seat.status = "expired"
        closed = self.settle_due()
        decided = self.decide_groups()
        done = [self.fall_due(seat) for seat in self.seats]
        self.overtake_what_is_over()
        return bool(due) or closed or decided or any(done)
