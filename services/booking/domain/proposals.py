"""Proposals to move a session: which rules bind them, when they end, and how."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from services.booking.domain.moves import Side
from services.booking.domain.reasons import Code, Reason

LIFETIME = timedelta(hours=48)


class ProposalStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"


OVERLAPS = frozenset({Code.BUSY, Code.BUFFER})
"""Nobody can agree to be in two sessions, nor to what the database refuses."""

BINDING: dict[Side, frozenset[Code]] = {
    "coach": OVERLAPS,
    "student": frozenset(Code) - {Code.NOTICE},
}
"""What binds the one who proposes. Hours, grid, time off, caps, notice and horizon are
the coach's own settings, which the coach may set aside; the student proposes a listed
time, though at shorter notice, since the coach has to agree to it."""


def against(found: Iterable[Reason], by: Side) -> list[Reason]:
    """Of all that speaks against a time, what keeps this side from proposing it."""
    return [each for each in found if each.code in BINDING[by]]


def overlaps(found: Iterable[Reason]) -> list[Reason]:
    """What keeps a time from being taken although both sides want it."""
    return [each for each in found if each.code in OVERLAPS]


def expires_at(
    now: datetime, start: datetime, proposed: datetime, *, group: bool
) -> datetime:
    """Until when an answer counts, this instant excluded.

    Two days, but not past the present start nor the proposed one. For a group half of
    the time to the earlier of the two: its answers are put together then, and those
    who did not answer have as long again to hear that their seat is given back.
    """
    left = min(start, proposed) - now
    return now + min(LIFETIME, left / 2 if group else left)


def shown(
    status: ProposalStatus, expiry: datetime, now: datetime, *, accepted: bool = False
) -> ProposalStatus:
    """A proposal that ran out is expired, whether or not a tick has said so.

    Not so one that a seat of a group has `accepted`: it is still to be carried out.
    """
    if status is ProposalStatus.OPEN and expiry <= now and not accepted:
        return ProposalStatus.EXPIRED
    return status


def outcome(answers: Collection[bool | None], *, over: bool) -> ProposalStatus:
    """What the answers of all confirmed seats make of a proposal; None: not given.

    It waits for all of them, or until it is over. One that accepted is enough.
    """
    if None in answers and not over:
        return ProposalStatus.OPEN
    if any(answers):
        return ProposalStatus.ACCEPTED
    return ProposalStatus.EXPIRED if None in answers else ProposalStatus.DECLINED
