"""How far each refund of a seat has come: one status could not say that of several."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seat_refunds",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("seat_id", sa.Uuid(), sa.ForeignKey("seats.id"), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_seat_refunds_seat", "seat_refunds", ["seat_id"])
    op.drop_column("seats", "refund_told_at")
