"""Which seats are offered: of a session alone, of a new group, of one that is open.

The first seat opens a group on a free slot and fixes its game and length; who comes
later joins it. Who joins is asked for the notice, the horizon, the cap of new students
and the pause; hours, grid, other sessions and the caps of sessions were asked for when
the group was opened.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

from services.booking.domain.problems import KindNotOffered
from services.booking.domain.reasons import Code, Reason, about_limits, reasons
from services.booking.domain.slots import (
    Calendar,
    OpenGroup,
    capped,
    earliest,
    horizon_end,
    is_paused,
    seconds,
    slots,
)

Kind = Literal["individual", "group"]

NOTICE = 24 * 60
"""Minutes before its start until which a new group may be opened, and at which one that
is open must have the participants it needs."""

OWN_SEAT = Reason(Code.UNAVAILABLE, "You have a seat in this group already.")
SOONER = Reason(Code.NOTICE, "A new group is opened at least 24 hours ahead.")
FULL = Reason(Code.GROUP_FULL, "Every seat of this group is taken.")
ORDER = list(Code)


class Wish(NamedTuple):
    """What is asked for. Without a `game` any group will do."""

    minutes: int
    kind: Kind = "individual"
    game: str | None = None


def require_kind(offered: bool, kind: Kind, where: str = "query.kind") -> None:
    """Raise KindNotOffered (422, naming the field `where`) without groups."""
    if kind == "group" and not offered:
        raise KindNotOffered(
            "The coach offers no group sessions.",
            errors=[{"field": where, "message": "the coach offers no group sessions"}],
        )


def against(calendar: Calendar, wish: Wish, start: datetime) -> list[Reason]:
    """Everything that speaks against this seat at `start`; empty: it is offered (S9).

    Raises DurationNotOffered if the policy has no sessions of that length.
    """
    if wish.kind == "individual":
        return reasons(calendar, wish.minutes, start)
    group = group_at(calendar, wish, start)
    if group is None:
        return [
            SOONER if each.code is Code.NOTICE and _is_short(calendar) else each
            for each in reasons(opening(calendar), wish.minutes, start)
        ]
    found = _against_joining(calendar, group)
    return sorted(found, key=lambda reason: ORDER.index(reason.code))


def starts(
    calendar: Calendar, wish: Wish, since: datetime, until: datetime
) -> list[int]:
    """Every start in `[since, until)` with such a seat, as `slots` gives them."""
    free = slots(calendar, wish.minutes, since, until)
    if wish.kind == "individual":
        return free
    new = free[bisect_left(free, first_new_group(calendar)) :]
    joined = (seconds(each.start) for each in open_groups(calendar, wish, since, until))
    return sorted([*new, *joined])


def group_at(calendar: Calendar, wish: Wish, start: datetime) -> OpenGroup | None:
    """The group that who wishes this joins, full or not."""
    for group in calendar.groups:
        if group.start == start and _suits(group, wish):
            return group
    return None


def open_groups(
    calendar: Calendar, wish: Wish, since: datetime, until: datetime
) -> list[OpenGroup]:
    """The groups with a seat for the student, of the wished length and game."""
    calendar = _joining(calendar)
    low = max(seconds(since), earliest(calendar))
    high = min(seconds(until), horizon_end(calendar))
    if not calendar.groups or is_paused(calendar) or low >= high:
        return []
    full = [each for _, ranges in capped(calendar, low, high) for each in ranges]
    return [
        group
        for group in calendar.groups
        if _suits(group, wish)
        and not group.mine
        and seats_left(calendar, group) > 0
        and low <= (at := seconds(group.start)) < high
        and not any(first <= at < end for first, end in full)
    ]


def first_new_group(calendar: Calendar) -> int:
    """The first start at which a new group may still be opened, in seconds."""
    return earliest(opening(calendar))


def seats_left(calendar: Calendar, group: OpenGroup) -> int:
    """A capacity that was raised holds for open groups, a lowered one does not."""
    capacity = max(group.capacity, calendar.policy.group.capacity)
    return max(0, capacity - group.taken)


def opening(calendar: Calendar) -> Calendar:
    """The calendar as it is for somebody who opens a group."""
    if not _is_short(calendar):
        return calendar
    policy = replace(calendar.policy, notice_minutes=NOTICE)
    return replace(calendar, policy=policy)


def _is_short(calendar: Calendar) -> bool:
    return calendar.policy.notice_minutes < NOTICE


def _joining(calendar: Calendar) -> Calendar:
    """The calendar as it is for who joins a group, which is one session anyway."""
    policy = replace(
        calendar.policy, max_sessions_per_day=None, max_sessions_per_week=None
    )
    return replace(calendar, policy=policy)


def _suits(group: OpenGroup, wish: Wish) -> bool:
    return group.minutes == wish.minutes and wish.game in (None, group.game)


def _against_joining(calendar: Calendar, group: OpenGroup) -> Iterator[Reason]:
    yield from about_limits(_joining(calendar), group.start.timestamp())
    if group.mine:
        yield OWN_SEAT
    elif seats_left(calendar, group) == 0:
        yield FULL
