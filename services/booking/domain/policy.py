"""What a coach allows: lengths, gaps, notice, caps, and what a cancellation costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from services.booking.domain.problems import DurationNotOffered
from services.booking.domain.schedule import FieldError

STEP = 5
"""Durations and increments are whole multiples of this many minutes."""

SHORTEST = 15
LONGEST = 720
"""Bounds of a session in minutes; half a day spans two local dates at most."""

MOST_DURATIONS = 12
LONGEST_BUFFER = 240
LONGEST_NOTICE = 30 * 1440
LONGEST_HORIZON = 365
LARGEST_CAP = 1000
LARGEST_GROUP = 100
MOST_TIERS = 10
EARLIEST_TIER = LONGEST_HORIZON * 24
"""Hours: no session is sold further ahead than the longest horizon."""

FULL_REFUND_WITHIN = 168
"""Hours: further ahead than this, a student must get everything back."""

Meeting = Literal["jitsi", "daily", "whereby", "custom"]


class Tier(NamedTuple):
    """From `hours` before the start (inclusive) a student gets `percent` back."""

    hours: int
    percent: int


@dataclass(frozen=True, slots=True)
class Group:
    """Whether several students may share a session, and how many there must be."""

    enabled: bool = False
    capacity: int = 1
    min_participants: int = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A coach's booking policy; the defaults hold until the coach stores another.

    Times are minutes, the horizon is days of the coach's calendar, a cap of None does
    not bind. Valid if `policy_errors` is empty.
    """

    durations: tuple[int, ...] = (60,)
    increment: int = 30
    buffer_before: int = 0
    buffer_after: int = 0
    notice_minutes: int = 120
    horizon_days: int = 60
    max_sessions_per_day: int | None = None
    max_sessions_per_week: int | None = None
    max_students_per_week: int | None = None
    paused: bool = False
    group: Group = field(default_factory=Group)
    cancellation_tiers: tuple[Tier, ...] = (Tier(24, 100), Tier(0, 0))
    refund_on_resale: bool = False
    meeting: Meeting = "jitsi"
    meeting_url: str | None = None


def require_duration(
    policy: Policy, minutes: int, where: str = "query.duration"
) -> None:
    """Raise DurationNotOffered (422, naming the field `where`) for another length."""
    if minutes not in policy.durations:
        offered = ", ".join(map(str, policy.durations))
        message = f"the coach offers sessions of {offered} minutes"
        raise DurationNotOffered(
            "The coach offers no sessions of this length.",
            errors=[{"field": where, "message": message}],
        )


def policy_errors(policy: Policy) -> list[FieldError]:
    """What is wrong with a policy, one entry per fault; empty if it may be stored."""
    return [
        {"field": f"body.{name}", "message": message}
        for name, message in _faults(policy)
    ]


Fault = tuple[str, str]


def _faults(policy: Policy) -> Iterator[Fault]:
    yield from _duration_faults(policy.durations)
    if policy.increment % STEP or not STEP <= policy.increment <= LONGEST:
        yield "increment", f"must be a multiple of {STEP} from {STEP} to {LONGEST}"
    yield from _outside(policy, 0, LONGEST_BUFFER, "buffer_before", "buffer_after")
    yield from _outside(policy, 0, LONGEST_NOTICE, "notice_minutes")
    yield from _outside(policy, 0, LONGEST_HORIZON, "horizon_days")
    yield from _outside(policy, 1, LARGEST_CAP, *CAPS)
    yield from _group_faults(policy.group)
    yield from _tier_faults(policy.cancellation_tiers)
    yield from _meeting_faults(policy)


CAPS = ("max_sessions_per_day", "max_sessions_per_week", "max_students_per_week")


def _outside(policy: Policy, least: int, most: int, *names: str) -> Iterator[Fault]:
    for name in names:
        value = getattr(policy, name)
        if value is not None and not least <= value <= most:
            yield name, f"must be from {least} to {most}"


def _duration_faults(durations: Sequence[int]) -> Iterator[Fault]:
    if not durations:
        yield "durations", "at least one is needed"
    if len(durations) > MOST_DURATIONS:
        yield "durations", f"at most {MOST_DURATIONS} are possible"
    if len(set(durations)) < len(durations):
        yield "durations", "each must be there once"
    if any(each % STEP or not SHORTEST <= each <= LONGEST for each in durations):
        yield "durations", f"must be multiples of {STEP} from {SHORTEST} to {LONGEST}"


def _group_faults(group: Group) -> Iterator[Fault]:
    least = 2 if group.enabled else 1
    if not least <= group.capacity <= LARGEST_GROUP:
        yield "group.capacity", f"must be from {least} to {LARGEST_GROUP}"
    elif not 1 <= group.min_participants <= group.capacity:
        yield "group.min_participants", "must be from 1 to the capacity"


def _tier_faults(tiers: Sequence[Tier]) -> Iterator[Fault]:
    name = "cancellation_tiers"
    if len(tiers) > MOST_TIERS:
        yield name, f"at most {MOST_TIERS} are possible"
    if any(
        not (0 <= tier.hours <= EARLIEST_TIER and 0 <= tier.percent <= 100)
        for tier in tiers
    ):
        yield name, f"hours must be from 0 to {EARLIEST_TIER}, percents from 0 to 100"
    if any(later.hours >= tier.hours for tier, later in pairwise(tiers)):
        yield name, "hours must fall from tier to tier"
    if any(later.percent > tier.percent for tier, later in pairwise(tiers)):
        yield name, "percents must not rise from tier to tier"
    if not any(t.percent == 100 and t.hours <= FULL_REFUND_WITHIN for t in tiers):
        yield name, f"100 % must apply from some hours <= {FULL_REFUND_WITHIN}"


def _meeting_faults(policy: Policy) -> Iterator[Fault]:
    if policy.meeting not in get_args(Meeting):
        yield "meeting", f"must be one of {', '.join(get_args(Meeting))}"
    if policy.meeting == "custom" and policy.meeting_url is None:
        yield "meeting_url", "is needed for a custom meeting"
    if policy.meeting_url is not None and not _is_https(policy.meeting_url):
        yield "meeting_url", "must be an https URL"


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and len(url) <= 2000
