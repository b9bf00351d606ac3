"""Where sessions take place, and what their people are called."""

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

from services.booking.domain.calls import Provider, RoomState
from services.booking.models.base import Base
from shared.db import enum_column
from shared.ids import new_id


class Room(Base, table=True):
    """Where a session's call takes place at its present start.

    `name` is a secret of 128 bits. `url` is the guests' door and `host_url` the coach's
    where the vendor has two; `external_id` is what the vendor calls the room. `due_at`
    is real time: when the vendor is to be asked (again), None if there is nothing to
    ask. Until `claimed_until` somebody is at it; `attempt` counts the claims, and only
    the latest may write.
    """

    __tablename__ = "rooms"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        UniqueConstraint("session_id", "start_version", name="a_start_has_one_room"),
        CheckConstraint(
            "state <> 'ready' OR url IS NOT NULL", "a_ready_room_has_a_door"
        ),
        Index("ix_rooms_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "ix_rooms_open",
            "closes_at",
            postgresql_where=text("state IN ('wanted', 'ready', 'failed')"),
        ),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    session_id: UUID
    start_version: int
    provider: Provider = Field(sa_type=enum_column(Provider))
    name: str
    state: RoomState = Field(sa_type=enum_column(RoomState))
    closes_at: datetime
    url: str | None = None
    host_url: str | None = None
    external_id: str | None = None
    attempt: int = 0
    failures: int = 0
    due_at: datetime | None = None
    claimed_until: datetime | None = None
    last_error: str | None = None


class Person(Base, table=True):
    """What accounts last said of a user (highest `version`): a name for calls."""

    __tablename__ = "people"

    user_id: UUID = Field(primary_key=True)
    version: int
    display_name: str
    timezone: str
