"""Proposals and moves, as the people of a session see them."""

from typing import Literal
from uuid import UUID

from services.booking.domain.proposals import ProposalStatus
from shared.inputs import Instant, Output


class AnswerView(Output):
    """What was said about a seat: by its student, or by the coach who was asked."""

    seat_id: UUID
    accepted: bool
    at: Instant


class ProposalView(Output):
    """Another time that one side wants. It is not held while the answer is awaited.

    A student sees the answer about its own seat only.
    """

    id: UUID
    start: Instant
    end: Instant
    proposed_by: Literal["student", "coach"]
    reason: str | None
    status: ProposalStatus
    created_at: Instant
    expires_at: Instant
    answers: list[AnswerView]


class MoveView(Output):
    """One move of the session, at once or by the proposal that was accepted."""

    at: Instant
    old_start: Instant
    start: Instant
    by: Literal["student", "coach"]
    reason: str | None
    proposal_id: UUID | None
