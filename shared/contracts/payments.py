"""What payments says: what money did. Amounts are what moved, not what was asked."""

from typing import ClassVar
from uuid import UUID

from shared.contracts import Event, Instant, Money


class PaymentSucceededV1(Event):
    """The student's money arrived, as told by a verified webhook of Stripe."""

    name: ClassVar[str] = "payments.succeeded.v1"

    payment_id: UUID
    seat_ids: list[UUID]
    purchase_id: UUID | None = None
    amount: Money
    at: Instant


class PaymentFailedV1(Event):
    """An attempt was declined. The payment stays open: another attempt may succeed."""

    name: ClassVar[str] = "payments.failed.v1"

    payment_id: UUID
    seat_ids: list[UUID]
    purchase_id: UUID | None = None
    amount: Money
    at: Instant
    reason: str


class PaymentRefundedV1(Event):
    """Money is on its way back to the student."""

    name: ClassVar[str] = "payments.refunded.v1"

    payment_id: UUID
    refund_id: UUID
    seat_id: UUID | None = None
    purchase_id: UUID | None = None
    amount: Money


class RefundFailedV1(Event):
    """Money could not be given back; an admin has to look. The seat stays cancelled."""

    name: ClassVar[str] = "payments.refund_failed.v1"

    payment_id: UUID
    refund_id: UUID
    seat_id: UUID | None = None
    purchase_id: UUID | None = None
    amount: Money
    reason: str
