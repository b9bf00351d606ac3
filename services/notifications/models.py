from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from services.notifications.domain import Kind, State
from shared.db import enum_column, new_registry


class Base(SQLModel, registry=new_registry()):
    """The tables of notifications."""


class Contact(Base, table=True):
    """How to reach a user; our copy of what accounts last said (highest `version`)."""

    __tablename__ = "contacts"

    user_id: UUID = Field(primary_key=True)
    version: int
    email: str
    display_name: str
    timezone: str
    locale: str
    suspended: bool


class Delivery(Base, table=True):
    """One mail to one person, promised in the transaction that heard its reason.

    `subject_id` is what it is about (a seat, a request), `other_id` whose name it
    tells, `facts` the event it tells of. `address` is set where the event names one;
    else it is the contact's at the time of sending. `token` is a secret and gone with
    the last try. `due_at` is real time: of the next try, or when the claim of whoever
    is at it runs out. `attempt` counts the claims; only the latest may write.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint(
            "subject_id",
            "recipient_id",
            "kind",
            "version",
            name="everybody_is_told_once",
        ),
        CheckConstraint(
            "token IS NULL OR state IN ('due', 'handed_over')",
            name="a_token_is_kept_until_sent",
        ),
        Index(
            "open_deliveries",
            "due_at",
            postgresql_where=text("state IN ('due', 'handed_over')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    recipient_id: UUID
    other_id: UUID | None = None
    kind: Kind = Field(sa_type=enum_column(Kind))
    subject_id: UUID
    version: int = 0
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    address: str | None = None
    token: str | None = Field(default=None, repr=False)
    expires_at: datetime | None = None
    state: State = Field(default=State.DUE, sa_type=enum_column(State))
    due_at: datetime
    attempt: int = 0
    answer: str | None = None
    created_at: datetime
    finished_at: datetime | None = None
