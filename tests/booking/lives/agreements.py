"""Other times that one side proposes and the other agrees to, in the model."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.booking.lives.seats import DAY, HOUR, Proposal, Seat, Session, Side
from tests.booking.lives.times import Times

LIFETIME = 48 * HOUR
HORIZON = 60 * DAY
GRID = timedelta(minutes=30)


class Agreements(Times):
    """Each operation returns whether it is allowed now."""

    def may_propose(self, seat: Seat, by: Side, start: datetime) -> bool:
        """The coach may set its own settings aside, the student its notice only."""
        session = seat.session
        good = (
            session.status == "confirmed"
            and self.now < session.start
            and start != session.start
            and start > self.now
            and not self._has_proposed(session, by)
            and self.is_free(session.coach, start, session)
        )
        if by == "coach":
            return good
        return (
            good
            and session.kind == "individual"
            and seat.moves < 3
            and seat.lowest(self.now) < 100
            and (start - start.replace(hour=0, minute=0)) % GRID == 0 * GRID
            and start.date() <= self.now.date() + HORIZON
            and not self.is_paused(session.coach)
            and self.is_idle(seat.student, start, seat)
        )

    def _has_proposed(self, session: Session, by: Side) -> bool:
        return any(
            each.session is session and each.by == by and each.is_open
            for each in self.proposals
        )

    def propose(
        self, proposal_id: str, session: Session, by: Side, start: datetime
    ) -> None:
        """Two days at most, until either start; of a group half of the time to that."""
        left = min(session.start, start) - self.now
        until = self.now + min(LIFETIME, left / 2 if session.kind == "group" else left)
        self.proposals.append(Proposal(proposal_id, session, by, start, until))

    def answer(self, proposal: Proposal, seat: Seat, side: Side, yes: bool) -> bool:
        """Whether the side may say so for the seat; then what follows is done."""
        session, start = proposal.session, proposal.start
        good = (
            side != proposal.by
            and proposal.is_open
            and seat.status == "confirmed"
            and self.now < min(session.start, proposal.until)
            and seat.seat_id not in proposal.said
        )
        if yes:
            free = self.is_free(session.coach, start, session)
            good = good and free and self.is_idle(seat.student, start, seat)
        if good:
            proposal.said[seat.seat_id] = yes
            self.settle(proposal)
        return good

    def settle(self, proposal: Proposal) -> bool:
        """Close it if all have answered or its time is over; whether that was so."""
        over = proposal.until <= self.now
        if proposal.waits() and not over:
            return False
        seats = proposal.session.confirmed()
        agreed = [seat for seat in seats if proposal.said.get(seat.seat_id)]
        if agreed:
            went = self._carry_out(proposal, agreed)
            proposal.status = "accepted" if went else "expired"
        else:
            proposal.status = "expired" if proposal.waits() else "declined"
        return True

    def _carry_out(self, proposal: Proposal, agreed: Sequence[Seat]) -> bool:
        """Go with those who agreed; the others get everything back."""
        session, start = proposal.session, proposal.start
        going = [seat for seat in agreed if self.is_idle(seat.student, start, seat)]
        gone = self.now >= session.start
        if gone or not going or not self.is_free(session.coach, start, session):
            return False
        for seat in session.live():
            if seat not in going:
                if seat.status != "held":
                    seat.owes(100)
                seat.cancel(self.now)
        self.relocate(session, going, start, proposal.by)
        return True

    def relocate(
        self, session: Session, seats: Sequence[Seat], start: datetime, by: Side
    ) -> None:
        """The session takes place then; what was seen of it at the old time is moot.

        A student's wish leaves a mark, a coach's erases all and lets them cancel free.
        """
        for seat in seats:
            if by == "student":
                seat.marks.append(seat.tier(self.now))
                seat.moves += 1
            else:
                seat.marks.clear()
            seat.moved_by_coach = by == "coach"
            seat.start, seat.came = start, None
        session.start, session.coach_came = start, None
        self.overtake(session)

    def overtake(self, session: Session) -> None:
        """It was moved, given up or begun: nobody answers its proposals any more."""
        for each in self.proposals:
            if each.session is session and each.is_open:
                each.status = "expired"

    def overtake_what_is_over(self) -> None:
        for each in self.proposals:
            if each.is_open and each.session.status != "confirmed":
                each.status = "expired"

    def settle_due(self) -> bool:
        """What the tick closes: what ran out, and groups that need not wait."""
        due = [p for p in self.proposals if p.is_open and self._is_due(p)]
        return bool([self.settle(each) for each in due if each.is_open])

    def _is_due(self, proposal: Proposal) -> bool:
        moot = proposal.session.kind == "group" and not proposal.waits()
        return moot or proposal.until <= self.now
