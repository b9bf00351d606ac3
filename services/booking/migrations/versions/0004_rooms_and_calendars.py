"""Rooms for calls, what people are called, calendars out and in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
WORD = sa.String(32)


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("meeting", WORD, nullable=False, server_default="jitsi"),
    )
    op.add_column("sessions", sa.Column("meeting_url", sa.String))
    create_rooms()
    op.create_table(
        "people",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("display_name", sa.String, nullable=False),
        sa.Column("timezone", sa.String, nullable=False),
    )
    op.create_table(
        "calendar_tokens",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("digest", name="a_token_names_one_calendar"),
    )
    create_busy_calendars()


def create_rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("start_version", sa.Integer, nullable=False),
        sa.Column("provider", WORD, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("closes_at", INSTANT, nullable=False),
        sa.Column("url", sa.String),
        sa.Column("host_url", sa.String),
        sa.Column("external_id", sa.String),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("claimed_until", INSTANT),
        sa.Column("last_error", sa.String),
        sa.UniqueConstraint("session_id", "start_version", name="a_start_has_one_room"),
        sa.CheckConstraint(
            "state <> 'ready' OR url IS NOT NULL", "a_ready_room_has_a_door"
        ),
    )
    op.create_index(
        "ix_rooms_due",
        "rooms",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_rooms_open",
        "rooms",
        ["closes_at"],
        postgresql_where=sa.text("state IN ('wanted', 'ready', 'failed')"),
    )


def create_busy_calendars() -> None:
    op.create_table(
        "busy_calendars",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("read_at", INSTANT),
        sa.Column("checked_at", INSTANT),
        sa.Column("last_error", sa.String),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("claimed_until", INSTANT),
        sa.UniqueConstraint("coach_id", "name", name="a_calendar_has_its_own_name"),
    )
    op.create_index(
        "ix_busy_calendars_due",
        "busy_calendars",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_busy_calendars_next", "busy_calendars", ["next_at"])
    op.create_table(
        "busy_times",
        sa.Column(
            "calendar_id",
            sa.Uuid,
            sa.ForeignKey("busy_calendars.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("starts_at", INSTANT, primary_key=True),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.CheckConstraint("starts_at < ends_at", "a_busy_time_ends_after_it_starts"),
    )
    op.create_index("ix_busy_times_coach_end", "busy_times", ["coach_id", "ends_at"])
