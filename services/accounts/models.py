from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String
from sqlmodel import Field, SQLModel

from services.accounts.domain import Purpose
from shared.db import enum_column, new_registry
from shared.ids import new_id


class Base(SQLModel, registry=new_registry()):
    """The tables of accounts."""


class User(Base, table=True):
    """Somebody who can sign in. `version` rises with every change that is told."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("email_key", name="an_email_belongs_to_one_user"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str
    email_key: str
    email_verified: bool = False
    password_hash: str = Field(repr=False)
    display_name: str
    timezone: str
    locale: str
    roles: list[str] = Field(sa_type=ARRAY(String))
    suspended: bool = False
    version: int = 1
    created_at: datetime


class RefreshToken(Base, table=True):
    """A refresh token, as its digest. A family is one sign-in and all its rotations."""

    __tablename__ = "refresh_tokens"

    digest: bytes = Field(primary_key=True)
    family: UUID = Field(index=True)
    user_id: UUID = Field(foreign_key="users.id", index=True)
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


class MailedToken(Base, table=True):
    """A token in a mail, as its digest; it acts once."""

    __tablename__ = "mailed_tokens"

    digest: bytes = Field(primary_key=True)
    purpose: Purpose = Field(sa_type=enum_column(Purpose))
    user_id: UUID = Field(foreign_key="users.id", index=True)
    expires_at: datetime
    used_at: datetime | None = None


class Attempt(Base, table=True):
    """Something that is throttled happened; `subject` is a digest of who did it."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_subject_at", "subject", "at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    subject: bytes
    at: datetime
