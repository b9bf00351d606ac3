"""What a cancellation gives back. The quote and the execution are one function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.booking.domain.lifecycle import Status, move
from services.booking.domain.policy import Tier
from services.booking.domain.pricing import share
from services.booking.domain.problems import WrongStatus

GRACE = timedelta(minutes=15)
"""After its confirmation a student may give a seat back for nothing."""

Party = Literal["student", "coach", "admin", "system"]
"""Who cancels; the system does so when a group lacks participants."""

Rule = Literal[
    "hold", "grace", "coach", "admin", "system", "tier", "moved", "moved by coach"
]


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed and paid for a seat; amounts in minor units.

    `paid` is 0 for a hold. `refunded` is all that went back so far, pending refunds
    included. `marks` are the percents that the tiers gave (`tier_percent`) at each
    move the student asked for, against the start of that moment; `moved_by_coach` says
    that the last move was the coach's. `step` is what all amounts of the currency are
    multiples of.
    """

    status: Status
    start: datetime
    confirmed_at: datetime | None
    tiers: Sequence[Tier]
    paid: int
    refunded: int = 0
    marks: Sequence[int] = ()
    moved_by_coach: bool = False
    step: int = 1


@dataclass(frozen=True, slots=True)
class Quote:
    """What a cancellation gives back now, and the rule that says so.

    `tier` is the one that was met, None if another rule or no tier decided.
    `free_until` is the last instant at which the student gets everything back, perhaps
    gone by; None for a hold, which is free as long as it is one.
    """

    percent: int
    refund: int
    rule: Rule
    tier: Tier | None
    free_until: datetime | None


def quote(terms: Terms, by: Party, now: datetime) -> Quote:
    """What `by` cancelling at `now` gives back.

    Raises WrongStatus if the seat cannot be cancelled any more; for a student that is
    from the start on. What a coach cancels after that is a no-show of its own.
    """
    move(terms.status, becomes(terms, by, now))
    if by == "student" and _is_over(terms, now):
        detail = "The session has begun: it cannot be cancelled any more."
        raise WrongStatus(detail, session_status=terms.status)
    percent, rule, tier = _decide(terms, by, now)
    back = refund(terms.paid, terms.refunded, percent, terms.step)
    return Quote(percent, back, rule, tier, free_until(terms))


def refund(paid: int, refunded: int, percent: int, step: int = 1) -> int:
    """The percentage of what was paid, as far as that much has not gone back yet."""
    return min(share(paid, percent, step), max(0, paid - refunded))


def becomes(terms: Terms, by: Party, now: datetime) -> Status:
    """What cancelling makes of a seat: a coach ends as a no-show what has begun."""
    begun = terms.status is Status.IN_PROGRESS or _is_over(terms, now)
    return Status.NO_SHOW if by == "coach" and begun else Status.CANCELLED


def tier_percent(tiers: Iterable[Tier], start: datetime, now: datetime) -> int:
    """What the tiers alone give back: the first that is met, to the instant."""
    tier = met(tiers, start, now)
    return tier.percent if tier else 0


def lowest_percent(terms: Terms, now: datetime) -> int:
    """What tiers and marks give together: a late move launders no late cancel."""
    return min([tier_percent(terms.tiers, terms.start, now), *terms.marks])


def met(tiers: Iterable[Tier], start: datetime, now: datetime) -> Tier | None:
    """The first tier whose hours lie between now and the start, inclusive."""
    remaining = start - now
    return next((t for t in tiers if remaining >= timedelta(hours=t.hours)), None)


def free_until(terms: Terms) -> datetime | None:
    """The last instant at which a student's cancellation gives everything back."""
    if terms.confirmed_at is None:
        return None
    if terms.moved_by_coach:
        return terms.start
    ends = [min(terms.confirmed_at + GRACE, terms.start)]
    if all(mark == 100 for mark in terms.marks):
        ends += [
            terms.start - timedelta(hours=tier.hours)
            for tier in terms.tiers
            if tier.percent == 100
        ]
    return max(ends)


def _is_over(terms: Terms, now: datetime) -> bool:
    return terms.status is not Status.HELD and now >= terms.start


def _decide(terms: Terms, by: Party, now: datetime) -> tuple[int, Rule, Tier | None]:
    if by != "student":
        return 100, by, None
    if terms.status is Status.HELD:
        return 100, "hold", None
    if terms.confirmed_at is not None and now <= terms.confirmed_at + GRACE:
        return 100, "grace", None
    if terms.moved_by_coach:
        return 100, "moved by coach", None
    tier = met(terms.tiers, terms.start, now)
    percent = tier.percent if tier else 0
    lowest = lowest_percent(terms, now)
    return (percent, "tier", tier) if lowest == percent else (lowest, "moved", None)
