"""Steps of those who wait for a time that another has."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant

from shared.contracts.booking import WaitlistDueV1
from tests.booking.lives.line import Entry, Line
from tests.booking.lives.machine import CHOICE, WHEN, Lives
from tests.booking.lives.seats import NOTICE
from tests.booking.lives.steps import step


class Waiting(Lives):
    """Students wait for an hour, are offered it in their order, and take it or not."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(self.model)

    @step(
        weight=2,
        possible=lambda self: self.model.seats and len(self.line.entries) < 6,
        student=st.integers(0, 2),
        choice=CHOICE,
        when=st.none() | WHEN,
        coach=st.integers(0, 1),
    )
    def join_the_line(
        self, student: int, choice: int, when: tuple[int, int] | None, coach: int
    ) -> None:
        """Mostly for an hour that somebody has."""
        taken = self.one(choice, lambda seat: seat.status in ("held", "confirmed"))
        start = self.start(when) if when else taken.session.start
        coach = coach if when else taken.session.coach
        good = self.line.may_join(student, coach, start)
        response = self.product.join_line(student, coach, start)
        self.agree(response, good)
        if good:
            self.line.entries.append(
                Entry(response.json()["id"], student, coach, start, self.model.now)
            )

    @step(
        weight=3,
        possible=lambda self: self.live() < self.many + 1 and self.waiting(),
        choice=CHOICE,
        freed=st.booleans(),
    )
    def call_the_line(self, choice: int, freed: bool) -> None:
        """It is looked at whom a time fits, half the time after one has become free."""
        waiting = self.waiting()
        entry = waiting[choice % len(waiting)]
        if freed:
            self.free(entry)
        served = self.line.call(entry.coach)
        coach_id = self.product.coaches[entry.coach]
        now = self.model.now
        self.product.hear(WaitlistDueV1(occurred_at=now, coach_id=coach_id))
        offered = self.product.offered()
        for each in served:
            assert each.seat is not None
            session_id, seat_id = offered[each.entry_id]
            each.seat.session.session_id, each.seat.seat_id = session_id, seat_id

    def waiting(self) -> list[Entry]:
        """Who may still be offered something."""
        soon = self.model.now + NOTICE
        line = [each for each in self.line.entries if each.seat is None]
        return [each for each in line if not each.left and each.start >= soon]

    def free(self, entry: Entry) -> None:
        """The coach gives up what is in the way."""
        terms = self.terms[entry.coach]
        for seat in self.model.seats:
            near = seat.session.keeps_apart(entry.coach, entry.start, terms)
            if near and seat.status in ("held", "confirmed"):
                good = self.model.cancel([seat], "coach")
                self.ask(seat, "coach", "cancel", good, reason="cannot come")

    @step(possible=lambda self: self.line.entries, choice=CHOICE)
    def leave_the_line(self, choice: int) -> None:
        """Whoever was offered something gives it up by that."""
        entries = self.line.entries
        offered = [each for each in entries if each.seat and each.seat.status == "held"]
        pool = offered if offered and choice % 4 else entries
        entry = pool[-1 - choice // 4 % len(pool)]
        good = self.line.leave(entry)
        self.agree(self.product.leave_line(entry.student, entry.entry_id), good)

    @invariant()
    def the_line_agrees(self) -> None:
        if self.line.entries:
            assert self.product.line() == [
                (each.entry_id, each.seat and each.seat.seat_id, each.left)
                for each in self.line.entries
            ]
