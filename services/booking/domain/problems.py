"""How booking refuses."""

from shared.errors import (
    Conflict,
    InvalidRequest,
    Problem,
    TooManyRequests,
    Unavailable,
)


class SlotTaken(Conflict):
    """Somebody else was faster, also at the last seat of a group.

    `alternatives`: up to five `{start, end, price}` of the same kind.
    """

    slug = "slot-taken"
    title = "This time has just been taken"


class StudentBusy(Conflict):
    """The student has a session of its own at that time (S5)."""

    slug = "student-busy"
    title = "You have another session at this time"


class PriceChanged(Conflict):
    """`expected_price` is not the price any more; `price` carries the new one."""

    slug = "price-changed"
    title = "The price has changed"


class WrongStatus(Conflict):
    """The seat is no longer in a state that allows this: `session_status` says it."""

    slug = "wrong-status"
    title = "The session is not in a state that allows this"


class NeedsProposal(Conflict):
    """It is too late to move alone: the coach has to agree to a proposal."""

    slug = "needs-proposal"
    title = "The coach has to agree to this move"


class NoProposalNeeded(Conflict):
    """The student may still move the session without asking."""

    slug = "no-proposal-needed"
    title = "You may move this session at once"


class TooManyMoves(Conflict):
    """The student has moved this session as often as it may."""

    slug = "too-many-moves"
    title = "This session has been moved too often"


class GroupNotMoved(Conflict):
    """Only the coach proposes another time to a group."""

    slug = "group-not-moved"
    title = "Students do not move a group session"


class ProposalOpen(Conflict):
    """This side has an open proposal for the session already."""

    slug = "proposal-open"
    title = "Another proposal waits for its answer"


class ProposalClosed(Conflict):
    """The proposal waits for no answer (of the caller): `proposal_status` says it."""

    slug = "proposal-closed"
    title = "The proposal does not wait for an answer"


class TooEarly(Conflict):
    """This is possible later: from `possible_from` on."""

    slug = "too-early"
    title = "It is too early for this"


class TooLate(Conflict):
    """This is not possible any more: it was until `possible_until`."""

    slug = "too-late"
    title = "It is too late for this"


class HasCome(Conflict):
    """Who is said to be missing was seen at the session; `since` says when first."""

    slug = "has-evidence"
    title = "There is evidence of the student"


class ProblemReported(Conflict):
    """A seat has one problem; it was reported at `reported_at`."""

    slug = "problem-reported"
    title = "A problem was reported already"


class NoOpenProblem(Conflict):
    """There is nothing to decide: no problem was reported, or it is decided."""

    slug = "no-open-problem"
    title = "There is no open problem"


class SlotNotOffered(Problem):
    """The coach does not offer this time; `reasons` are those of S10.

    `alternatives`: up to five `{start, end, price}`.
    """

    status = 422
    slug = "slot-not-offered"
    title = "The coach does not offer this time"


class SeriesTaken(Conflict):
    """Somebody was faster, or the student has a session of its own then.

    `occurrences` says of each week that was asked for why it cannot be had.
    """

    slug = "series-taken"
    title = "Not all of these times can be had any more"


class SeriesNotOffered(Problem):
    """The coach does not offer all of the times: `occurrences` says why, by week."""

    status = 422
    slug = "series-not-offered"
    title = "The coach does not offer all of these times"


class TooManyWaits(Conflict):
    """The student waits for this coach often enough already."""

    slug = "too-many-waits"
    title = "You wait for this coach already"


class WaitlistFull(Conflict):
    """So many wait for this coach that nobody else would have a chance."""

    slug = "waitlist-full"
    title = "Too many students wait for this coach"


class DurationNotOffered(InvalidRequest):
    """The coach offers no sessions of that length at any time."""


class KindNotOffered(InvalidRequest):
    """The coach offers no group sessions: none by policy, or without a group rate."""


class OwnSlot(Problem):
    """Coach and student are one person."""

    status = 422
    slug = "own-slot"
    title = "Nobody can book a session with oneself"


class TooManyHolds(TooManyRequests):
    """The student holds more unpaid seats than allowed."""

    slug = "too-many-holds"
    title = "Too many unpaid reservations"


class CallNotOpen(Conflict):
    """Joining is possible from 15 minutes before the start to 30 after the end.

    `opens_at` and `closes_at` say when.
    """

    slug = "call-not-open"
    title = "The call cannot be joined at this time"


class RoomUnavailable(Unavailable):
    """Who runs the call does not answer. The person's coming is noted all the same."""

    slug = "room-unavailable"
    title = "The call cannot be opened at the moment"


class TooManyCalendars(Conflict):
    """A coach subscribes to a few calendars only."""

    slug = "too-many-calendars"
    title = "Too many calendars"
