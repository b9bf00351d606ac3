"""Who came to a session."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
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
