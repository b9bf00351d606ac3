"""Rate limits: one unlogged row per subject."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bucket",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_bucket"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_bucket_ends", "bucket", ["ends"])


def downgrade() -> None:
    op.drop_table("bucket")
