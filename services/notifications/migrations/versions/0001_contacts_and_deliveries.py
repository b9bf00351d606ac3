"""Contacts and deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared import migrations

revision = "0001"
down_revision = None


def upgrade() -> None:
    migrations.create_mechanisms()
    op.create_table(
        "contacts",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("display_name", sa.String, nullable=False),
        sa.Column("timezone", sa.String, nullable=False),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_contacts"),
    )
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("recipient_id", sa.Uuid, nullable=False),
        sa.Column("other_id", sa.Uuid),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("address", sa.String),
        sa.Column("token", sa.String),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("answer", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "subject_id",
            "recipient_id",
            "kind",
            "version",
            name="everybody_is_told_once",
        ),
        sa.CheckConstraint(
            "token IS NULL OR state IN ('due', 'handed_over')",
            name=op.f("ck_deliveries_a_token_is_kept_until_sent"),
        ),
    )
    op.create_index(
        "open_deliveries",
        "deliveries",
        ["due_at"],
        postgresql_where=sa.text("state IN ('due', 'handed_over')"),
    )
