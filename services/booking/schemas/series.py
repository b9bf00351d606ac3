"""Weekly series, as clients ask for them and see them."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.booking.domain.lifecycle import Status
from services.booking.domain.reasons import Code
from services.booking.domain.series import FEWEST, MOST
from services.booking.schemas.attendance import Reason
from services.booking.schemas.sessions import Moment, SessionView
from shared.inputs import Input, Instant, Int, Line, Money, Output, Text


class SeriesRequest(Input):
    """Weekly sessions at the wall clock that `first_start` has in the coach's zone."""

    coach_id: UUID
    first_start: Moment
    count: Annotated[Int, Field(ge=FEWEST, le=MOST, examples=[8])]
    duration_minutes: Annotated[Int, Field(ge=1, le=1440, examples=[60])]
    game: Line | None = None


class SeriesBooking(SeriesRequest):
    """Book exactly these `starts` of the weeks, all of them or none.

    `expected_price` is the total that was shown.
    """

    starts: Annotated[list[Moment], Field(min_length=1, max_length=MOST)]
    goals: Annotated[Text, Field(max_length=2000)] | None = None
    expected_price: Money | None = None


class ReasonView(Output):
    """A code of S10, or `student_busy` for a session of one's own at that time."""

    code: Code
    detail: str


class OccurrenceView(Output):
    """One week; `local_start` is the wall clock in the coach's zone."""

    start: Instant
    end: Instant
    local_start: str
    ok: bool
    reasons: list[ReasonView]
    price: Money


class SeriesPreview(Output):
    """What booking would answer now; `total` is for those that are `ok`, together."""

    coach_id: UUID
    timezone: str
    price: Money
    total: Money
    occurrences: list[OccurrenceView]


class SeriesView(Output):
    """A series with its sessions by start.

    `status` is that of the most alive session, `price` the sum over all seats. While it
    is held it is paid as a whole, until `hold_expires_at`.
    """

    id: UUID
    coach_id: UUID
    student_id: UUID
    status: Status
    duration_minutes: int
    game: str | None
    price: Money
    hold_expires_at: Instant | None
    payment_id: UUID | None
    created_at: Instant
    sessions: list[SessionView]


class SeriesCancelRequest(Input):
    """All from this session on; without it, all that lie ahead."""

    from_session_id: UUID | None = None
    reason: Reason | None = None


class SeatQuoted(Output):
    """What one of the seats gives back."""

    session_id: UUID
    seat_id: UUID
    start: Instant
    percent: int
    refund: Money
    tier: str
    free_until: Instant | None


class SeriesQuote(Output):
    """What cancelling would give back at `quoted_at`: the sum, and seat by seat."""

    refund: Money
    seats: list[SeatQuoted]
    quoted_at: Instant
