"""Steps towards another time: one side proposes it, the other accepts or declines."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import strategies as st

from tests.booking.lives.machine import CHOICE, WHEN, Lives
from tests.booking.lives.seats import HOUR, MINUTE, MOST_ALIVE, Proposal, Seat, Side
from tests.booking.lives.steps import step

SIDES: st.SearchStrategy[Side] = st.sampled_from(("student", "coach"))

BEFORE_THE_START = st.sampled_from(
    [None, None, -30 * HOUR, -10 * HOUR, -HOUR, -10 * MINUTE]
)
"""How long before the start of its session a step is taken; None: now."""


class Agreeing(Lives):
    """Sessions move, if both sides want it."""

    @step(
        weight=3,
        possible=lambda self: any(map(self.lies_ahead, self.model.seats)),
        choice=CHOICE,
        by=SIDES,
        when=WHEN,
        off_grid=st.sampled_from([0, 0, 0, 10]),
        moment=BEFORE_THE_START,
        said=st.sampled_from([True, True, False, None, None]),
    )
    def propose(
        self,
        choice: int,
        by: Side,
        when: tuple[int, int],
        off_grid: int,
        moment: timedelta | None,
        said: bool | None,
    ) -> None:
        """One side asks; often the other answers at once."""
        seat = self.at(moment, self.to_move(choice))
        start = self.start(when) + off_grid * MINUTE
        self.proposes(seat, by, start, said)

    def proposes(
        self, seat: Seat, by: Side, start: datetime, said: bool | None
    ) -> None:
        good = self.model.may_propose(seat, by, start)
        who, session = self.person(seat, by), seat.session
        body = {"start": start.isoformat()}
        made = self.product.post(session.session_id, "proposals", who, **body)
        self.agree(made, good)
        if good:
            self.model.propose(made.json()["id"], session, by, start)
            if said is not None:
                other: Side = "coach" if by == "student" else "student"
                self.answers(self.model.proposals[-1], seat, other, said)

    @step(
        possible=lambda self: any(map(self.lies_ahead, self.model.seats)),
        choice=CHOICE,
        moment=BEFORE_THE_START,
        turns=st.lists(st.tuples(SIDES, WHEN), min_size=2, max_size=5),
    )
    def move_again_and_again(
        self,
        choice: int,
        moment: timedelta | None,
        turns: Sequence[tuple[Side, tuple[int, int]]],
    ) -> None:
        """Late at first perhaps; what a move does to the next ones shows then."""
        seat = self.at(moment, self.to_move(choice))
        for by, when in turns:
            if by == "student" and seat.lowest(self.model.now) == 100:
                self.moves(seat, self.start(when))
            else:
                self.proposes(seat, by, self.start(when), True)
            self.is_told(seat)

    def to_move(self, choice: int) -> Seat:
        """What moves do to each other shows where there are several: half the time."""
        moved = [seat for seat in self.model.seats if seat.moves or seat.moved_by_coach]
        again = choice % 2 and any(map(self.lies_ahead, moved))
        return self.one(
            choice, lambda s: self.lies_ahead(s) and (s in moved or not again)
        )

    def lies_ahead(self, seat: Seat) -> bool:
        return seat.status == "confirmed" and self.model.now < seat.start

    @step(
        weight=3,
        possible=lambda self: any(each.is_open for each in self.model.proposals),
        choice=CHOICE,
        which=CHOICE,
        other=st.sampled_from([True] * 7 + [False]),
        yes=st.sampled_from([True, True, False]),
    )
    def answer(self, choice: int, which: int, other: bool, yes: bool) -> None:
        """Mostly of one that waits, for a seat that has not answered, the other side."""
        made = self.model.proposals
        pool = [each for each in made if each.is_open or choice % 8 == 7]
        proposal = pool[-1 - choice // 8 % len(pool)]
        seats = [s for s in proposal.session.seats if s.seat_id not in proposal.said]
        seats = seats or proposal.session.seats
        side: Side = "coach" if (proposal.by == "student") == other else "student"
        self.answers(proposal, seats[which % len(seats)], side, yes)

    def answers(self, made: Proposal, seat: Seat, side: Side, yes: bool) -> None:
        if side == "student":  # who came back into a group speaks for the new seat
            own = [s for s in made.session.seats if s.student == seat.student]
            seat = min(own, key=lambda each: MOST_ALIVE.index(each.status))
        good = self.model.answer(made, seat, side, yes)
        verb = f"proposals/{made.proposal_id}/{'accept' if yes else 'decline'}"
        session_id = made.session.session_id
        self.agree(self.product.post(session_id, verb, self.person(seat, side)), good)
        if made.status == "accepted":
            self.is_told(seat)

    @step(
        weight=2,
        possible=lambda self: any(map(self.lies_ahead, self.model.seats)),
        choice=CHOICE,
        when=WHEN,
    )
    def reschedule(self, choice: int, when: tuple[int, int]) -> None:
        """The student moves it alone."""
        seat, start = self.to_move(choice), self.start(when)
        self.moves(seat, start)

    def moves(self, seat: Seat, start: datetime) -> None:
        good = self.model.move(seat, start)
        self.ask(seat, "student", "reschedule", good, start=start.isoformat())
