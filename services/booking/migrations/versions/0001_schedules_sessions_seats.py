"""Schedules, policies, sessions, seats and their history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from shared.migrations import create_mechanisms

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
STATUS = sa.String(32)
LIVE = sa.text("status IN ('held', 'confirmed', 'in_progress')")


def upgrade() -> None:
    create_mechanisms()
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    create_coaches()
    create_sessions()
    create_seats()
    create_history()


def create_coaches() -> None:
    op.create_table(
        "coaches",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("listed", sa.Boolean, nullable=False),
        sa.Column("accepting", sa.Boolean, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("hourly_rate", sa.Integer, nullable=False),
        sa.Column("group_rate", sa.Integer),
        sa.Column("game_rates", JSONB, nullable=False),
    )
    for document in ("schedules", "policies"):
        op.create_table(
            document,
            sa.Column("coach_id", sa.Uuid, primary_key=True),
            sa.Column("version", sa.Integer, nullable=False),
            sa.Column("document", JSONB, nullable=False),
        )


def create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("blocked_from", INSTANT, nullable=False),
        sa.Column("blocked_until", INSTANT, nullable=False),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("game", sa.String),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("start_version", sa.Integer, nullable=False),
        ExcludeConstraint(
            (sa.column("coach_id"), "="),
            (
                sa.func.tstzrange(
                    sa.column("blocked_from"), sa.column("blocked_until")
                ),
                "&&",
            ),
            name="a_coach_is_in_one_session_at_a_time",
            using="gist",
            where=LIVE,
        ),
        sa.CheckConstraint("starts_at < ends_at", "a_session_ends_after_it_starts"),
        sa.CheckConstraint(
            "blocked_from <= starts_at AND blocked_until >= ends_at",
            "buffers_only_widen_a_session",
        ),
    )
    op.create_index(
        "ix_sessions_coach_start", "sessions", ["coach_id", "starts_at", "id"]
    )
    op.create_index("ix_sessions_start", "sessions", ["starts_at", "id"])


def create_seats() -> None:
    op.create_table(
        "seats",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("fee_percent", sa.Integer, nullable=False),
        sa.Column("tiers", JSONB, nullable=False),
        sa.Column("goals", sa.String),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("hold_expires_at", INSTANT),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("payment_id", sa.Uuid),
        sa.Column("cancelled_by", sa.String),
        sa.Column("refund_amount", sa.Integer),
        sa.Column("refund_percent", sa.Integer),
        sa.Column("refund_status", STATUS),
        sa.Column("refund_told_at", INSTANT),
        ExcludeConstraint(
            (sa.column("student_id"), "="),
            (sa.func.tstzrange(sa.column("starts_at"), sa.column("ends_at")), "&&"),
            name="a_student_is_in_one_session_at_a_time",
            using="gist",
            where=LIVE,
        ),
        *rules_of_a_seat(),
    )
    op.create_index("ix_seats_session", "seats", ["session_id"])
    op.create_index("ix_seats_student_start", "seats", ["student_id", "starts_at"])
    op.create_index(
        "ix_seats_holds",
        "seats",
        ["hold_expires_at"],
        postgresql_where=sa.text("status = 'held'"),
    )


def rules_of_a_seat() -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            "status <> 'held' OR hold_expires_at IS NOT NULL", "a_hold_runs_out"
        ),
        sa.CheckConstraint(
            "refund_amount BETWEEN 0 AND price", "a_refund_is_part_of_the_price"
        ),
        sa.CheckConstraint(
            "(refund_amount IS NULL) = (refund_percent IS NULL)"
            " AND (refund_amount IS NULL) = (refund_status IS NULL)",
            "a_refund_is_whole",
        ),
        sa.CheckConstraint(
            "(status = 'cancelled') = (cancelled_by IS NOT NULL)",
            "somebody_cancelled_a_cancelled_seat",
        ),
    ]


def create_history() -> None:
    op.create_table(
        "history",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("seat_id", sa.Uuid, sa.ForeignKey("seats.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("from_status", STATUS),
        sa.Column("to_status", STATUS, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("evidence", JSONB),
    )
    op.create_index("ix_history_seat", "history", ["seat_id", "id"])
    op.execute(
        """
        CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'history is only ever added to'
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER history_is_only_added_to
        BEFORE UPDATE OR DELETE OR TRUNCATE ON history
        FOR EACH STATEMENT EXECUTE FUNCTION keep_history()
        """
    )
    op.create_table(
        "refused_payments",
        sa.Column("payment_id", sa.Uuid, primary_key=True),
        sa.Column("seat_id", sa.Uuid, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
