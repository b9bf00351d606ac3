"""What a session costs and what the platform keeps: integers of minor units."""

from shared.errors import InvalidRequest

MOST = 99_999_999
"""The largest charge in any currency: docs.stripe.com/currencies, "Minimum and maximum
charge amounts"."""

THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def step_of(currency: str) -> int:
    """The minor units that every amount of the currency is a whole multiple of.

    Of three decimals Stripe takes two (docs.stripe.com/currencies, "Three-decimal
    currencies"): anything between could be neither charged nor given back.
    """
    return 10 if currency in THREE_DECIMALS else 1


def require_chargeable(amount: int, where: str = "query.duration") -> None:
    """Raise InvalidRequest, naming the field `where`, for more than can be charged."""
    if amount > MOST:
        message = "costs more at this length than can be charged at once"
        raise InvalidRequest(
            "The session is too dear.", errors=[{"field": where, "message": message}]
        )


def price(hourly_rate: int, minutes: int, step: int = 1) -> int:
    """The price of a session, rounded half up to a step; the rate is an hour's."""
    return step * _half_up(hourly_rate * minutes, 60 * step)


def share(amount: int, percent: int, step: int = 1) -> int:
    """A percentage, rounded half up to a step: a fee, or what a tier gives back."""
    return step * _half_up(amount * percent, 100 * step)


def fee_back(fee: int, refunded_total: int, gross: int) -> int:
    """How much of the fee has gone back once `refunded_total` of `gross` has.

    Cumulative, so that parts never drift from the whole: what one refund gives back is
    the difference to the total before it. Nothing was taken of a price of 0.
    """
    return _half_up(fee * refunded_total, gross) if gross else 0


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
