"""What becomes of seats from their start on, in the model."""

from tests.booking.lives.agreements import Agreements
from tests.booking.lives.seats import DAY, HOUR, LENGTH, MINUTE, Seat, Session, Side

BEGUN = {"confirmed", "in_progress"}


class Outcomes(Agreements):
    """Each operation returns whether it is allowed now; then it is done."""

    def come(self, seat: Seat, side: Side) -> bool:
        """Whether "I'm here" counts: of the student for its seat, of the coach for all.

        The first time counts.
        """
        session = seat.session
        near = session.start - 15 * MINUTE <= self.now <= session.end
        good = near and seat.status in BEGUN | {"no_show"}
        if good and side == "student":
            seat.came = seat.came or self.now
        elif good:
            session.coach_came = session.coach_came or self.now
        return good

    def begin(self, session: Session) -> bool:
        """Whether the coach may start: then all who are confirmed are in progress."""
        near = session.start - 10 * MINUTE <= self.now <= session.end
        confirmed = session.confirmed()
        if not confirmed or not near:
            return False
        session.coach_came = session.coach_came or self.now
        for seat in confirmed:
            seat.status = "in_progress"
        self.overtake_what_is_over()
        return True

    def complete(self, seat: Seat) -> bool:
        good = seat.status in BEGUN and self.now >= seat.start + LENGTH / 2
        if good:
            seat.status = "completed"
        return good

    def miss(self, seat: Seat) -> bool:
        """Whether the coach may say that the student does not come."""
        late = self.now >= seat.start + 15 * MINUTE
        good = seat.status in BEGUN and late and seat.came is None
        if good:
            self.missed(seat, "student")
        return good

    def contest(self, seat: Seat, side: Side) -> bool:
        good = self._is_open(seat) and seat.missed in (side, "both")
        return good and self._took_place(seat)

    def waive(self, seat: Seat) -> bool:
        good = self._is_open(seat) and seat.missed == "student"
        return good and self._took_place(seat)

    def report(self, seat: Seat) -> bool:
        """Whether the student may say that something went wrong."""
        in_time = seat.start <= self.now <= seat.end + 72 * HOUR
        sold = seat.status in BEGUN | {"completed", "no_show"}
        good = sold and in_time and not seat.reported
        seat.reported |= good
        return good

    def decide(self, seat: Seat, percent: int) -> bool:
        """Whether there is a problem to decide: so much of the price goes back."""
        good = seat.reported and not seat.decided
        if good:
            seat.decided, before = True, seat.back
            seat.owes(percent)
            if not seat.back:
                seat.back = before
        return good

    def missed(self, seat: Seat, who: str) -> None:
        """For a day it can be contested."""
        seat.status, seat.missed = "no_show", who
        seat.contestable_until = self.now + DAY

    def stands(self, seat: Seat) -> None:
        """Now money moves, unless an admin has said already how much of it does."""
        seat.final = True
        if seat.missed != "student" and not seat.decided:
            seat.owes(100)
        if seat.missed == "coach":
            self.strike(seat.session)

    def fall_due(self, seat: Seat) -> bool:
        """Do what time alone does to a seat that has begun; whether it did anything."""
        if seat.status in BEGUN:
            return self._judge(seat)
        if seat.status == "no_show" and not seat.final:
            assert seat.contestable_until is not None
            if seat.contestable_until <= self.now:
                self.stands(seat)
                return True
        return False

    def _judge(self, seat: Seat) -> bool:
        early, late = seat.start + 15 * MINUTE, seat.end + 2 * HOUR
        absent = seat.absent(early)
        if self.now >= early and absent in ("student", "coach"):
            self.missed(seat, absent)
            return True
        if self.now < late:
            return False
        absent = seat.absent(self.now)
        if seat.status == "in_progress" or absent is None:
            seat.status = "completed"
        else:
            self.missed(seat, absent)
        return True

    def _is_open(self, seat: Seat) -> bool:
        return seat.status == "no_show" and not seat.final

    def _took_place(self, seat: Seat) -> bool:
        seat.status, seat.missed, seat.contestable_until = "completed", None, None
        return True
