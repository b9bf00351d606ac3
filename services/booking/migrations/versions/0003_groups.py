"""Sessions of several seats: how many, how many it needs, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RULES = {
    "a_session_has_room_for_those_it_needs": "min_participants BETWEEN 1 AND capacity",
    "only_a_group_has_several_seats": "kind = 'group' OR capacity = 1",
    "what_was_called_off_does_not_take_place": (
        "fate <> 'called_off' OR NOT status IN ('held', 'confirmed', 'in_progress')"
    ),
}


def upgrade() -> None:
    for name in ("capacity", "min_participants"):
        column = sa.Column(name, sa.Integer, nullable=False, server_default="1")
        op.add_column("sessions", column)
    op.add_column("sessions", sa.Column("fate", sa.String(32)))
    for name, rule in RULES.items():
        op.create_check_constraint(name, "sessions", rule)
    op.create_index(
        "ix_sessions_undecided_groups",
        "sessions",
        ["starts_at"],
        postgresql_where=sa.text(
            "kind = 'group' AND fate IS NULL AND status IN ('held', 'confirmed')"
        ),
    )
