"""What is decided about a group as a whole, in the model."""

from datetime import datetime

from tests.booking.lives.outcomes import Outcomes
from tests.booking.lives.seats import DAY, NOTICE, Session


class Groups(Outcomes):
    """A group is opened by its first seat, and decided about a day before its start."""

    def group_at(self, coach: int, start: datetime) -> Session | None:
        """The group that who wants a seat then joins, full or not."""
        for session in self.sessions:
            at = session.coach == coach and session.start == start
            if at and session.kind == "group" and session.live():
                return session
        return None

    def may_sit(self, student: int, session: Session, *, new: bool) -> bool:
        """Whether this student gets a seat in the group, which is opened by that."""
        ahead = DAY if new else NOTICE
        return (
            self.may_wait_for_money(student, session.coach)
            and session.start >= self.now + ahead
            and not self.is_paused(session.coach)
            and self.is_idle(student, session.start)
            and len(session.live()) < session.capacity
            and (not new or self.is_free(session.coach, session.start))
        )

    def run(self, session: Session) -> bool:
        """Whether the coach may let it take place however few take part."""
        if not session.live() or session.kind != "group":
            return False
        if session.fate is None and self.now < session.start - DAY:
            session.fate = "runs"
        return session.fate == "runs"

    def decide_groups(self) -> bool:
        """Those too small are called off a day before; whether any was decided about.

        One that was large enough then runs, and one that is large enough by now.
        """
        due = [each for each in self.sessions if self._is_to_decide(each)]
        for session in due:
            at = session.start - DAY
            then = [seat for seat in session.seats if seat.was_sold(at)]
            most = max(len(session.confirmed()), len(then))
            enough = most >= session.terms.minimum
            session.fate = "runs" if enough else "called_off"
            if not enough:
                for seat in session.live():
                    if seat.status != "held":
                        seat.owes(100)
                    seat.cancel(self.now)
        return bool(due)

    def _is_to_decide(self, session: Session) -> bool:
        undecided = session.kind == "group" and session.fate is None
        near = self.now >= session.start - DAY
        return undecided and near and session.status in ("held", "confirmed")

    def comes_too_late(self, session: Session) -> bool:
        """Whether one more seat does not bring the group back that had ended."""
        near = self.now >= session.start - DAY
        few = len(session.live()) + 1 < session.terms.minimum
        return session.kind == "group" and session.fate is None and near and few
