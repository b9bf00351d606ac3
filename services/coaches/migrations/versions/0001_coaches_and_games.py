"""Users as accounts tells of them, games and their ranks, coaches, decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared import migrations

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)
LISTED = sa.text("listed")


def upgrade() -> None:
    migrations.create_mechanisms()
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    _create_users()
    _create_games()
    _create_coaches()
    _create_coached_games()
    _create_decisions()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("display_name", sa.String()),
        sa.Column("timezone", sa.String()),
        sa.Column("suspended", sa.Boolean(), nullable=False),
    )


def _create_games() -> None:
    op.create_table(
        "games",
        sa.Column("slug", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
    )
    op.create_table(
        "ranks",
        sa.Column(
            "game_slug", sa.String(), sa.ForeignKey("games.slug"), primary_key=True
        ),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.UniqueConstraint(
            "game_slug",
            "position",
            name="a_rank_has_a_place_of_its_own",
            deferrable=True,
            initially="DEFERRED",
        ),
    )


def _create_coaches() -> None:
    op.create_table(
        "coaches",
        sa.Column("id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("headline", sa.String(), nullable=False),
        sa.Column("bio", sa.String(), nullable=False),
        sa.Column("achievements", sa.String(), nullable=False),
        sa.Column("experience_level", sa.String(32), nullable=False),
        sa.Column("years_experience", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("hourly_rate", sa.Integer(), nullable=False),
        sa.Column("group_rate", sa.Integer()),
        sa.Column("languages", ARRAY(sa.String()), nullable=False),
        sa.Column("specializations", ARRAY(sa.String()), nullable=False),
        sa.Column("profile_video_url", sa.String()),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("accepting_students", sa.Boolean(), nullable=False),
        sa.Column("verification", sa.String(32), nullable=False),
        sa.Column("rejection_reason", sa.String()),
        sa.Column("submitted_at", INSTANT, nullable=False),
        sa.Column("verified_at", INSTANT),
        sa.Column("sold", sa.Boolean(), nullable=False),
        sa.Column("sessions_completed", sa.Integer(), nullable=False),
        sa.Column("rating_count", sa.Integer(), nullable=False),
        sa.Column("rating_sum", sa.Integer(), nullable=False),
        sa.Column(
            "rating_score",
            sa.Double(),
            sa.Computed(
                "(21.0 + rating_sum)::double precision / (5 + rating_count)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("searchable", sa.String(), nullable=False),
        sa.Column("told", JSONB()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "NOT listed OR (verification = 'verified' AND verified_at IS NOT NULL"
            " AND status = 'active' AND accepting_students)",
            name="only_verified_active_accepting_coaches_are_listed",
        ),
        sa.CheckConstraint(
            "hourly_rate >= 0 AND group_rate >= 0", name="rates_are_not_negative"
        ),
    )
    _create_directory_indexes()


def _create_directory_indexes() -> None:
    for name, *columns in [
        ("ix_coaches_rating", "rating_score", "id"),
        ("ix_coaches_sessions", "sessions_completed", "id"),
        ("ix_coaches_new", "verified_at", "id"),
        ("ix_coaches_price", "currency", "hourly_rate", "id"),
    ]:
        op.create_index(name, "coaches", columns, postgresql_where=LISTED)
    op.create_index(
        "ix_coaches_searchable",
        "coaches",
        ["searchable"],
        postgresql_using="gin",
        postgresql_ops={"searchable": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_coaches_verification", "coaches", ["verification", "submitted_at", "id"]
    )


def _create_coached_games() -> None:
    op.create_table(
        "coached_games",
        sa.Column("coach_id", sa.Uuid(), sa.ForeignKey("coaches.id"), primary_key=True),
        sa.Column("game_slug", sa.String(), primary_key=True),
        sa.Column("rank", sa.String(), nullable=False),
        sa.Column("rank_proof_url", sa.String()),
        sa.Column("hourly_rate", sa.Integer()),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["game_slug", "rank"],
            ["ranks.game_slug", "ranks.name"],
            name="a_coach_holds_a_rank_of_the_game",
        ),
        sa.CheckConstraint("hourly_rate >= 0", name="rates_are_not_negative"),
        sa.Index("ix_coached_games_rank", "game_slug", "rank"),
    )
    op.create_index(
        "a_coach_has_one_primary_game",
        "coached_games",
        ["coach_id"],
        unique=True,
        postgresql_where=sa.text("is_primary"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "coach_id",
            sa.Uuid(),
            sa.ForeignKey("coaches.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("admin_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
    )
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER decisions_are_append_only"
        " BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
