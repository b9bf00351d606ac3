"""No-shows, problems and strikes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column(
            "coach_nudged_version", sa.Integer, nullable=False, server_default="0"
        ),
    )
    op.alter_column("sessions", "coach_nudged_version", server_default=None)
    extend_seats()
    create_problems()
    create_strikes()


def extend_seats() -> None:
    op.add_column("seats", sa.Column("no_show", sa.String))
    op.add_column("seats", sa.Column("provisional_until", INSTANT))
    op.add_column("seats", sa.Column("looked_at", INSTANT))
    for column, kind, value in (
        ("no_show_final", sa.Boolean, sa.false()),
        ("outcome_version", sa.Integer, "0"),
    ):
        op.add_column(
            "seats", sa.Column(column, kind, nullable=False, server_default=value)
        )
        op.alter_column("seats", column, server_default=None)
    op.create_check_constraint(
        "somebody_missed_a_missed_seat",
        "seats",
        "(status = 'no_show') = (no_show IS NOT NULL)",
    )
    op.create_check_constraint(
        "a_no_show_is_provisional_at_first",
        "seats",
        "(no_show IS NULL) = (provisional_until IS NULL)",
    )
    op.create_index(
        "ix_seats_attended",
        "seats",
        ["starts_at"],
        postgresql_where=sa.text("status IN ('confirmed', 'in_progress')"),
    )
    op.create_index(
        "ix_seats_provisional",
        "seats",
        ["provisional_until"],
        postgresql_where=sa.text("status = 'no_show' AND NOT no_show_final"),
    )


def create_problems() -> None:
    op.create_table(
        "problems",
        sa.Column("seat_id", sa.Uuid, sa.ForeignKey("seats.id"), primary_key=True),
        sa.Column("reason", sa.String),
        sa.Column("reported_at", INSTANT, nullable=False),
        sa.Column("decision", sa.String),
        sa.Column("percent", sa.Integer),
        sa.Column("refund", sa.Integer),
        sa.Column("decided_at", INSTANT),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("decision_reason", sa.String),
        sa.Column("evidence", JSONB),
        sa.CheckConstraint(
            "num_nulls(decision, percent, refund, decided_at, decided_by,"
            " decision_reason, evidence) IN (0, 7)",
            "a_decision_is_whole",
        ),
    )


def create_strikes() -> None:
    op.create_table(
        "strikes",
        sa.Column(
            "session_id", sa.Uuid, sa.ForeignKey("sessions.id"), primary_key=True
        ),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
        sa.Column("cleared_by", sa.Uuid),
        sa.Column("clear_reason", sa.String),
        sa.CheckConstraint(
            "num_nulls(cleared_at, cleared_by, clear_reason) IN (0, 3)",
            "who_clears_says_why",
        ),
    )
    op.create_index(
        "ix_strikes_standing",
        "strikes",
        ["coach_id", "at"],
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("ix_strikes_coach", "strikes", ["coach_id", "at", "session_id"])
    op.create_table(
        "standings",
        sa.Column("coach_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
    )
