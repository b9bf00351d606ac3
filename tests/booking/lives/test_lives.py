"""The whole life of seats, step by step by chance, beside a model of it."""

import os
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.contracts import Money
from shared.contracts.payments import PaymentSucceededV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.lives.market import Product
from tests.booking.lives.model import (
    DAY,
    HOUR,
    LIVE,
    MINUTE,
    Market,
    Seat,
    Side,
    Terms,
)
from tests.given import NOW

DEEP = bool(os.environ.get("THOROUGH"))

TERMS = (
    Terms(before=0, after=0, tiers=((24, 100), (0, 0)), rate=6000),
    Terms(before=10, after=20, tiers=((48, 100), (24, 50), (0, 0)), rate=4999),
)
FIRST = NOW.replace(hour=15)
STARTS = [FIRST + day * DAY + n * HOUR / 2 for day in range(4) for n in range(6)]

CHOICE = st.integers(0, 10_000)
"""Which of the seats there are: taken by its remainder."""

STRIDES = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 12 * HOUR, DAY]


class Lives(RuleBasedStateMachine):
    """Every step is taken by the product and by the model, and they must agree."""

    server_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.product = Product(self.server_url, TERMS)
        self.model = Market(TERMS, NOW)

    def teardown(self) -> None:
        """Looked at once for a whole life: the history keeps all that happened."""
        try:
            assert self.product.illegal_steps() == []
            assert self.product.overlapping() == []
        finally:
            self.product.close()

    def seat(self, choice: int) -> Seat:
        return self.model.seats[choice % len(self.model.seats)]

    def person(self, seat: Seat, side: str) -> dict[str, str]:
        if side == "student":
            return given.student(self.product.students[seat.student])
        if side == "coach":
            return given.coach(self.product.coaches[seat.coach])
        return given.admin()

    def ask(self, seat: Seat, side: str, verb: str, good: bool, **body: Any) -> None:
        """The product does it if and only if the model has."""
        who = self.person(seat, side)
        response = self.product.post(seat.session_id, verb, who, **body)
        assert response.status_code < 500, response.text
        assert response.is_success == good, response.text

    @rule(
        student=st.integers(0, 2),
        coach=st.integers(0, 1),
        start=st.sampled_from(STARTS),
    )
    def hold(self, student: int, coach: int, start: datetime) -> None:
        good = self.model.may_hold(student, coach, start)
        response = self.product.hold(student, coach, start)
        assert response.status_code < 500, response.text
        assert response.is_success == good, response.text
        if good:
            held = response.json()
            self.model.seats.append(
                Seat(
                    session_id=held["id"],
                    seat_id=held["seat_id"],
                    coach=coach,
                    student=student,
                    start=start,
                    terms=TERMS[coach],
                    made_at=self.model.now,
                )
            )

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, again=st.booleans())
    def pay(self, choice: int, again: bool) -> None:
        """Stripe's word comes, perhaps once more."""
        seat = self.seat(choice)
        payment = seat.payment if again and seat.payment else str(new_id())
        self.model.pay(seat, payment)
        self.product.hear(
            PaymentSucceededV1(
                occurred_at=self.model.now,
                payment_id=payment,
                seat_ids=[seat.seat_id],
                amount=Money(amount=seat.terms.rate, currency="USD"),
                at=self.model.now,
            )
        )

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, by=st.sampled_from(["student", "coach", "admin"]))
    def cancel(self, choice: int, by: str) -> None:
        seat = self.seat(choice)
        if by == "admin" and self.model.now >= seat.start:
            return  # an admin may refund what has begun, by another way
        good = self.model.cancel(seat, by)
        self.ask(seat, by, "cancel", good, reason="cannot come")

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, start=st.sampled_from(STARTS))
    def reschedule(self, choice: int, start: datetime) -> None:
        seat = self.seat(choice)
        good = self.model.move(seat, start)
        self.ask(seat, "student", "reschedule", good, start=start.isoformat())

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, side=st.sampled_from(["student", "coach"]))
    def come(self, choice: int, side: Side) -> None:
        seat = self.seat(choice)
        self.ask(seat, side, "check-in", self.model.come(seat, side))

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, verb=st.sampled_from(["start", "complete", "waive"]))
    def coach_says(self, choice: int, verb: str) -> None:
        seat = self.seat(choice)
        does = {
            "start": self.model.begin,
            "complete": self.model.complete,
            "waive": self.model.waive,
        }
        self.ask(seat, "coach", verb, does[verb](seat))

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE)
    def student_is_missing(self, choice: int) -> None:
        seat = self.seat(choice)
        self.ask(seat, "coach", "no-show", self.model.miss(seat), party="student")

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, side=st.sampled_from(["student", "coach"]))
    def contest(self, choice: int, side: Side) -> None:
        seat = self.seat(choice)
        self.ask(seat, side, "contest", self.model.contest(seat, side))

    @rule(stride=st.sampled_from(STRIDES))
    def wait(self, stride: timedelta) -> None:
        self.pass_until(self.model.now + stride)

    @precondition(lambda self: self.model.seats)
    @rule(choice=CHOICE, ahead=st.sampled_from([24, 1, 0]))
    def wait_until_near(self, choice: int, ahead: int) -> None:
        """Just where something begins or ends to be possible."""
        self.pass_until(self.seat(choice).start - ahead * HOUR)

    def pass_until(self, target: datetime) -> None:
        """Ticks come when something falls due, and at the target."""
        while self.model.now < target:
            due = [each for each in self.model.boundaries() if each > self.model.now]
            self.model.now = min([target, *due])
            self.model.run_out()
            self.product.tick(self.model.now)

    @invariant()
    def product_and_model_agree(self) -> None:
        seats = {seat.seat_id: seat for seat in self.model.seats}
        for stored in self.product.stored():
            seat = seats.pop(stored.seat_id)
            assert stored == (
                seat.seat_id,
                seat.status,
                seat.start,
                seat.missed,
                seat.final,
                seat.back,
                seat.payment,
            )
        assert not seats

    @invariant()
    def nobody_is_in_two_places(self) -> None:
        live = [seat for seat in self.model.seats if seat.status in LIVE]
        for seat, other in combinations(live, 2):
            assert not seat.keeps_apart(other.coach, other.start, other.terms)
            assert not seat.occupies(other.student, other.start)


@pytest.mark.timeout(7200 if DEEP else 600)
@pytest.mark.parametrize("part", range(4))
def test_every_life_of_seats_is_what_the_rules_make_of_it(
    postgres_server: str, part: int
) -> None:
    """In four parts 200 lives of 30 steps; with THOROUGH set other 2,000 of 50."""
    machine = type("Lives", (Lives,), {"server_url": postgres_server})
    run_state_machine_as_test(
        machine if DEEP else seed(part)(machine),
        settings=settings(
            max_examples=500 if DEEP else 50,
            stateful_step_count=50 if DEEP else 30,
            derandomize=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
