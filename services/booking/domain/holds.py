"""How many seats a student may hold without paying."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.booking.domain.problems import TooManyHolds

LIFETIME = timedelta(minutes=15)
"""How long a hold lasts unless the settings say otherwise."""

MOST_LIVE = 3
MOST_AN_HOUR = 5
HOUR = timedelta(hours=1)


class Hold(NamedTuple):
    """A seat a student has held: with whom, since when, until when it is or was live.

    `expires_at` is when it ended if it was paid, cancelled or has expired before.
    """

    coach_id: UUID
    made_at: datetime
    expires_at: datetime


def require_room(holds: Sequence[Hold], coach_id: UUID, now: datetime) -> None:
    """Raise TooManyHolds if the student may not hold one more seat with the coach.

    At most 3 live holds, 1 of them with the same coach, and 5 an hour with one coach,
    live or not. `holds` are the student's live ones and those made with this coach
    within the last hour. `retry_after` says when the earliest of them gives way.
    """
    live = [hold.expires_at for hold in holds if hold.expires_at > now]
    here = [hold for hold in holds if hold.coach_id == coach_id]
    same = [hold.expires_at for hold in here if hold.expires_at > now]
    recent = [hold.made_at + HOUR for hold in here if hold.made_at + HOUR > now]
    _refuse_above(1, same, now, "You already hold a session with this coach.")
    _refuse_above(MOST_LIVE, live, now, "You already hold several unpaid sessions.")
    detail = "You have reserved with this coach too often within the last hour."
    _refuse_above(MOST_AN_HOUR, recent, now, detail)


def _refuse_above(
    most: int, ends: Sequence[datetime], now: datetime, detail: str
) -> None:
    """Each use ends at one of `ends`; there is room once fewer than `most` go on."""
    if len(ends) >= most:
        free_at = sorted(ends)[len(ends) - most]
        seconds = -((now - free_at) // timedelta(seconds=1))
        raise TooManyHolds(detail, retry_after=max(1, seconds))
