"""Several seats in one payment, each with its share."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _let_payables_form_series()
    _split_payments()
    _pay_for_series()
    _refund_by_seat()
    _keep_debts()


def _let_payables_form_series() -> None:
    op.add_column("payables", sa.Column("series_id", sa.Uuid))
    op.add_column("payables", sa.Column("series_size", sa.Integer))
    op.create_check_constraint(
        op.f("ck_payables_a_series_has_a_size"),
        "payables",
        "(series_id IS NULL) = (series_size IS NULL)",
    )
    op.create_index(
        "payables_of_a_series",
        "payables",
        ["series_id"],
        postgresql_where=sa.text("series_id IS NOT NULL"),
    )


def _split_payments() -> None:
    op.create_table(
        "shares",
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("promised", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", "seat_id", name="pk_shares"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_shares_payment_id"
        ),
        sa.ForeignKeyConstraint(
            ["seat_id"], ["payables.seat_id"], name="fk_shares_seat_id"
        ),
        sa.CheckConstraint(
            "0 <= promised AND promised <= received",
            name=op.f("ck_shares_a_seat_gives_back_its_own_share"),
        ),
    )
    op.create_index("shares_of_a_seat", "shares", ["seat_id"])
    op.execute(
        "INSERT INTO shares (payment_id, seat_id, amount, received, promised)"
        " SELECT id, seat_id, amount, received, promised FROM payments"
    )


def _pay_for_series() -> None:
    op.drop_index("payments_of_a_seat", "payments")
    op.drop_column("payments", "session_id")
    op.alter_column("payments", "seat_id", nullable=True)
    op.add_column("payments", sa.Column("series_id", sa.Uuid))
    op.create_check_constraint(
        op.f("ck_payments_a_payment_is_for_one_thing"),
        "payments",
        "num_nonnulls(seat_id, series_id) = 1",
    )
    op.create_index(
        "a_series_has_one_open_payment",
        "payments",
        ["series_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('unknown', 'pending')"),
    )


def _refund_by_seat() -> None:
    op.drop_constraint("a_cause_refunds_once", "refunds")
    op.create_unique_constraint(
        "a_cause_refunds_a_seat_once", "refunds", ["payment_id", "seat_id", "cause"]
    )


def _keep_debts() -> None:
    op.create_table(
        "debts",
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("seat_id", "cause", name="pk_debts"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_debts_a_debt_is_some_money")),
    )
    op.execute(
        "INSERT INTO debts (seat_id, cause, amount)"
        " SELECT seat_id, 'cancelled', owed FROM closures WHERE owed > 0"
    )
    op.drop_column("closures", "owed")
