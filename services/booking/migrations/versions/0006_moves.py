"""Moves in time, proposals and their answers, and what moves do to a seat's terms."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OPEN = sa.text("status = 'open'")


def upgrade() -> None:
    for column in (
        sa.Column("marks", JSONB, nullable=False, server_default="[]"),
        sa.Column("moved_by_coach", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("moves_by_student", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("seats", column)
        op.alter_column("seats", column.name, server_default=None)
    op.create_check_constraint(
        "a_student_moves_a_seat_three_times",
        "seats",
        "moves_by_student BETWEEN 0 AND 3",
    )
    create_proposals()
    create_relocations()


def create_proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("proposed_by", sa.String, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.CheckConstraint(
            "(status = 'open') = (answered_at IS NULL)", "an_open_proposal_waits"
        ),
    )
    op.create_index("ix_proposals_session", "proposals", ["session_id", "id"])
    op.create_index(
        "a_side_has_one_open_proposal_of_a_session",
        "proposals",
        ["session_id", "proposed_by"],
        unique=True,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_proposals_open", "proposals", ["expires_at"], postgresql_where=OPEN
    )
    op.create_table(
        "proposal_answers",
        sa.Column(
            "proposal_id", sa.Uuid, sa.ForeignKey("proposals.id"), primary_key=True
        ),
        sa.Column("seat_id", sa.Uuid, sa.ForeignKey("seats.id"), primary_key=True),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )


def create_relocations() -> None:
    op.create_table(
        "relocations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("old_start", INSTANT, nullable=False),
        sa.Column("start", INSTANT, nullable=False),
        sa.Column("asked_by", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("proposal_id", sa.Uuid, sa.ForeignKey("proposals.id")),
    )
    op.create_index("ix_relocations_session", "relocations", ["session_id", "id"])
    op.execute(
        """
        CREATE TRIGGER relocations_are_only_added_to
        BEFORE UPDATE OR DELETE OR TRUNCATE ON relocations
        FOR EACH STATEMENT EXECUTE FUNCTION keep_history()
        """
    )
