"""The waitlist, as students join it and see it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.booking.domain.waitlist import Standing
from services.booking.schemas.sessions import Moment
from shared.inputs import Input, Instant, Int, Line, Output


class WaitRequest(Input):
    """Any time of the coach that begins and ends in `[from, to]`."""

    since: Annotated[Moment, Field(alias="from", examples=["2026-06-19T18:00:00Z"])]
    until: Annotated[Moment, Field(alias="to", examples=["2026-06-21T22:00:00Z"])]
    duration_minutes: Annotated[Int, Field(ge=1, le=1440, examples=[60])]
    game: Line | None = None


class WaitView(Output):
    """One's place in the line of a coach.

    `offered`: the session `session_id` is held for the student until `offer_expires_at`
    and paying for it takes it. `expired`: the range is over, or the offer ran out or
    was declined; join again to go on waiting.
    """

    id: UUID
    coach_id: UUID
    since: Annotated[Instant, Field(serialization_alias="from")]
    until: Annotated[Instant, Field(serialization_alias="to")]
    duration_minutes: int
    game: str | None
    status: Standing
    session_id: UUID | None
    offer_expires_at: Instant | None
    joined_at: Instant
