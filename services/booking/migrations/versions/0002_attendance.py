"""Who came to which session."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attendance",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("seat_id", sa.Uuid),
        sa.Column("start_version", sa.Integer, nullable=False),
        sa.Column("party", sa.String, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        # in this order, because they lock in this order: the seat, then the session
        sa.ForeignKeyConstraint(["seat_id"], ["seats.id"]),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"]),
        sa.UniqueConstraint(
            "session_id",
            "start_version",
            "seat_id",
            "kind",
            name="a_side_comes_once",
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint(
            "(party = 'student') = (seat_id IS NOT NULL)",
            "a_student_comes_to_a_seat",
        ),
    )
