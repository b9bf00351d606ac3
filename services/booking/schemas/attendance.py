"""What people say of sessions that took place or did not, and what follows."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from services.booking.domain.attendance import Side
from services.booking.domain.strikes import Cause
from shared.inputs import Input, Instant, Int, Money, Output, Text
from shared.pages import Page

Reason = Annotated[Text, Field(max_length=500)]


def _said(text: str) -> str:
    if not (text := text.strip()):
        raise ValueError("say why")
    return text


GivenReason = Annotated[
    Text, Field(min_length=1, max_length=500), AfterValidator(_said)
]


class SeatVerb(Input):
    """What is done to a seat; a group's coach says which."""

    seat_id: UUID | None = None
    reason: Reason | None = None


class Absence(SeatVerb):
    """Who did not come."""

    party: Side


class Decision(Input):
    """How much of the price goes back: all, `percent` of it, or nothing."""

    seat_id: UUID | None = None
    decision: Literal["full", "partial", "none"]
    percent: Annotated[Int, Field(ge=1, le=99)] | None = None
    reason: GivenReason

    @property
    def back(self) -> int:
        """The percentage of the price that goes back."""
        return {"full": 100, "none": 0}.get(self.decision, self.percent or 0)


class Attendance(Output):
    """When each side was first seen, if it was."""

    student: Instant | None
    coach: Instant | None


class ProblemView(Output):
    """What the student reported, and what an admin decided about it."""

    reason: str | None
    reported_at: Instant
    status: Literal["open", "decided"]
    decision: Literal["full", "partial", "none"] | None
    percent: int | None
    refund: Money | None
    decision_reason: str | None
    decided_at: Instant | None


class Clearing(Input):
    """Why a coach's strikes are cleared."""

    reason: GivenReason


class StrikeView(Output):
    """A session that the coach let down."""

    session_id: UUID
    reason: Cause
    at: Instant
    cleared_at: Instant | None
    cleared_by: UUID | None
    clear_reason: str | None


class StrikesView(Page[StrikeView]):
    """Three strikes that stand, for 90 days each, pause the listing."""

    paused_until: Instant | None
