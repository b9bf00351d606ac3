"""The rules of payments. Nothing here waits, reads a clock or knows a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import gcd
from uuid import UUID

from shared.errors import Conflict, NotFound, Problem, Unavailable


class Status(StrEnum):
    """Where a payment is; `unknown`: Stripe was asked for a page and did not answer."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


OPEN = frozenset({Status.UNKNOWN, Status.PENDING})


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Cause(StrEnum):
    """Why money goes back; a seat's share is refunded once at most for each."""

    CANCELLED = "cancelled"
    MISSED = "missed"
    PROBLEM = "problem"
    REFUSED = "refused"
    RESOLD = "resold"


SHORTEST_CHECKOUT = timedelta(minutes=30)
LONGEST_CHECKOUT = timedelta(hours=24)
"""The bounds that Stripe sets to the life of a Checkout Session (its `expires_at`)."""

CHECKOUT_SLACK = timedelta(minutes=1)
"""For the way to Stripe and for clocks that differ a little."""

MOST_ATTEMPTS = 5
"""Keys used up asking for one Checkout page before the payment counts as failed."""

REFUND_PAUSES = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=15))
"""Real time before each further try of a refund that Stripe refused; then an admin."""


class NotPayableYet(Conflict):
    slug = "not-payable-yet"
    title = "No seat of yours in this session is known here yet"


class PartOfSeries(Conflict):
    """`series_id` says which: pay for that."""

    slug = "part-of-a-series"
    title = "This seat is paid for together with its series"


class HoldExpired(Conflict):
    slug = "hold-expired"
    title = "The seat is no longer held for you"


class SeatOver(HoldExpired):
    """The seat in a group is given up; its student may have taken another since."""


class AlreadyPaid(Conflict):
    slug = "already-paid"
    title = "This seat is paid for"


class PaymentUnknown(Unavailable):
    slug = "payment-unknown"
    title = "Stripe has not answered yet"


class BadSignature(Problem):
    status = 400
    slug = "bad-signature"
    title = "The webhook is not signed by Stripe"


class NoPayment(NotFound):
    title = "There is no such payment"


@dataclass(frozen=True)
class Line:
    """One seat on a Checkout page; `price` is in minor units."""

    description: str
    price: int


@dataclass(frozen=True)
class Order:
    """What a Checkout page is asked for, for one seat or for a series."""

    payment_id: UUID
    seat_id: UUID | None
    series_id: UUID | None
    attempt: int
    lines: Sequence[Line]
    currency: str
    customer_email: str | None
    expires_at: datetime


@dataclass(frozen=True)
class Checkout:
    """A page at Stripe on which a student can pay."""

    id: str
    url: str


@dataclass(frozen=True)
class RefundOrder:
    """What a refund is asked for; `amount` is in minor units of the charge."""

    refund_id: UUID
    attempt: int
    payment_id: UUID
    intent_id: str
    amount: int


@dataclass(frozen=True)
class Refused:
    """Stripe said no and means it: the same request will not succeed."""

    reason: str


@dataclass(frozen=True)
class KeySpent:
    """This idempotency key will never give more than this answer: use a new one."""

    reason: str


@dataclass(frozen=True)
class MoneyArrived:
    """A page or an intent was paid; the amount is what Stripe received."""

    payment_id: UUID
    intent_id: str
    amount: int
    currency: str


@dataclass(frozen=True)
class CheckoutExpired:
    payment_id: UUID
    attempt: int


@dataclass(frozen=True)
class AttemptDeclined:
    """A card was declined; the page stays open for another one."""

    payment_id: UUID
    reason: str


@dataclass(frozen=True)
class RefundMoved:
    """Where a refund is, as Stripe answered or announced."""

    refund_id: UUID
    attempt: int
    stripe_id: str
    status: RefundStatus
    reason: str | None = None


News = MoneyArrived | CheckoutExpired | AttemptDeclined | RefundMoved


def checkout_expiry(hold_expires_at: datetime, now: datetime) -> datetime:
    """Until when the page can be paid: with the hold, within Stripe's bounds."""
    earliest = now + SHORTEST_CHECKOUT + CHECKOUT_SLACK
    latest = now + LONGEST_CHECKOUT - CHECKOUT_SLACK
    return min(max(hold_expires_at, earliest), latest).replace(microsecond=0)


def seen_at(status: Status, expires_at: datetime, now: datetime) -> Status:
    """The status as a reader sees it: time runs out also before anybody noted it."""
    return Status.EXPIRED if status in OPEN and expires_at <= now else status


def after_refunds(received: int, refunded: int) -> Status:
    """The status of a payment of which `refunded` has gone back."""
    if refunded == 0:
        return Status.SUCCEEDED
    return Status.REFUNDED if refunded >= received else Status.PARTIALLY_REFUNDED


def allocate(received: int, prices: Sequence[int]) -> list[int]:
    """What arrived, split by price with the largest remainders first.

    The prices themselves if all of it arrived. Parts are whole multiples of what all
    these amounts are multiples of, as currencies of three decimals need it.
    """
    unit, total = gcd(received, *prices), sum(prices)
    if total == 0 or unit == 0:
        return [0 for _ in prices]
    parts = [divmod(received * price, total * unit) for price in prices]
    shares = [whole for whole, _ in parts]
    left = received // unit - sum(shares)
    for at in sorted(range(len(parts)), key=lambda at: -parts[at][1])[:left]:
        shares[at] += 1
    return [share * unit for share in shares]


def description_of(start: datetime, end: datetime) -> str:
    """The line on the Checkout page and on Stripe's receipt; times in UTC."""
    return f"Coaching session, {start:%Y-%m-%d, %H:%M} to {end:%H:%M} UTC"
