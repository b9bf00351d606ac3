"""What booking says: who holds, has and loses which seat."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts import Event, Instant, Money, Value

Kind = Literal["individual", "group"]
Party = Literal["student", "coach", "admin", "system"]


class RefundTerms(Value):
    """What a cancellation gives back, in minor units, and the rule that said so."""

    amount: int
    currency: str
    percent: int
    rule: str


class SeatHeldV1(Event):
    """A seat waits for its payment until `hold_expires_at`; then it is free again.

    The `series_size` seats of one `series_id` are paid together or not at all.
    """

    name: ClassVar[str] = "booking.seat_held.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    kind: Kind
    price: Money
    fee_percent: int
    hold_expires_at: Instant
    series_id: UUID | None = None
    series_size: int | None = None


class SeatExpiredV1(Event):
    """A hold ran out unpaid. A payment that still comes is decided when it comes."""

    name: ClassVar[str] = "booking.seat_expired.v1"

    seat_id: UUID


class SeatResoldV1(Event):
    """The time of a late cancellation was sold again. Said once per seat.

    `refund` is what goes back beside what the cancellation gave: all that it kept.
    """

    name: ClassVar[str] = "booking.seat_resold.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    refund: RefundTerms


class OfferMadeV1(Event):
    """A time that became free is held for a student who waited for it."""

    name: ClassVar[str] = "booking.offer_made.v1"

    waitlist_id: UUID
    session_id: UUID
    seat_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    price: Money
    expires_at: Instant


class WaitlistDueV1(Event):
    """Students wait for this coach: it is time to look whether a time is free."""

    name: ClassVar[str] = "booking.waitlist_due.v1"

    coach_id: UUID


class SeatConfirmedV1(Event):
    """The seat is paid for and will take place. Said once per seat.

    `sequence` is the calendar entry's SEQUENCE (RFC 5545) with these times.
    """

    name: ClassVar[str] = "booking.seat_confirmed.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    start_version: int
    paid_by: Literal["money", "credit", "free"]
    goals: str | None
    sequence: int = 0


class PaymentRefusedV1(Event):
    """Money came for a seat that cannot be had any more. It must go back in full."""

    name: ClassVar[str] = "booking.payment_refused.v1"

    seat_id: UUID | None = None
    purchase_id: UUID | None = None
    payment_id: UUID
    reason: str


class SeatCancelledV1(Event):
    """The seat is given up. `refund` is what is owed, None if nothing was paid.

    `sequence` is the calendar entry's SEQUENCE (RFC 5545) for this change; `was` tells
    whether a confirmation had gone out before.
    """

    name: ClassVar[str] = "booking.seat_cancelled.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    was: Literal["held", "confirmed"]
    by: Party
    reason: str | None
    refund: RefundTerms | None
    credit: Literal["returned", "consumed", "none"]
    sequence: int


class SessionMovedV1(Event):
    """A session takes place at another time, with the seats that are named.

    `student_ids` are theirs, in the order of `seat_ids`. `by` is whose wish it was;
    `start_version` rises with each move. `sequence` as for a cancellation.
    """

    name: ClassVar[str] = "booking.session_moved.v1"

    session_id: UUID
    coach_id: UUID
    seat_ids: tuple[UUID, ...]
    student_ids: tuple[UUID, ...]
    old_start: Instant
    old_end: Instant
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    start_version: int
    sequence: int
    by: Literal["student", "coach"]
    reason: str | None


class AboutProposal(Event):
    """Another time that one side wants for a session, instead of `old_start`.

    `by` proposed it. `student_ids` are those of the session's confirmed seats.
    """

    proposal_id: UUID
    session_id: UUID
    coach_id: UUID
    student_ids: tuple[UUID, ...]
    old_start: Instant
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    by: Literal["student", "coach"]
    reason: str | None
    status: Literal["open", "accepted", "declined", "expired"]
    expires_at: Instant


class ProposalMadeV1(AboutProposal):
    """The other side is asked; the time is not held meanwhile."""

    name: ClassVar[str] = "booking.proposal_made.v1"


class ProposalAnsweredV1(AboutProposal):
    """A proposal no longer waits. Said once per proposal.

    `overtaken`: nobody answered, and nobody can any more, because the session was
    moved, given up or begun. An accepted one has moved the session (`session_moved`).
    """

    name: ClassVar[str] = "booking.proposal_answered.v1"

    overtaken: bool = False


class Earned(Value):
    """What the coach earns with a seat before the fee, in minor units, and of what."""

    amount: int
    currency: str
    source: Literal["money", "credit", "free"]


class AttendanceMissingV1(Event):
    """A session has begun and a side was not seen yet. Said once per side and start.

    `seat_id` and `student_id` are None for the coach of a group.
    """

    name: ClassVar[str] = "booking.attendance_missing.v1"

    session_id: UUID
    seat_id: UUID | None
    coach_id: UUID
    student_id: UUID | None
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    start_version: int
    party: Literal["student", "coach"]


class SeatCompletedV1(Event):
    """The seat took place, also one that was said to be missed: `was` tells.

    `version` rises with every outcome of the seat; an older one is void. `by` is who
    ended it, contested (a side that was named) or waived the no-show (the coach).
    """

    name: ClassVar[str] = "booking.seat_completed.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    version: int
    outcome: Literal["completed"] = "completed"
    final: Literal[True] = True
    was: Literal["confirmed", "in_progress", "no_show"]
    missed: Literal["student", "coach", "both"] | None
    by: Party
    reason: str | None
    earned: Earned


class SeatMissedV1(Event):
    """Somebody did not come: `outcome`. Money moves once that is `final`, not before.

    Said as provisional first, unless the coach itself says that it was missing; then it
    may be contested until `provisional_until`, and a `seat_completed` of a higher
    `version` makes it void. `refund` is what the student gets back, None if nothing was
    paid or an admin has decided already.
    """

    name: ClassVar[str] = "booking.seat_missed.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    version: int
    outcome: Literal["student", "coach", "both"]
    final: bool
    provisional_until: Instant
    by: Party
    reason: str | None
    earned: Earned
    refund: RefundTerms | None


class ProblemReportedV1(Event):
    """A student says that something went wrong: no payout until an admin decides."""

    name: ClassVar[str] = "booking.problem_reported.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    by: Party
    reason: str | None


class ProblemDecidedV1(Event):
    """An admin has decided what goes back to the student. Said once per seat.

    `refund` is what the decision gives back, None if nothing was paid; `earned` is what
    is left to the coach after all refunds.
    """

    name: ClassVar[str] = "booking.problem_decided.v1"

    seat_id: UUID
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    start: Instant
    end: Instant
    game: str | None
    kind: Kind
    by: Party
    decision: Literal["full", "partial", "none"]
    reason: str
    refund: RefundTerms | None
    earned: Earned


class CoachPausedV1(Event):
    """A coach let down so many sessions that it is not to be listed for now.

    `version` rises with every pause and resumption of a coach; an older one is void.
    It lasts until `until` at most.
    """

    name: ClassVar[str] = "booking.coach_paused.v1"

    coach_id: UUID
    version: int
    strikes: int
    until: Instant


class CoachResumedV1(Event):
    """The strikes of a coach were cleared or have aged: it may be listed again."""

    name: ClassVar[str] = "booking.coach_resumed.v1"

    coach_id: UUID
    version: int
