"""What all machines share: each step is taken by the product and by the model."""

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, ClassVar

import httpx2
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from shared.contracts import Money
from shared.contracts.payments import PaymentSucceededV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.lives.market import Product, Stored
from tests.booking.lives.model import Market
from tests.booking.lives.seats import (
    DAY,
    HOUR,
    LIVE,
    MINUTE,
    Seat,
    Session,
    Terms,
)
from tests.booking.lives.steps import Stepping, step
from tests.given import NOW

DEEP = bool(os.environ.get("THOROUGH"))

CHOICE = st.integers(0, 10_000)
"""Which of several: taken by its remainder."""

WHEN = st.tuples(st.sampled_from([2, 1, 3, 0]), st.integers(0, 5))
"""So many days from today, and half hours after three o'clock."""

STRIDES = [MINUTE, 15 * MINUTE, HOUR, 12 * HOUR]

MOMENTS = [
    -48 * HOUR,
    -24 * HOUR,
    -24 * HOUR,
    -10 * HOUR,
    -HOUR,
    0 * HOUR,
    HOUR,
    73 * HOUR,
] + [-10 * MINUTE, 15 * MINUTE, 30 * MINUTE] * 2
"""Before and after a start, when something begins or ends to be possible."""

Fits = Callable[[Seat], bool]


class Lives(Stepping):
    """Every step is taken by the product and by the model, and they must agree."""

    product: ClassVar[Product]
    terms: ClassVar[Sequence[Terms]]
    many: ClassVar[int]
    """So many live seats are enough: their lives tell more than another one's."""

    def __init__(self) -> None:
        super().__init__()
        self.product.forget()
        self.model = Market(self.terms, NOW)

    def teardown(self) -> None:
        """Looked at once for a whole life: the history keeps all that happened."""
        assert self.product.illegal_steps() == []
        assert self.product.overlapping() == []
        assert self.product.strikes() == {
            session_id: at for session_id, (_, at) in self.model.strikes.items()
        }

    def one(self, choice: int, fits: Fits = lambda _: True) -> Seat:
        """A seat: mostly one of those that fit, now and then any."""
        seats = self.model.seats
        fitting = [seat for seat in seats if fits(seat)]
        pool = fitting if fitting and choice % 8 < 7 else seats
        return pool[-1 - choice // 8 % len(pool)]

    def any(self, *status: str) -> bool:
        return any(seat.status in status for seat in self.model.seats)

    def live(self) -> int:
        return sum(seat.status in LIVE for seat in self.model.seats)

    def start(self, when: tuple[int, int]) -> datetime:
        day, half_hours = when
        three = NOW.replace(hour=15) + (self.model.now.date() - NOW.date())
        return three + day * DAY + half_hours * HOUR / 2

    def at(self, moment: timedelta | None, seat: Seat) -> Seat:
        """The seat, so long after its start, if that is not over."""
        if moment is not None:
            self.pass_until(seat.start + moment)
        return seat

    def person(self, seat: Seat, side: str) -> dict[str, str]:
        if side == "student":
            return given.student(self.product.students[seat.student])
        if side == "coach":
            return given.coach(self.product.coaches[seat.session.coach])
        return given.admin()

    def ask(self, seat: Seat, side: str, verb: str, good: bool, **body: Any) -> None:
        """The product does it if and only if the model has."""
        if seat.session.kind == "group" and verb != "run":
            body = {"seat_id": seat.seat_id} | body
        who, session_id = self.person(seat, side), seat.session.session_id
        self.agree(self.product.post(session_id, verb, who, **body), good)

    def agree(self, response: httpx2.Response, good: bool) -> None:
        assert response.status_code < 500, response.text
        assert response.is_success == good, response.text

    def pays(self, seat: Seat, payment: str) -> None:
        """A series is paid for at once; what becomes of the money is said by seat."""
        seats = [s for s in self.model.seats if s is seat or self.together(s, seat)]
        for each in seats:
            self.model.pay(each, payment)
        self.product.hear(
            PaymentSucceededV1(
                occurred_at=self.model.now,
                payment_id=payment,
                seat_ids=[each.seat_id for each in seats],
                amount=Money(amount=sum(s.price for s in seats), currency="USD"),
                at=self.model.now,
            )
        )

    def together(self, one: Seat, other: Seat) -> bool:
        return one.series is not None and one.series == other.series

    def takes(
        self, student: int, session: Session, good: bool, pays: bool = True
    ) -> None:
        """The student asks for a seat in that session, and pays for it perhaps."""
        coach, start = session.coach, session.start
        response = self.product.hold(student, coach, start, session.kind)
        self.agree(response, good)
        if good:
            held = response.json()
            session.session_id = session.session_id or held["id"]
            assert session.session_id == held["id"]
            seat = self.model.seat(session, held["seat_id"], student)
            if pays:
                self.pays(seat, str(new_id()))

    @initialize(
        students=st.permutations(range(3)),
        coach=st.integers(0, 1),
        whens=st.lists(WHEN, min_size=2, max_size=2, unique=True),
    )
    def begin(
        self, students: Sequence[int], coach: int, whens: list[tuple[int, int]]
    ) -> None:
        """Two are booked and paid for, with as many coaches, if the times allow it."""
        for student, when in zip(students, whens, strict=False):
            self.hold(student, coach, when, True)
            coach = 1 - coach

    @step(
        possible=lambda self: self.live() < self.many,
        student=st.integers(0, 2),
        coach=st.integers(0, 1),
        when=WHEN,
        pays=st.sampled_from([True, True, False]),
    )
    def hold(self, student: int, coach: int, when: tuple[int, int], pays: bool) -> None:
        start = self.start(when)
        good = self.model.may_hold(student, coach, start)
        self.takes(student, Session("", coach, start, self.terms[coach]), good, pays)

    @step(
        possible=lambda self: self.any("held", "expired"),
        choice=CHOICE,
        again=st.booleans(),
    )
    def pay(self, choice: int, again: bool) -> None:
        """Stripe's word comes, perhaps once more."""
        seat = self.one(choice, lambda seat: seat.status in ("held", "expired"))
        self.pays(seat, seat.payment if again and seat.payment else str(new_id()))

    @step(
        possible=lambda self: self.live(),
        choice=CHOICE,
        by=st.sampled_from(["student", "coach", "admin"]),
    )
    def cancel(self, choice: int, by: str) -> None:
        seat = self.one(choice, lambda seat: self.model.can_go(seat, by))
        good = self.model.cancel([seat], by)
        self.ask(seat, by, "cancel", good, reason="cannot come")

    @step(possible=lambda self: self.any("held", "confirmed"), choice=CHOICE)
    def quote(self, choice: int) -> None:
        """What cancelling would give is what it gives; it is asked more often."""
        self.is_told(self.one(choice, lambda seat: seat.status == "confirmed"))

    def is_told(self, seat: Seat) -> None:
        """What the seat's student would get back now."""
        good = self.model.can_go(seat, "student")
        response = self.product.quote(seat)
        self.agree(response, good)
        if good:
            percent = seat.percent(self.model.now)
            assert response.json()["percent"] == percent, response.text

    @step(stride=st.sampled_from(STRIDES))
    def wait(self, stride: timedelta) -> None:
        self.pass_until(self.model.now + stride)

    @step(
        possible=lambda self: self.model.seats,
        moment=st.sampled_from(MOMENTS),
        early=st.integers(0, 3),
    )
    def wait_until_near(self, moment: timedelta, early: int) -> None:
        """The next time that something begins or ends to be possible, or just before."""
        starts = [seat.start for seat in self.model.seats if self.matters(seat)]
        ahead = [each + moment for each in starts if each + moment > self.model.now]
        if ahead:
            self.pass_until(min(ahead) - MINUTE * (early == 0))

    def matters(self, seat: Seat) -> bool:
        return seat.status not in ("expired", "cancelled")

    def pass_until(self, target: datetime) -> None:
        """Ticks come when something falls due, and at the target."""
        while self.model.now < target:
            due = [each for each in self.model.boundaries() if each > self.model.now]
            self.model.now = min([target, *due])
            waiting = any(each.is_open for each in self.model.proposals)
            groups = any(each.kind == "group" for each in self.model.sessions)
            if self.model.run_out() or self.model.now == target:
                self.product.tick(self.model.now, proposals=waiting, groups=groups)

    @invariant()
    def product_and_model_agree(self) -> None:
        known = [
            Stored(
                seat.seat_id,
                seat.status,
                seat.start,
                seat.missed,
                seat.final,
                seat.back,
                seat.payment,
                seat.session.start,
                seat.session.fate,
            )
            for seat in self.model.seats
        ]
        for stored, expected in zip(self.product.stored(), known, strict=True):
            assert stored == expected, f"{stored} is not {expected}"

    @invariant()
    def proposals_agree(self) -> None:
        if self.model.proposals:
            assert self.product.proposals() == [
                (each.proposal_id, each.status, each.until)
                for each in self.model.proposals
            ]

    @invariant()
    def nobody_is_in_two_places(self) -> None:
        live: Collection[Session] = [s for s in self.model.sessions if s.live()]
        for one, other in combinations(live, 2):
            assert not one.keeps_apart(other.coach, other.start, other.terms)
        seats = [seat for session in live for seat in session.live()]
        for seat, another in combinations(seats, 2):
            assert not seat.occupies(another.student, another.start)
