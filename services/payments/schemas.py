from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field

from services.payments.domain import RefundStatus, Status
from shared.errors import InvalidRequest
from shared.inputs import Input, Instant, Money, Output


def _not_offered(value: Any) -> None:
    if value is not None:
        raise ValueError("paying for this is not offered yet")


NotOffered = Annotated[
    None, BeforeValidator(_not_offered), Field(description="Not offered yet.")
]


class PaymentRequest(Input):
    """What to pay for: the caller's live seat in a session, or all of a series."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"session_id": "01978f3e-5a4b-7c6d-8e9f-0a1b2c3d4e5f"},
                {"series_id": "01978f3e-5a4b-7c6d-8e9f-0a1b2c3d4e60"},
            ]
        }
    )

    session_id: UUID | None = None
    series_id: UUID | None = None
    purchase_id: NotOffered = None

    def require_one(self) -> None:
        """Raise InvalidRequest unless exactly one thing is named."""
        if (self.session_id is None) is not (self.series_id is None):
            return
        field = "session_id" if self.session_id is None else "series_id"
        message = "name either a session or a series"
        raise InvalidRequest(
            "One payment is for one thing.",
            errors=[{"field": f"body.{field}", "message": message}],
        )


class PaidSeat(Output):
    """One seat of a payment and its part of the amount."""

    seat_id: UUID
    session_id: UUID
    amount: Money


class Subject(Output):
    """What a payment is for: one seat in a session, or all the seats of a series."""

    session_id: UUID | None
    seat_id: UUID | None
    series_id: UUID | None
    seats: list[PaidSeat]


class RefundView(Output):
    """Money of one seat that goes back, or went."""

    id: UUID
    seat_id: UUID
    amount: Money
    status: RefundStatus


class PaymentView(Output):
    """A payment. A declined card leaves it `pending`, with the reason in `last_error`.

    `checkout_url` is Stripe's page to pay on, given while the payment is `pending`;
    it can be used until `expires_at`. `unknown` turns into another status by itself.
    """

    id: UUID
    subject: Subject
    status: Status
    amount: Money
    checkout_url: str | None
    expires_at: Instant
    last_error: str | None
    refunds: list[RefundView]


class Received(Output):
    """Stripe's event is stored, now or before; it need not be sent again."""

    received: bool
