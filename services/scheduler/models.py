from datetime import datetime

from sqlmodel import Field, SQLModel

from shared.db import new_registry


class Base(SQLModel, registry=new_registry()):
    """The scheduler's tables."""


class EmittedTick(Base, table=True):
    """A tick that was said. The key lets each be said once, by whichever scheduler."""

    __tablename__ = "ticks"

    name: str = Field(primary_key=True)
    due_at: datetime = Field(primary_key=True)
    previous_due_at: datetime | None
    emitted_at: datetime
