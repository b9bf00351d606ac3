"""Steps at a session and after it: who comes, what becomes of it, what went wrong."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import strategies as st

from tests.booking.lives.machine import CHOICE, Lives
from tests.booking.lives.seats import DAY, HOUR, MINUTE, Seat, Side
from tests.booking.lives.steps import step

WHO_COMES: Sequence[Sequence[Side]] = (
    ["student"],
    ["coach"],
    ["student", "coach"],
)

ABOUT_THE_START = st.sampled_from(
    [None, None, -15 * MINUTE, -10 * MINUTE, 0 * HOUR, 15 * MINUTE, HOUR / 2, HOUR]
)
AFTER_THE_START = st.sampled_from([None, 0 * HOUR, 30 * MINUTE, 73 * HOUR, 4 * DAY])
"""How long after the start of its session a step is taken; None: now."""


class Meeting(Lives):
    """Sessions take place, or not."""

    @step(
        weight=2,
        possible=lambda self: self.any("confirmed", "in_progress"),
        choice=CHOICE,
        sides=st.sampled_from(WHO_COMES),
        moment=ABOUT_THE_START,
    )
    def come(
        self, choice: int, sides: Sequence[Side], moment: timedelta | None
    ) -> None:
        seat = self.met(moment, choice)
        for side in sides:
            self.ask(seat, side, "check-in", self.model.come(seat, side))

    @step(
        weight=2,
        possible=lambda self: self.any("confirmed", "in_progress"),
        choice=CHOICE,
        verb=st.sampled_from(["start", "complete", "no-show"]),
        moment=ABOUT_THE_START,
    )
    def coach_says(self, choice: int, verb: str, moment: timedelta | None) -> None:
        seat = self.met(moment, choice)
        if verb == "start":
            self.ask(seat, "coach", verb, self.model.begin(seat.session))
        elif verb == "complete":
            self.ask(seat, "coach", verb, self.model.complete(seat))
        else:
            good = self.model.miss(seat)
            self.ask(seat, "coach", verb, good, party="student")

    def is_sold(self, seat: Seat) -> bool:
        return seat.status in ("confirmed", "in_progress")

    def met(self, moment: timedelta | None, choice: int) -> Seat:
        """Not at the instant of which the tick has judged who had come by then."""
        seat = self.at(moment, self.one(choice, self.is_sold))
        if self.model.now == seat.start + 15 * MINUTE:
            self.wait(MINUTE)
        return seat

    @step(
        possible=lambda self: self.any("no_show"),
        choice=CHOICE,
        side=st.sampled_from(["student", "coach", "waive"]),
    )
    def contest(self, choice: int, side: Side | str) -> None:
        seat = self.one(choice, lambda seat: seat.status == "no_show")
        if side == "waive":
            self.ask(seat, "coach", "waive", self.model.waive(seat))
        else:
            who: Side = "student" if side == "student" else "coach"
            self.ask(seat, who, "contest", self.model.contest(seat, who))

    @step(
        possible=lambda self: any(map(self.was_sold, self.model.seats)),
        choice=CHOICE,
        moment=AFTER_THE_START,
    )
    def report(self, choice: int, moment: timedelta | None) -> None:
        """The student says that something went wrong."""
        seat = self.one(choice, lambda s: self.was_sold(s) and not s.reported)
        self.at(moment, seat)
        self.ask(seat, "student", "problem", self.model.report(seat))

    @step(
        possible=lambda self: any(seat.reported for seat in self.model.seats),
        choice=CHOICE,
        percent=st.sampled_from([0, 1, 33, 50, 99, 100]),
    )
    def decide(self, choice: int, percent: int) -> None:
        seat = self.one(choice, lambda seat: seat.reported and not seat.decided)
        good = self.model.decide(seat, percent)
        self.agree(self.product.decide(seat, percent), good)

    def was_sold(self, seat: Seat) -> bool:
        return self.is_sold(seat) or seat.status in ("completed", "no_show")
