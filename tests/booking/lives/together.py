"""The machine of groups: several students in one session of a coach."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from shared.ids import new_id
from tests.booking.lives.agreeing import Agreeing
from tests.booking.lives.machine import CHOICE, WHEN
from tests.booking.lives.meeting import Meeting
from tests.booking.lives.seats import HOUR, Seat, Session, Terms
from tests.booking.lives.steps import step

STUDENTS = 4

JOINING = st.sampled_from([None, None, None, -26 * HOUR, -24 * HOUR, -3 * HOUR])
"""How long before the start of its group a step is taken; None: now."""

Asking = tuple[Sequence[int], int, tuple[int, int], Sequence[bool]]

ASKING: st.SearchStrategy[Asking] = st.tuples(
    st.permutations(range(STUDENTS)),
    st.integers(0, 1),
    WHEN,
    st.lists(st.sampled_from([True, True, True, False]), min_size=1, max_size=3),
)
"""Students, their coach, when; and how many ask, who pay at once or not."""


class Together(Meeting, Agreeing):
    """Groups, and sessions of one student that are in each other's way."""

    terms: ClassVar = (
        Terms(
            before=0,
            after=0,
            tiers=((24, 100), (0, 0)),
            rate=6000,
            group_rate=2000,
            capacity=2,
            minimum=2,
        ),
        Terms(
            before=10,
            after=20,
            tiers=((48, 100), (24, 50), (0, 0)),
            rate=4999,
            group_rate=1999,
            capacity=3,
            minimum=2,
        ),
    )
    many: ClassVar = 6

    @initialize(asking=ASKING)
    def begin(self, asking: Asking) -> None:
        """A group, if the time allows it."""
        self.sit(asking)

    def groups(self) -> list[Session]:
        return [s for s in self.model.sessions if s.kind == "group" and s.live()]

    @step(possible=lambda self: self.live() < self.many, asking=ASKING)
    def sit(self, asking: Asking) -> None:
        """One to three students ask for the same group, perhaps a new one."""
        students, coach, when, pay = asking
        for student, pays in zip(students, pay, strict=False):
            self.wants_a_seat(student, coach, when, pays)

    def wants_a_seat(
        self, student: int, coach: int, when: tuple[int, int], pays: bool
    ) -> None:
        day, half_hours = when
        start = self.start((day + 1, half_hours))  # a new one is a day ahead at least
        group = self.model.group_at(coach, start)
        wanted = group or Session("", coach, start, self.terms[coach], "group")
        good = self.model.may_sit(student, wanted, new=group is None)
        self.takes(student, wanted, good, pays)

    @step(
        weight=3,
        possible=lambda self: self.groups() and self.live() < self.many,
        student=st.integers(0, STUDENTS - 1),
        choice=CHOICE,
        moment=JOINING,
        pays=st.sampled_from([True, True, False]),
    )
    def join(
        self, student: int, choice: int, moment: timedelta | None, pays: bool
    ) -> None:
        groups = self.groups()
        group = groups[-1 - choice % len(groups)]
        self.at(moment, group.seats[-1])
        if group.live():
            good = self.model.may_sit(student, group, new=False)
            self.takes(student, group, good, pays)

    @step(possible=lambda self: self.groups(), choice=CHOICE, moment=JOINING)
    def run(self, choice: int, moment: timedelta | None) -> None:
        """The coach lets it take place however few take part."""
        seat = self.at(moment, self.one(choice, self.is_undecided))
        self.ask(seat, "coach", "run", self.model.run(seat.session))

    def is_undecided(self, seat: Seat) -> bool:
        session = seat.session
        return session.kind == "group" and session.fate is None and bool(session.live())

    @step(
        possible=lambda self: self.groups(),
        choice=CHOICE,
        by=st.sampled_from(["coach", "admin"]),
    )
    def call_off(self, choice: int, by: str) -> None:
        """The whole group: all its live seats, or none."""
        seat = self.one(choice, lambda seat: seat.session in self.groups())
        good = self.model.call_off(seat.session, by)
        who, session_id = self.person(seat, by), seat.session.session_id
        self.agree(self.product.post(session_id, "cancel", who, reason="ill"), good)

    @step(
        possible=lambda self: any(map(self.left, self.model.seats)),
        choice=CHOICE,
    )
    def pay_for_what_ran_out(self, choice: int) -> None:
        """Late; a seat may be left, in a group that has moved or was called off."""
        self.pays(self.one(choice, self.left), str(new_id()))

    def left(self, seat: Seat) -> bool:
        return seat.status == "expired" and seat.session.kind == "group"
