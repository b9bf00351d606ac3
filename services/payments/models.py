from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from services.payments.domain import Cause, RefundStatus, Status
from shared.db import enum_column, new_registry


class Base(SQLModel, registry=new_registry()):
    pass


class Payable(Base, table=True):
    """A seat that booking held for money. Its row lock is the seat's lock.

    What became of the seat is in `closures`, so that both may be heard in any order.
    The `series_size` seats of one `series_id` are paid together.
    """

    __tablename__ = "payables"
    __table_args__ = (
        Index("payables_of_a_session", "session_id", "student_id"),
        Index(
            "payables_of_a_series",
            "series_id",
            postgresql_where=text("series_id IS NOT NULL"),
        ),
        CheckConstraint(
            "(series_id IS NULL) = (series_size IS NULL)",
            name="a_series_has_a_size",
        ),
    )

    seat_id: UUID = Field(primary_key=True)
    session_id: UUID
    coach_id: UUID
    student_id: UUID
    kind: str
    starts_at: datetime
    ends_at: datetime
    amount: int
    currency: str = Field(max_length=3)
    fee_percent: int
    hold_expires_at: datetime
    series_id: UUID | None = None
    series_size: int | None = None


class SeatTime(Base, table=True):
    """When a seat takes place, as the newest `start_version` we heard of says.

    It may be here before its payable, which copies it.
    """

    __tablename__ = "seat_times"

    seat_id: UUID = Field(primary_key=True)
    start_version: int
    starts_at: datetime
    ends_at: datetime


class Closure(Base, table=True):
    """A seat that is not to be paid any more.

    It may be here before its payable, and it stays when a late success revives a seat.
    """

    __tablename__ = "closures"

    seat_id: UUID = Field(primary_key=True)
    closed_at: datetime


class Debt(Base, table=True):
    """What booking says that a seat gives back, once for each cause.

    It may be here before the money; then it is promised when that comes.
    """

    __tablename__ = "debts"
    __table_args__ = (CheckConstraint("amount > 0", name="a_debt_is_some_money"),)

    seat_id: UUID = Field(primary_key=True)
    cause: Cause = Field(primary_key=True, sa_type=enum_column(Cause))
    amount: int


class Payer(Base, table=True):
    """What Stripe mails the receipt to; our copy of what accounts last said."""

    __tablename__ = "payers"

    user_id: UUID = Field(primary_key=True)
    version: int
    email: str


class Payment(Base, table=True):
    """One student's try to pay for a seat or for a series of them, on one page.

    `attempt` is part of the idempotency key of the next call. `due_at` (real time) says
    when Stripe is to be called again: to open the page (`unknown`) or to close it
    (`expired`); None when nothing is left to do. Of the money that was `received`,
    `promised` is to go back, failed refunds included, and `refunded` is back already.
    Each seat's part of all that is its `Share`.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "0 <= refunded AND refunded <= promised AND promised <= received",
            name="refunds_stay_within_the_money",
        ),
        Index(
            "a_seat_has_one_open_payment",
            "seat_id",
            unique=True,
            postgresql_where=text("status IN ('unknown', 'pending')"),
        ),
        Index(
            "a_series_has_one_open_payment",
            "series_id",
            unique=True,
            postgresql_where=text("status IN ('unknown', 'pending')"),
        ),
        CheckConstraint(
            "num_nonnulls(seat_id, series_id) = 1",
            name="a_payment_is_for_one_thing",
        ),
        Index("payments_of_a_student", "student_id", "id"),
        Index("due_payments", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "payments_that_may_expire",
            "expires_at",
            postgresql_where=text("status IN ('unknown', 'pending')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    seat_id: UUID | None = Field(default=None, foreign_key="payables.seat_id")
    series_id: UUID | None = None
    student_id: UUID
    status: Status = Field(default=Status.UNKNOWN, sa_type=enum_column(Status))
    amount: int
    currency: str = Field(max_length=3)
    attempt: int = 1
    due_at: datetime | None = None
    checkout_id: str | None = None
    checkout_url: str | None = None
    expires_at: datetime
    intent_id: str | None = None
    received: int = 0
    received_currency: str | None = Field(default=None, max_length=3)
    promised: int = 0
    refunded: int = 0
    last_error: str | None = None
    created_at: datetime
    paid_at: datetime | None = None


class Share(Base, table=True):
    """What one seat is of a payment; `amount` is its price.

    Of what was `received` for it, `promised` goes back: the same as in its `Payment`,
    whose numbers are the sums of these.
    """

    __tablename__ = "shares"
    __table_args__ = (
        CheckConstraint(
            "0 <= promised AND promised <= received",
            name="a_seat_gives_back_its_own_share",
        ),
        Index("shares_of_a_seat", "seat_id"),
    )

    payment_id: UUID = Field(primary_key=True, foreign_key="payments.id")
    seat_id: UUID = Field(primary_key=True, foreign_key="payables.seat_id")
    amount: int
    received: int = 0
    promised: int = 0


class Refund(Base, table=True):
    """Money of one seat on its way back. Who promised it made room for it.

    That is in `Payment.promised` and in its seat's `Share.promised`. `attempt_since`
    and `due_at` are real time: the age of the present idempotency key, and when it is
    to be sent (again); `stripe_id` is set once Stripe has the refund.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint(
            "payment_id", "seat_id", "cause", name="a_cause_refunds_a_seat_once"
        ),
        CheckConstraint("amount > 0", name="a_refund_moves_money"),
        Index("refunds_of_a_seat", "seat_id"),
        Index("due_refunds", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    payment_id: UUID = Field(foreign_key="payments.id")
    seat_id: UUID
    cause: Cause = Field(sa_type=enum_column(Cause))
    status: RefundStatus = Field(
        default=RefundStatus.PENDING, sa_type=enum_column(RefundStatus)
    )
    amount: int
    currency: str = Field(max_length=3)
    attempt: int = 1
    refusals: int = 0
    due_at: datetime | None = None
    attempt_since: datetime
    stripe_id: str | None = None
    last_error: str | None = None
    created_at: datetime
