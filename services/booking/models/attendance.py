"""Who came to a session, what went wrong there, and what is held against coaches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.booking.domain.attendance import Evidence
from services.booking.models.base import Base
from shared.db import enum_column
from shared.ids import new_id


class Attendance(Base, table=True):
    """What shows that a side came; `seat_id` is None for the coach, who comes to all.

    It speaks for the start it was noted for: a session that moved is yet to be met.
    """

    __tablename__ = "attendance"
    __table_args__ = (
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        UniqueConstraint(
            "session_id",
            "start_version",
            "seat_id",
            "kind",
            name="a_side_comes_once",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint(
            "(party = 'student') = (seat_id IS NOT NULL)", "a_student_comes_to_a_seat"
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID
    seat_id: UUID | None
    start_version: int
    party: str
    kind: Evidence = Field(sa_type=enum_column(Evidence))
    at: datetime


class ReportedProblem(Base, table=True):
    """What a student reports of a seat, and what an admin decides about it, once each.

    `percent` of the price goes back by the decision; `refund` is what that was, in
    minor units of the seat's currency. `evidence` is what the admin could see.
    """

    __tablename__ = "problems"
    __table_args__ = (
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        CheckConstraint(
            "num_nulls(decision, percent, refund, decided_at, decided_by,"
            " decision_reason, evidence) IN (0, 7)",
            "a_decision_is_whole",
        ),
    )

    seat_id: UUID = Field(primary_key=True)
    reason: str | None
    reported_at: datetime
    decision: str | None = None
    percent: int | None = None
    refund: int | None = None
    decided_at: datetime | None = None
    decided_by: UUID | None = None
    decision_reason: str | None = None
    evidence: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )


class Strike(Base, table=True):
    """A session that its coach let down; three that stand pause the listing."""

    __tablename__ = "strikes"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        CheckConstraint(
            "num_nulls(cleared_at, cleared_by, clear_reason) IN (0, 3)",
            "who_clears_says_why",
        ),
        Index(
            "ix_strikes_standing",
            "coach_id",
            "at",
            postgresql_where=text("cleared_at IS NULL"),
        ),
        Index("ix_strikes_coach", "coach_id", "at", "session_id"),
    )

    session_id: UUID = Field(primary_key=True)
    coach_id: UUID
    reason: str
    at: datetime
    cleared_at: datetime | None = None
    cleared_by: UUID | None = None
    clear_reason: str | None = None


class Standing(Base, table=True):
    """What was last said of a coach's strikes: whether they pause the listing."""

    __tablename__ = "standings"

    coach_id: UUID = Field(primary_key=True)
    version: int
    paused: bool
