"""What a seat has brought in, and what of it goes back."""

from collections.abc import Sequence

from services.booking.domain.lifecycle import RefundStatus
from services.booking.models import Seat, SeatRefund
from shared.contracts.booking import Earned


def paid(seat: Seat) -> int:
    """Minor units that came for the seat, whatever has gone back since."""
    return 0 if seat.payment_id is None else seat.price


def refunded(seat: Seat) -> int:
    """What was promised back so far, pending refunds included."""
    return seat.refund_amount or 0


def owe(seat: Seat, amount: int, percent: int) -> None:
    """Promise this much more. Nothing to give back is given back already."""
    seat.refund_amount, seat.refund_percent = refunded(seat) + amount, percent
    seat.refund_status = RefundStatus.PENDING if amount else RefundStatus.SUCCEEDED


def progress(seat: Seat, told: Sequence[SeatRefund]) -> RefundStatus:
    """Of all that is owed: one that failed is not made good by another that came."""
    if any(each.status is RefundStatus.FAILED for each in told):
        return RefundStatus.FAILED
    back = sum(each.amount for each in told)
    return RefundStatus.SUCCEEDED if back >= refunded(seat) else RefundStatus.PENDING


def earned(seat: Seat, back: int = 0) -> Earned:
    """What is left to the coach, before the fee, once `back` more has gone back."""
    source = "money" if seat.payment_id else "credit" if seat.price else "free"
    return Earned(
        amount=paid(seat) - refunded(seat) - back,
        currency=seat.currency,
        source=source,
    )
