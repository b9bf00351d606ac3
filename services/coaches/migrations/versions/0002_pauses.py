"""Coaches who let sessions down are not listed for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RULE = "only_verified_active_accepting_coaches_are_listed"


def upgrade() -> None:
    for column, kind, value in (
        ("paused", sa.Boolean, sa.false()),
        ("pause_version", sa.Integer, "0"),
    ):
        op.add_column(
            "coaches", sa.Column(column, kind, nullable=False, server_default=value)
        )
        op.alter_column("coaches", column, server_default=None)
    op.execute(f'ALTER TABLE coaches DROP CONSTRAINT "ck_coaches_{RULE}"')
    op.create_check_constraint(
        RULE,
        "coaches",
        "NOT listed OR (verification = 'verified' AND verified_at IS NOT NULL"
        " AND status = 'active' AND accepting_students AND NOT paused)",
    )
