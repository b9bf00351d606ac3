"""What is booked together, and who waits for a time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import Field

from services.booking.models.base import Base
from shared.ids import new_id


class Series(Base, table=True):
    """Weekly sessions that one student booked together and pays for at once."""

    __tablename__ = "series"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    coach_id: UUID
    student_id: UUID
    duration_minutes: int
    game: str | None
    created_at: datetime


class Waiting(Base, table=True):
    """A student who waits for a time of a coach in `[from_at, until_at)`.

    The line is in the order of the ids. `seat_id` is the seat that was offered; what
    became of the offer is what became of that seat. `fee_percent` is the
    platform's part when the student joined.
    """

    __tablename__ = "waitlist"
    __table_args__ = (
        ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        CheckConstraint("from_at < until_at", "a_wait_has_an_end"),
        Index("an_offer_is_for_one", "seat_id", unique=True),
        Index(
            "ix_waitlist_line",
            "coach_id",
            "id",
            postgresql_where=text("seat_id IS NULL AND withdrawn_at IS NULL"),
        ),
        Index("ix_waitlist_student", "student_id", "id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    coach_id: UUID
    student_id: UUID
    from_at: datetime
    until_at: datetime
    duration_minutes: int
    game: str | None
    fee_percent: int
    joined_at: datetime
    seat_id: UUID | None = None
    withdrawn_at: datetime | None = None
