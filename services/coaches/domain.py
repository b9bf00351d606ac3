"""The rules of coaches: who is listed, what an application may become, what sells."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.errors import Conflict, InvalidRequest


class Verification(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    REJECTED = "rejected"


class Status(StrEnum):
    """What a coach says of the own profile; only an active one is listed."""

    ACTIVE = "active"
    ON_BREAK = "on_break"
    INACTIVE = "inactive"


class Experience(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"
    PROFESSIONAL = "professional"
    WORLD_CLASS = "world_class"


MOVES = {
    Verification.DRAFT: {Verification.SUBMITTED},
    Verification.SUBMITTED: {Verification.VERIFIED, Verification.REJECTED},
    Verification.VERIFIED: set[Verification](),
    Verification.REJECTED: {Verification.DRAFT, Verification.SUBMITTED},
}
"""What an application may become. A rejected one that is edited is a draft until its
coach submits it again."""


class AlreadyApplied(Conflict):
    slug = "already-applied"
    title = "You have applied already"


class WrongStatus(Conflict):
    """`verification` carries where the application stands."""

    slug = "wrong-status"
    title = "The application is not in a state that allows this"


class CurrencyFixed(Conflict):
    """It stays from the first hold for money on, and while games bear rates."""

    slug = "currency-fixed"
    title = "The currency cannot be changed"


class SlugTaken(Conflict):
    slug = "slug-taken"
    title = "There is a game of this slug"


class RankInUse(Conflict):
    """`ranks` names those that coaches hold and the change would remove."""

    slug = "rank-in-use"
    title = "Coaches hold this rank"


def require_move(old: Verification, new: Verification) -> None:
    """Raise WrongStatus unless an application may go from `old` to `new`."""
    if new not in MOVES[old]:
        raise WrongStatus(f"The application is {old}.", verification=old)


def is_listed(
    verification: Verification,
    status: Status,
    accepting: bool,
    suspended: bool,
    display_name: str | None,
    paused: bool,
) -> bool:
    """Whether the coach shows in the directory; one whose name is unknown does not."""
    return (
        is_public(verification, status, suspended)
        and status is Status.ACTIVE
        and accepting
        and display_name is not None
        and not paused
    )


def is_public(verification: Verification, status: Status, suspended: bool) -> bool:
    """Whether anyone may open the profile; if not, its owner and admins still may."""
    verified = verification is Verification.VERIFIED
    return verified and status is not Status.INACTIVE and not suspended


SHORTEST_SESSION = 15
"""Minutes: the shortest session that booking lets any coach offer."""

SMALLEST_CHARGES = {
    "AED": 200,
    "AUD": 50,
    "BGN": 100,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
    # Stripe charges these too but names no minimum: half a dollar's worth and a margin.
    "BHD": 250,
    "JOD": 450,
    "KWD": 200,
    "OMR": 250,
    "TND": 2000,
}
"""The currencies a coach may ask for, and the least in minor units that Stripe charges
in each: docs.stripe.com/currencies, "Minimum and maximum charge amounts"."""


def price(hourly_rate: int, minutes: int) -> int:
    """What a session costs, in minor units, rounded half up."""
    return (2 * hourly_rate * minutes + 60) // 120


def require_sellable(where: str, rate: int, currency: str) -> None:
    """Raise InvalidRequest for an hourly rate whose sessions Stripe cannot charge.

    `where` is the field it came in. A rate of 0 is possible: it needs no payment.
    """
    least = SMALLEST_CHARGES.get(currency)
    if least is None:
        known = ", ".join(sorted(SMALLEST_CHARGES))
        raise refused(f"{where}.currency", f"must be one of {known}")
    if rate and price(rate, SHORTEST_SESSION) < least:
        raise refused(
            f"{where}.amount",
            f"{SHORTEST_SESSION} minutes must cost 0 or at least {least} minor units",
        )


def require_currency(where: str, currency: str, expected: str) -> None:
    """Raise InvalidRequest for a rate in another currency than the coach's one."""
    if currency != expected:
        raise refused(f"{where}.currency", f"must be {expected}: a coach has one")


def refused(field: str, message: str) -> InvalidRequest:
    """A refusal of one field."""
    errors = [{"field": field, "message": message}]
    return InvalidRequest("Correct the field and send it again.", errors=errors)


PRIOR_MEAN = 4.2
PRIOR_REVIEWS = 5
"""A coach ranks as if there were so many reviews of that mean beside the real ones."""

Sort = Literal["rating", "price", "-price", "sessions", "new"]


@dataclass(frozen=True)
class Filters:
    """What the directory is asked for. Rates are per hour, in minor units."""

    words: tuple[str, ...] = ()
    game: str | None = None
    rank: str | None = None
    currency: str | None = None
    min_rate: int | None = None
    max_rate: int | None = None
    experience: Experience | None = None
    language: str | None = None
    sort: Sort = "rating"


def require_answerable(filters: Filters) -> None:
    """Raise InvalidRequest for filters that mean nothing without another one."""
    if filters.rank is not None and filters.game is None:
        raise refused("query.game", "is needed with rank")
    bounds = (filters.min_rate, filters.max_rate)
    if filters.currency is None and bounds != (None, None):
        raise refused("query.currency", "is needed with min_rate and max_rate")


def searchable(*texts: str | None) -> str:
    """What the directory's search looks through, in lower case."""
    return "\n".join(text for text in texts if text).lower()


def plain(text: str) -> str:
    """A slug or a currency read from a cursor. Raises ValueError for other text."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("is neither a slug nor a currency")
    return text
