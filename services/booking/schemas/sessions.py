"""Sessions, their seats and their cancelling, as clients see them."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from services.booking.domain.lifecycle import RefundStatus, Status
from services.booking.schemas.attendance import Attendance, ProblemView, Reason
from services.booking.schemas.proposals import MoveView, ProposalView
from shared.inputs import Input, Instant, Int, Line, Money, Output, Text

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


def _in_calendar(at: datetime) -> datetime:
    if not EARLIEST <= at <= LATEST:
        raise ValueError("must be from the year 2000 to 2999")
    return at


Moment = Annotated[Instant, AfterValidator(_in_calendar)]
"""An instant of years that every zone and the database can count in."""


class SessionRequest(Input):
    """The seat a student asks for; `expected_price` is the price it was shown.

    The first seat of a group opens it and fixes game and length; who asks for the same
    start and length joins it, and its game if it names none.
    """

    coach_id: UUID
    start: Moment
    duration_minutes: Annotated[Int, Field(ge=1, le=1440, examples=[60])]
    game: Line | None = None
    kind: Literal["individual", "group"] = "individual"
    goals: Annotated[Text, Field(max_length=2000)] | None = None
    expected_price: Money | None = None


class CancelRequest(Input):
    """A coach and an admin must say why; a student may.

    With `seat_id` a coach or an admin cancels this seat of a group only.
    """

    reason: Reason | None = None
    seat_id: UUID | None = None


class Step(Output):
    """One move of the seat, from nothing at first."""

    at: Instant
    before: Annotated[Status | None, Field(serialization_alias="from")]
    to: Status
    by: str
    reason: str | None


class Refund(Output):
    """What goes back, and how far it has come."""

    amount: Money
    percent: int
    status: RefundStatus


class SeatView(Output):
    """One student's place. A hold past `hold_expires_at` is shown as `expired`.

    An `offer` is a hold that the waitlist made; a seat of a series is paid with it.
    `no_show` says who missed it; that may be contested until `provisional_until`.
    """

    seat_id: UUID
    student_id: UUID
    status: Status
    goals: str | None
    price: Money
    hold_expires_at: Instant | None
    cancelled_by: Literal["student", "coach", "admin", "system"] | None
    no_show: Literal["student", "coach", "both"] | None
    provisional_until: Instant | None
    attendance: Attendance
    problem: ProblemView | None
    refund: Refund | None
    payment_id: UUID | None
    series_id: UUID | None
    offer: bool
    history: list[Step]


class SessionView(SeatView):
    """A session with the seat that concerns the caller.

    A student sees its own seat. A coach and an admin see all of them in `seats`, and
    above the one that is most alive; `seats` is null for a student. `runs` is false as
    long as a group may still be called off for want of participants.
    `join_url` is where to POST for a way into the call, null while there is none.
    """

    id: UUID
    coach_id: UUID
    start: Instant
    end: Instant
    duration_minutes: int
    game: str | None
    kind: Literal["individual", "group"]
    start_version: int
    capacity: int
    seats_left: int
    min_participants: int
    runs: bool
    join_url: str | None
    proposals: list[ProposalView]
    moves: list[MoveView]
    seats: list[SeatView] | None


class SeatQuote(Output):
    """What cancelling gives back for one seat."""

    seat_id: UUID
    percent: int
    refund: Money
    tier: str
    free_until: Instant | None


class Quote(Output):
    """What cancelling would give back at `quoted_at`.

    `tier` names the rule that says so; the student cancels free of charge until
    `free_until`, if ever. For a coach or an admin `refund` is the sum over all `seats`
    that would be cancelled; `seats` is null for a student.
    """

    percent: int
    refund: Money
    tier: str
    free_until: Instant | None
    quoted_at: Instant
    seats: list[SeatQuote] | None
