"""What the model knows of sessions and of the seats in them.

Written from the rules on paper; shares no code with the product.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Literal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LENGTH, HOLD, GRACE, NOTICE = HOUR, 15 * MINUTE, 15 * MINUTE, 2 * HOUR

Side = Literal["student", "coach"]
Kind = Literal["individual", "group"]
Tiers = Sequence[tuple[int, int]]

LIVE = {"held", "confirmed", "in_progress"}
COUNTED = LIVE | {"completed", "no_show"}
MOST_ALIVE = (
    "in_progress",
    "confirmed",
    "held",
    "completed",
    "no_show",
    "cancelled",
    "expired",
)


@dataclass(frozen=True)
class Terms:
    """Of a coach: buffers in minutes, [hours before, percent], minor units an hour.

    With a `capacity` of more than one the coach has groups too.
    """

    before: int
    after: int
    tiers: Tiers
    rate: int
    group_rate: int | None = None
    capacity: int = 1
    minimum: int = 1


@dataclass(eq=False)
class Session:
    """A coach's hour with one student or several; `fate` is a group's as a whole."""

    session_id: str
    coach: int
    start: datetime
    terms: Terms
    kind: Kind = "individual"
    coach_came: datetime | None = None
    fate: str | None = None
    seats: "list[Seat]" = field(default_factory=list)

    @property
    def end(self) -> datetime:
        return self.start + LENGTH

    @property
    def capacity(self) -> int:
        return self.terms.capacity if self.kind == "group" else 1

    @property
    def price(self) -> int:
        if self.kind == "group":
            assert self.terms.group_rate is not None
            return self.terms.group_rate
        return self.terms.rate

    @property
    def status(self) -> str:
        """That of the most alive of its seats."""
        return min((s.status for s in self.seats), key=MOST_ALIVE.index)

    def live(self) -> "list[Seat]":
        return [seat for seat in self.seats if seat.status in LIVE]

    def confirmed(self) -> "list[Seat]":
        return [seat for seat in self.seats if seat.status == "confirmed"]

    def keeps_apart(
        self,
        coach: int,
        start: datetime,
        terms: Terms,
        among: Collection[str] = COUNTED,
    ) -> bool:
        """Whether a session of the coach at `start` would come too close to this."""
        own = self.terms
        after = timedelta(minutes=own.after + terms.before)
        before = timedelta(minutes=own.before + terms.after)
        near = start < self.end + after and self.start < start + LENGTH + before
        return self.coach == coach and near and self.status in among


@dataclass(eq=False)
class Seat:
    """One student's place in a session and what is known of it."""

    seat_id: str
    session: Session
    student: int
    start: datetime
    made_at: datetime
    runs_out: datetime
    series: str | None = None
    is_offer: bool = False
    status: str = "held"
    payment: str | None = None
    confirmed_at: datetime | None = None
    cancelled_at: datetime | None = None
    came: datetime | None = None
    missed: str | None = None
    contestable_until: datetime | None = None
    final: bool = False
    back: int | None = None
    marks: list[int] = field(default_factory=list)
    moved_by_coach: bool = False
    moves: int = 0
    reported: bool = False
    decided: bool = False

    @property
    def price(self) -> int:
        return self.session.price

    @property
    def end(self) -> datetime:
        return self.start + LENGTH

    def occupies(self, student: int, start: datetime) -> bool:
        near = start < self.end and self.start < start + LENGTH
        return self.student == student and self.status in LIVE and near

    def cancel(self, now: datetime) -> None:
        self.status, self.cancelled_at = "cancelled", now

    def was_sold(self, at: datetime) -> bool:
        sold = self.confirmed_at is not None and self.confirmed_at <= at
        return sold and (self.cancelled_at is None or self.cancelled_at > at)

    def owes(self, percent: int) -> None:
        """So much of the price goes back, as far as it has not already."""
        share = floor(Fraction(self.price * percent, 100) + Fraction(1, 2))
        gone = self.back or 0
        self.back = gone + min(share, self.price - gone)

    def tier(self, now: datetime) -> int:
        left = self.start - now
        tiers = self.session.terms.tiers
        return next((p for h, p in tiers if left >= h * HOUR), 0)

    def lowest(self, now: datetime) -> int:
        return min([self.tier(now), *self.marks])

    def percent(self, now: datetime) -> int:
        """What the student gets back who cancels now."""
        if self.status == "held" or self.moved_by_coach:
            return 100
        assert self.confirmed_at is not None
        return 100 if now <= self.confirmed_at + GRACE else self.lowest(now)

    def absent(self, at: datetime) -> str | None:
        """Who was not seen by then."""
        seen = {"student": self.came, "coach": self.session.coach_came}
        sides = [side for side, when in seen.items() if when is None or when > at]
        return {0: None, 1: sides[0] if sides else None, 2: "both"}[len(sides)]


@dataclass(eq=False)
class Proposal:
    """Another start for a session; it holds no time, and counts before `until`."""

    proposal_id: str
    session: Session
    by: Side
    start: datetime
    until: datetime
    status: str = "open"
    said: dict[str, bool] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    def waits(self) -> bool:
        """Whether a seat that is sold has still to answer."""
        return any(s.seat_id not in self.said for s in self.session.confirmed())
