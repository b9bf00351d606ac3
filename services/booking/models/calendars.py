"""Calendars that go out to people's programs, and those that come in from them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from services.booking.models.base import Base
from shared.ids import new_id


class CalendarToken(Base, table=True):
    """Who bears the token of this digest reads the user's calendar."""

    __tablename__ = "calendar_tokens"
    __table_args__ = (UniqueConstraint("digest", name="a_token_names_one_calendar"),)

    user_id: UUID = Field(primary_key=True)
    digest: bytes
    created_at: datetime


class BusyCalendar(Base, table=True):
    """A calendar whose entries keep a coach from being booked.

    `next_at`, `read_at` and `checked_at` are product time: when it is to be read again,
    was last read and was last tried. `due_at` and `claimed_until` are real time, as in
    `Room`; `last_error` is None while reading works.
    """

    __tablename__ = "busy_calendars"
    __table_args__ = (
        UniqueConstraint("coach_id", "name", name="a_calendar_has_its_own_name"),
        Index(
            "ix_busy_calendars_due",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_busy_calendars_next", "next_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    coach_id: UUID
    name: str
    url: str = Field(repr=False)
    next_at: datetime
    read_at: datetime | None = None
    checked_at: datetime | None = None
    last_error: str | None = None
    attempt: int = 0
    due_at: datetime | None = None
    claimed_until: datetime | None = None


class BusyTime(Base, table=True):
    """A time in which a coach's own calendar is taken; those of one do not overlap."""

    __tablename__ = "busy_times"
    __table_args__ = (
        ForeignKeyConstraint(
            ["calendar_id"], ["busy_calendars.id"], ondelete="CASCADE"
        ),
        CheckConstraint("starts_at < ends_at", "a_busy_time_ends_after_it_starts"),
        Index("ix_busy_times_coach_end", "coach_id", "ends_at"),
    )

    calendar_id: UUID = Field(primary_key=True)
    starts_at: datetime = Field(primary_key=True)
    ends_at: datetime
    coach_id: UUID
