"""Who may move a session, and what a move does to a later cancellation."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.booking.domain.cancellation import Terms, lowest_percent, tier_percent
from services.booking.domain.lifecycle import Status, words
from services.booking.domain.problems import TooManyMoves, WrongStatus

MOST_MOVES = 3
"""So often a student may have a session moved, at once or by proposals."""

Side = Literal["student", "coach"]


def require_movable(status: Status, start: datetime, now: datetime) -> None:
    """Raise WrongStatus unless it is confirmed and lies ahead."""
    if status is not Status.CONFIRMED or now >= start:
        begun = status is Status.CONFIRMED
        detail = "has begun" if begun else f"is {words(status)}"
        raise WrongStatus(
            f"A session that {detail} cannot be moved.", session_status=status
        )


def require_moves_left(moves: int) -> None:
    """Raise TooManyMoves if the student has had as many moves as there are."""
    if moves >= MOST_MOVES:
        raise TooManyMoves(f"A student moves a session {MOST_MOVES} times at most.")


def may_move_alone(terms: Terms, now: datetime) -> bool:
    """Whether the student may move at once: tiers and marks would give 100 %.

    Neither a fresh confirmation nor a move of the coach's makes up for it: who moves
    alone always takes a mark of 100, so a move at once costs nothing later.
    """
    return lowest_percent(terms, now) == 100


def moved(terms: Terms, asked_by: Side, start: datetime, now: datetime) -> Terms:
    """The terms after a move to `start` that takes place at `now`.

    The student's adds a mark: what the tiers give at this moment against the start
    that is left. The coach's erases all marks and makes the seat free to cancel until
    the new start or the student's own next move.
    """
    if asked_by == "coach":
        return replace(terms, start=start, marks=(), moved_by_coach=True)
    mark = tier_percent(terms.tiers, terms.start, now)
    return replace(terms, start=start, marks=(*terms.marks, mark), moved_by_coach=False)
