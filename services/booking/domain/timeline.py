"""What a cancellation would give back from now to the start, stage by stage."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.booking.domain.cancellation import GRACE, Quote, Terms, quote

MOMENT = timedelta.resolution
"""Each boundary is the last instant of its stage; the next one begins right after."""


@dataclass(frozen=True, slots=True)
class Stage:
    """From `since` a student's cancellation gives what `quote` says.

    It does so up to and with `until`, except for the last stage: at the start, or when
    a hold runs out, it is too late.
    """

    since: datetime
    until: datetime
    quote: Quote


def timeline(terms: Terms, now: datetime, end: datetime) -> list[Stage]:
    """The stages that are left, by the function that quotes and cancels.

    `end` is the start, for a hold when it runs out. Raises WrongStatus if a student
    cannot cancel any more.
    """
    stages: list[Stage] = []
    since, first = now, now
    for last in _boundaries(terms, now, end):
        stages.append(Stage(since, last, quote(terms, "student", last)))
        since, first = last, last + MOMENT
    if first < end or not stages:
        stages.append(Stage(since, end, quote(terms, "student", first)))
    return _merged(stages)


def _boundaries(terms: Terms, now: datetime, end: datetime) -> list[datetime]:
    """The last instants of grace and of each tier, from now on and before the end."""
    found = {terms.start - timedelta(hours=tier.hours) for tier in terms.tiers}
    if terms.confirmed_at is not None:
        found.add(terms.confirmed_at + GRACE)
    return sorted(each for each in found if now <= each < end)


def _merged(stages: list[Stage]) -> list[Stage]:
    """Neighbours that give the same by the same rule are one stage."""
    merged = stages[:1]
    for stage in stages[1:]:
        if stage.quote == merged[-1].quote:
            merged[-1] = replace(merged[-1], until=stage.until)
        else:
            merged.append(stage)
    return merged
