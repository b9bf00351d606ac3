"""Payables, payments and refunds."""

import sqlalchemy as sa
from alembic import op

from shared.migrations import create_mechanisms

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_mechanisms()
    _create_what_is_heard()
    _create_payments()
    _index_payments()
    _create_refunds()


def _create_what_is_heard() -> None:
    op.create_table(
        "payables",
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("coach_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("fee_percent", sa.Integer, nullable=False),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seat_id", name="pk_payables"),
    )
    op.create_index("payables_of_a_session", "payables", ["session_id", "student_id"])
    op.create_table(
        "closures",
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("owed", sa.Integer),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seat_id", name="pk_closures"),
    )
    op.create_table(
        "payers",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_payers"),
    )


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("student_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("checkout_id", sa.String),
        sa.Column("checkout_url", sa.String),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("intent_id", sa.String),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("received_currency", sa.String(3)),
        sa.Column("promised", sa.Integer, nullable=False),
        sa.Column("refunded", sa.Integer, nullable=False),
        sa.Column("last_error", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.ForeignKeyConstraint(
            ["seat_id"], ["payables.seat_id"], name="fk_payments_seat_id"
        ),
        sa.CheckConstraint(
            "0 <= refunded AND refunded <= promised AND promised <= received",
            name=op.f("ck_payments_refunds_stay_within_the_money"),
        ),
    )


def _index_payments() -> None:
    still_open = sa.text("status IN ('unknown', 'pending')")
    op.create_index(
        "a_seat_has_one_open_payment",
        "payments",
        ["seat_id"],
        unique=True,
        postgresql_where=still_open,
    )
    op.create_index("payments_of_a_seat", "payments", ["seat_id"])
    op.create_index("payments_of_a_student", "payments", ["student_id", "id"])
    op.create_index(
        "due_payments",
        "payments",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "payments_that_may_expire",
        "payments",
        ["expires_at"],
        postgresql_where=still_open,
    )


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("attempt_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stripe_id", sa.String),
        sa.Column("last_error", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_refunds_payment_id"
        ),
        sa.UniqueConstraint("payment_id", "cause", name="a_cause_refunds_once"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_a_refund_moves_money")),
    )
    op.create_index("refunds_of_a_seat", "refunds", ["seat_id"])
    op.create_index(
        "due_refunds",
        "refunds",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
