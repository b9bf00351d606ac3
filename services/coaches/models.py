from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from services.coaches.domain import (
    PRIOR_MEAN,
    PRIOR_REVIEWS,
    Experience,
    Status,
    Verification,
)
from shared.db import enum_column, new_registry
from shared.ids import new_id

LISTED = text("listed")


class Base(SQLModel, registry=new_registry()):
    """The tables of coaches."""


class User(Base, table=True):
    """What accounts told of a user; version 0 stands for nothing yet.

    Every change to a coach locks this row first: it exists before the coach does.
    """

    __tablename__ = "users"

    id: UUID = Field(primary_key=True)
    version: int = 0
    display_name: str | None = None
    timezone: str | None = None
    suspended: bool = False


class Game(Base, table=True):
    __tablename__ = "games"

    slug: str = Field(primary_key=True)
    name: str


class Rank(Base, table=True):
    """A rank of a game; a higher position is a higher rank."""

    __tablename__ = "ranks"
    __table_args__ = (
        UniqueConstraint(
            "game_slug",
            "position",
            name="a_rank_has_a_place_of_its_own",
            deferrable=True,
            initially="DEFERRED",
        ),
    )

    game_slug: str = Field(primary_key=True, foreign_key="games.slug")
    name: str = Field(primary_key=True)
    position: int


class Coach(Base, table=True):
    """An application and the profile it becomes. Rates: minor units of `currency`.

    `listed`, `searchable`, `told` and `version` follow from the rest and are written by
    `actions.profiles.announce` alone. `sold`: a seat was held for money, so the
    currency stays. `paused`: booking says that too many sessions were let down
    (`pause_version`).
    """

    __tablename__ = "coaches"
    __table_args__ = (
        CheckConstraint(
            "NOT listed OR (verification = 'verified' AND verified_at IS NOT NULL"
            " AND status = 'active' AND accepting_students AND NOT paused)",
            name="only_verified_active_accepting_coaches_are_listed",
        ),
        CheckConstraint(
            "hourly_rate >= 0 AND group_rate >= 0", name="rates_are_not_negative"
        ),
        Index("ix_coaches_rating", "rating_score", "id", postgresql_where=LISTED),
        Index(
            "ix_coaches_sessions", "sessions_completed", "id", postgresql_where=LISTED
        ),
        Index("ix_coaches_new", "verified_at", "id", postgresql_where=LISTED),
        Index(
            "ix_coaches_price", "currency", "hourly_rate", "id", postgresql_where=LISTED
        ),
        Index(
            "ix_coaches_searchable",
            "searchable",
            postgresql_using="gin",
            postgresql_ops={"searchable": "gin_trgm_ops"},
        ),
        Index("ix_coaches_verification", "verification", "submitted_at", "id"),
    )

    id: UUID = Field(primary_key=True, foreign_key="users.id")
    headline: str
    bio: str
    achievements: str
    experience_level: Experience = Field(sa_type=enum_column(Experience))
    years_experience: int
    currency: str
    hourly_rate: int
    group_rate: int | None
    languages: list[str] = Field(sa_type=ARRAY(String))
    specializations: list[str] = Field(sa_type=ARRAY(String))
    profile_video_url: str | None
    status: Status = Field(sa_type=enum_column(Status))
    accepting_students: bool
    verification: Verification = Field(sa_type=enum_column(Verification))
    rejection_reason: str | None = None
    submitted_at: datetime
    verified_at: datetime | None = None
    sold: bool = False
    paused: bool = False
    pause_version: int = 0
    sessions_completed: int = 0
    rating_count: int = 0
    rating_sum: int = 0
    rating_score: float = Field(
        sa_column=Column(
            Double,
            Computed(
                f"({PRIOR_MEAN * PRIOR_REVIEWS} + rating_sum)::double precision"
                f" / ({PRIOR_REVIEWS} + rating_count)"
            ),
            nullable=False,
        )
    )
    listed: bool = False
    searchable: str = ""
    told: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    version: int = 0


class CoachedGame(Base, table=True):
    """A game that a coach teaches. `hourly_rate` None: the coach's base rate."""

    __tablename__ = "coached_games"
    __table_args__ = (
        ForeignKeyConstraint(
            ["game_slug", "rank"],
            ["ranks.game_slug", "ranks.name"],
            name="a_coach_holds_a_rank_of_the_game",
        ),
        Index(
            "a_coach_has_one_primary_game",
            "coach_id",
            unique=True,
            postgresql_where=text("is_primary"),
        ),
        Index("ix_coached_games_rank", "game_slug", "rank"),
        CheckConstraint("hourly_rate >= 0", name="rates_are_not_negative"),
    )

    coach_id: UUID = Field(primary_key=True, foreign_key="coaches.id")
    game_slug: str = Field(primary_key=True)
    rank: str
    rank_proof_url: str | None
    hourly_rate: int | None
    is_primary: bool
    notes: str


class Decision(Base, table=True):
    """What an admin decided on an application, and why. The database refuses edits."""

    __tablename__ = "decisions"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    coach_id: UUID = Field(foreign_key="coaches.id", index=True)
    admin_id: UUID
    verdict: Verification = Field(sa_type=enum_column(Verification))
    notes: str
    decided_at: datetime
