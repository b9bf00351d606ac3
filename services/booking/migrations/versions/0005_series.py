"""Series, the waitlist, and seats that are offered or resold."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_series()
    extend_seats()
    create_waitlist()


def create_series() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("duration_minutes", sa.Integer, nullable=False),
        sa.Column("game", sa.String),
        sa.Column("created_at", INSTANT, nullable=False),
    )


def extend_seats() -> None:
    op.add_column("seats", sa.Column("series_id", sa.Uuid, sa.ForeignKey("series.id")))
    for flag in ("offer", "refund_on_resale"):
        op.add_column(
            "seats",
            sa.Column(flag, sa.Boolean, nullable=False, server_default=sa.false()),
        )
        op.alter_column("seats", flag, server_default=None)
    op.add_column("seats", sa.Column("resold_by", sa.Uuid, sa.ForeignKey("seats.id")))
    op.create_check_constraint(
        op.f("ck_seats_a_seat_is_resold_on_its_terms"),
        "seats",
        "resold_by IS NULL OR refund_on_resale",
    )
    op.create_index(
        "ix_seats_series",
        "seats",
        ["series_id"],
        postgresql_where=sa.text("series_id IS NOT NULL"),
    )
    op.create_index(
        "ix_seats_to_resell",
        "seats",
        ["starts_at"],
        postgresql_where=sa.text(
            "refund_on_resale AND status = 'cancelled' AND resold_by IS NULL"
            " AND refund_amount < price"
        ),
    )


def create_waitlist() -> None:
    op.create_table(
        "waitlist",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.Column("duration_minutes", sa.Integer, nullable=False),
        sa.Column("game", sa.String),
        sa.Column("fee_percent", sa.Integer, nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("seat_id", sa.Uuid, sa.ForeignKey("seats.id")),
        sa.Column("withdrawn_at", INSTANT),
        sa.CheckConstraint("from_at < until_at", "a_wait_has_an_end"),
    )
    op.create_index("an_offer_is_for_one", "waitlist", ["seat_id"], unique=True)
    op.create_index(
        "ix_waitlist_line",
        "waitlist",
        ["coach_id", "id"],
        postgresql_where=sa.text("seat_id IS NULL AND withdrawn_at IS NULL"),
    )
    op.create_index("ix_waitlist_student", "waitlist", ["student_id", "id"])
