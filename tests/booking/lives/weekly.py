"""Steps with series: weekly sessions that are bought at once."""

from hypothesis import strategies as st

from shared.ids import new_id
from tests.booking.lives.machine import CHOICE, WHEN, Lives
from tests.booking.lives.seats import DAY, HOLD, Seat, Session
from tests.booking.lives.steps import step


class Weekly(Lives):
    """Students book several weeks, and give up what is left of them."""

    @step(
        possible=lambda self: self.live() < self.many,
        student=st.integers(0, 2),
        coach=st.integers(0, 1),
        when=WHEN,
        weeks=st.integers(2, 3),
        pays=st.sampled_from([True, True, False]),
    )
    def hold_weeks(
        self, student: int, coach: int, when: tuple[int, int], weeks: int, pays: bool
    ) -> None:
        """All of them, or none."""
        starts = [self.start(when) + week * 7 * DAY for week in range(weeks)]
        good = self.model.may_hold_all(student, coach, starts)
        response = self.product.hold_weeks(student, coach, starts)
        self.agree(response, good)
        if good:
            series, runs_out = response.json(), min(self.model.now + HOLD, starts[0])
            made = sorted(series["sessions"], key=lambda each: str(each["start"]))
            for start, held in zip(starts, made, strict=True):
                session = Session(held["id"], coach, start, self.terms[coach])
                seat = self.model.seat(session, held["seat_id"], student)
                seat.series, seat.runs_out = series["id"], runs_out
            if pays:
                self.pays(self.model.seats[-1], str(new_id()))

    @step(
        possible=lambda self: any(map(self.is_left, self.model.seats)),
        choice=CHOICE,
        by=st.sampled_from(["student", "student", "coach", "admin"]),
        all_of_it=st.booleans(),
    )
    def cancel_from(self, choice: int, by: str, all_of_it: bool) -> None:
        """A series from one of its sessions on, or what is left of it."""
        seats = [seat for seat in self.model.seats if self.is_left(seat)]
        seat = seats[choice % len(seats)]
        assert seat.series is not None
        since = self.model.now if all_of_it else seat.session.start
        good = self.model.cancel_from(seat.series, since, by)
        first = None if all_of_it else seat.session.session_id
        who = self.person(seat, by)
        self.agree(self.product.cancel_series(seat.series, first, who), good)

    def is_left(self, seat: Seat) -> bool:
        return seat.series is not None and seat.status in ("held", "confirmed")
