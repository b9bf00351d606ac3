"""Ticks that were said."""

import sqlalchemy as sa
from alembic import op

from shared import migrations

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrations.create_mechanisms()
    op.create_table(
        "ticks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_due_at", sa.DateTime(timezone=True)),
        sa.Column("emitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "due_at", name="a_tick_is_said_once"),
    )
