"""Moves in time, and the proposals that lead to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import Field

from services.booking.domain.proposals import ProposalStatus
from services.booking.models.base import Base
from shared.db import enum_column
from shared.ids import new_id


class Proposal(Base, table=True):
    """Another start that one side wants for a session. It holds no time.

    `expires_at` is when an answer no longer counts; `answered_at` when it was closed,
    however that came about.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        CheckConstraint(
            "(status = 'open') = (answered_at IS NULL)", "an_open_proposal_waits"
        ),
        Index("ix_proposals_session", "session_id", "id"),
        Index(
            "a_side_has_one_open_proposal_of_a_session",
            "session_id",
            "proposed_by",
            unique=True,
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "ix_proposals_open",
            "expires_at",
            postgresql_where=text("status = 'open'"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID
    proposed_by: str
    starts_at: datetime
    reason: str | None
    status: ProposalStatus = Field(
        default=ProposalStatus.OPEN, sa_type=enum_column(ProposalStatus)
    )
    created_at: datetime
    expires_at: datetime
    answered_at: datetime | None = None


class Answer(Base, table=True):
    """What a seat said to a proposal of the coach, or the coach to one of a seat's."""

    __tablename__ = "proposal_answers"
    __table_args__ = (
        ForeignKeyConstraint(["proposal_id"], ["proposals.id"]),
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
    )

    proposal_id: UUID = Field(primary_key=True)
    seat_id: UUID = Field(primary_key=True)
    accepted: bool
    at: datetime


class Relocation(Base, table=True):
    """A session's way from one start to another. The database keeps it as it is.

    `asked_by` is whose wish it was; `proposal_id` what the other side agreed to, None
    for a move made at once.
    """

    __tablename__ = "relocations"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        ForeignKeyConstraint(["proposal_id"], ["proposals.id"]),
        Index("ix_relocations_session", "session_id", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID
    at: datetime
    old_start: datetime
    start: datetime
    asked_by: str
    reason: str | None
    proposal_id: UUID | None
