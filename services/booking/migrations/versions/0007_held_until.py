"""Until when a session may be held, beside the seats that know."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FOREVER = sa.text("'9999-12-31 23:59:59.999999+00'")


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column(
            "held_until",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=FOREVER,
        ),
    )
    op.create_index(
        "ix_sessions_lasting",
        "sessions",
        ["coach_id", "starts_at"],
        postgresql_where=sa.text("status NOT IN ('held', 'expired', 'cancelled')"),
    )
    op.create_index(
        "ix_sessions_held",
        "sessions",
        ["coach_id", "held_until"],
        postgresql_where=sa.text("status = 'held'"),
    )
