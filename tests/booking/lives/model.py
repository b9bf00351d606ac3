"""The lives of seats, as a few pages of rules tell them, to hold against the product.

Shares no code with it. An operation says what must come of it, or None where it must
be refused; `run_out` does what falls due by itself at an instant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Literal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LENGTH, HOLD, GRACE, NOTICE = HOUR, 15 * MINUTE, 15 * MINUTE, 2 * HOUR

Side = Literal["student", "coach"]
Tiers = Sequence[tuple[int, int]]

LIVE = {"held", "confirmed", "in_progress"}
COUNTED = LIVE | {"completed", "no_show"}


@dataclass(frozen=True)
class Terms:
    """Of a coach: buffers in minutes, [hours before, percent], minor units an hour."""

    before: int
    after: int
    tiers: Tiers
    rate: int


@dataclass
class Seat:
    """One student's individual session and what is known of it."""

    session_id: str
    seat_id: str
    coach: int
    student: int
    start: datetime
    terms: Terms
    made_at: datetime
    status: str = "held"
    payment: str | None = None
    confirmed_at: datetime | None = None
    came: dict[str, datetime] = field(default_factory=dict)
    missed: str | None = None
    contestable_until: datetime | None = None
    final: bool = False
    back: int | None = None
    marks: list[int] = field(default_factory=list)
    moves: int = 0

    @property
    def end(self) -> datetime:
        return self.start + LENGTH

    @property
    def runs_out(self) -> datetime:
        return min(self.made_at + HOLD, self.start)

    def keeps_apart(self, coach: int, start: datetime, terms: Terms) -> bool:
        """Whether a session of the coach at `start` would come too close to this."""
        own = self.terms
        after = timedelta(minutes=own.after + terms.before)
        before = timedelta(minutes=own.before + terms.after)
        near = start < self.end + after and self.start < start + LENGTH + before
        return self.coach == coach and self.status in COUNTED and near

    def occupies(self, student: int, start: datetime) -> bool:
        near = start < self.end and self.start < start + LENGTH
        return self.student == student and self.status in LIVE and near

    def owes(self, percent: int) -> None:
        """Of what was paid, so much goes back."""
        self.back = floor(Fraction(self.terms.rate * percent, 100) + Fraction(1, 2))

    def tier(self, now: datetime) -> int:
        left = self.start - now
        return next((p for h, p in self.terms.tiers if left >= h * HOUR), 0)

    def lowest(self, now: datetime) -> int:
        return min([self.tier(now), *self.marks])

    def percent(self, now: datetime) -> int:
        """What the student gets back who cancels now."""
        assert self.confirmed_at is not None
        return 100 if now <= self.confirmed_at + GRACE else self.lowest(now)

    def absent(self, at: datetime) -> str | None:
        sides = [
            side
            for side in ("student", "coach")
            if side not in self.came or self.came[side] > at
        ]
        return {0: None, 1: sides[0] if sides else None, 2: "both"}[len(sides)]


@dataclass
class Market:
    """All seats with all coaches, at one instant."""

    terms: Sequence[Terms]
    now: datetime
    seats: list[Seat] = field(default_factory=list)
    strikes: dict[int, dict[str, datetime]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def is_paused(self, coach: int) -> bool:
        since = self.now - 90 * DAY
        mine = self.strikes.get(coach, {}).values()
        return sum(at > since for at in mine) >= 3

    def is_free(self, coach: int, start: datetime, but: Seat | None = None) -> bool:
        terms = but.terms if but else self.terms[coach]
        return not any(
            seat.keeps_apart(coach, start, terms)
            for seat in self.seats
            if seat is not but
        )

    def is_idle(self, student: int, start: datetime, but: Seat | None = None) -> bool:
        return not any(
            seat.occupies(student, start) for seat in self.seats if seat is not but
        )

    def may_hold(self, student: int, coach: int, start: datetime) -> bool:
        """Whether this student gets this time of this coach."""
        mine = [seat for seat in self.seats if seat.student == student]
        held = [seat for seat in mine if seat.status == "held"]
        recent = [s for s in mine if s.coach == coach and s.made_at > self.now - HOUR]
        room = len(held) < 3 and all(seat.coach != coach for seat in held)
        return (
            room
            and len(recent) < 5
            and start >= self.now + NOTICE
            and not self.is_paused(coach)
            and self.is_idle(student, start)
            and self.is_free(coach, start)
        )

    def pay(self, seat: Seat, payment: str) -> None:
        """Money came: for what is held, or ran out and can still be had; else it goes."""
        if payment == seat.payment or payment in self.refused:
            return
        late = seat.status == "expired" and self._can_still_be_had(seat)
        if seat.status == "held" or late:
            seat.status, seat.confirmed_at = "confirmed", self.now
            seat.payment, seat.back = payment, None
            return
        self.refused.add(payment)
        if seat.payment is None:
            seat.payment = payment
            seat.owes(100)

    def _can_still_be_had(self, seat: Seat) -> bool:
        overlaps = any(
            other.status in LIVE
            and other.keeps_apart(seat.coach, seat.start, seat.terms)
            for other in self.seats
            if other is not seat
        )
        idle = self.is_idle(seat.student, seat.start, seat)
        return seat.start > self.now and idle and not overlaps

    def cancel(self, seat: Seat, by: str) -> bool:
        """Whether `by` can give the seat up now; then it is done."""
        if seat.status == "held":
            seat.status = "cancelled"
            return True
        if by == "coach" and self.now >= seat.start:
            if seat.status in ("confirmed", "in_progress"):
                self._miss(seat, "coach")
                self._finalise(seat)
                return True
            return False
        if seat.status != "confirmed" or (by == "student" and self.now >= seat.start):
            return False
        seat.owes(seat.percent(self.now) if by == "student" else 100)
        if by == "coach" and seat.start - self.now < DAY:
            self._strike(seat)
        seat.status = "cancelled"
        return True

    def move(self, seat: Seat, start: datetime) -> bool:
        """Whether the student can move the seat there alone; then it is done."""
        good = (
            seat.status == "confirmed"
            and self.now < seat.start
            and seat.moves < 3
            and seat.lowest(self.now) == 100
            and start != seat.start
            and start >= self.now + NOTICE
            and not self.is_paused(seat.coach)
            and self.is_idle(seat.student, start, seat)
            and self.is_free(seat.coach, start, seat)
        )
        if good:
            seat.marks.append(seat.tier(self.now))
            seat.moves += 1
            seat.start = start
        return good

    def come(self, seat: Seat, side: Side) -> bool:
        """Whether "I'm here" counts now."""
        near = seat.start - 15 * MINUTE <= self.now <= seat.end
        open_ = seat.status in ("confirmed", "in_progress", "no_show")
        if near and open_:
            seat.came.setdefault(side, self.now)
        return near and open_

    def begin(self, seat: Seat) -> bool:
        near = seat.start - 10 * MINUTE <= self.now <= seat.end
        if seat.status != "confirmed" or not near:
            return False
        seat.came.setdefault("coach", self.now)
        seat.status = "in_progress"
        return True

    def complete(self, seat: Seat) -> bool:
        if seat.status not in ("confirmed", "in_progress"):
            return False
        if self.now < seat.start + LENGTH / 2:
            return False
        seat.status = "completed"
        return True

    def miss(self, seat: Seat) -> bool:
        """Whether the coach may say that the student does not come."""
        good = (
            seat.status in ("confirmed", "in_progress")
            and self.now >= seat.start + 15 * MINUTE
            and "student" not in seat.came
        )
        if good:
            self._miss(seat, "student")
        return good

    def contest(self, seat: Seat, side: str) -> bool:
        good = (
            seat.status == "no_show"
            and not seat.final
            and seat.missed in (side, "both")
        )
        return good and self._took_place(seat)

    def waive(self, seat: Seat) -> bool:
        good = seat.status == "no_show" and not seat.final and seat.missed == "student"
        return good and self._took_place(seat)

    def boundaries(self) -> Iterator[datetime]:
        """When something may fall due by itself, from now on."""
        for seat in self.seats:
            if seat.status == "held":
                yield seat.runs_out
            elif seat.status in ("confirmed", "in_progress"):
                yield seat.start + 15 * MINUTE
                yield seat.end + 2 * HOUR
            elif seat.contestable_until and not seat.final:
                yield seat.contestable_until

    def run_out(self) -> None:
        """Do what has fallen due by now."""
        for seat in self.seats:
            if seat.status == "held" and seat.runs_out <= self.now:
                seat.status = "expired"
            elif seat.status in ("confirmed", "in_progress"):
                self._decide(seat)
            elif seat.status == "no_show" and not seat.final:
                assert seat.contestable_until is not None
                if seat.contestable_until <= self.now:
                    self._finalise(seat)

    def _decide(self, seat: Seat) -> None:
        early = seat.start + 15 * MINUTE
        absent = seat.absent(early)
        if self.now >= early and absent in ("student", "coach"):
            self._miss(seat, absent)
        elif self.now >= seat.end + 2 * HOUR:
            absent = seat.absent(self.now)
            if seat.status == "in_progress" or absent is None:
                seat.status = "completed"
            else:
                self._miss(seat, absent)

    def _miss(self, seat: Seat, who: str) -> None:
        seat.status, seat.missed = "no_show", who
        seat.contestable_until = self.now + DAY

    def _took_place(self, seat: Seat) -> bool:
        seat.status, seat.missed, seat.contestable_until = "completed", None, None
        return True

    def _finalise(self, seat: Seat) -> None:
        seat.final = True
        if seat.missed != "student":
            seat.owes(100)
        if seat.missed == "coach":
            self._strike(seat)

    def _strike(self, seat: Seat) -> None:
        self.strikes.setdefault(seat.coach, {}).setdefault(seat.session_id, self.now)
