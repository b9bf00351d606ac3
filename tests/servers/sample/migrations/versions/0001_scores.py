"""Scores."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table("scores", sa.Column("points", sa.Integer, nullable=False))


def downgrade() -> None:
    op.drop_table("scores")
