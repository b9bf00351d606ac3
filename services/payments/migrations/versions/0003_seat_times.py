"""When seats take place, however late we hear of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "seat_times",
        sa.Column("seat_id", sa.Uuid, primary_key=True),
        sa.Column("start_version", sa.Integer, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(
        "INSERT INTO seat_times (seat_id, start_version, starts_at, ends_at)"
        " SELECT seat_id, 0, starts_at, ends_at FROM payables"
    )
