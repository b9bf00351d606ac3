"""What a seat can be, and what it may become from there."""

from enum import StrEnum

from services.booking.domain.problems import WrongStatus


class Status(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class RefundStatus(StrEnum):
    """How far what is owed for a seat has come."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


NEXT: dict[Status, frozenset[Status]] = {
    Status.HELD: frozenset({Status.CONFIRMED, Status.EXPIRED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset(
        {Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED, Status.NO_SHOW}
    ),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.NO_SHOW}),
    Status.COMPLETED: frozenset(),
    Status.EXPIRED: frozenset({Status.CONFIRMED}),
    Status.CANCELLED: frozenset(),
    Status.NO_SHOW: frozenset({Status.COMPLETED}),
}
"""Expired to confirmed is a late payment, no-show to completed a contested one."""

LIVE = frozenset({Status.HELD, Status.CONFIRMED, Status.IN_PROGRESS})
"""These occupy the time of coach and student; the database keeps them apart."""

COUNTED = LIVE | {Status.COMPLETED, Status.NO_SHOW}
"""These count for the caps and keep their buffers: the coach has spent that time."""


MOST_ALIVE = (
    Status.IN_PROGRESS,
    Status.CONFIRMED,
    Status.HELD,
    Status.COMPLETED,
    Status.NO_SHOW,
    Status.CANCELLED,
    Status.EXPIRED,
)
"""Which seat stands for its session: the first of these that there is."""


def move(status: Status, to: Status) -> Status:
    """Return `to` if a seat may go there from `status`; raise WrongStatus if not.

    Staying is not a move: confirming what is confirmed is refused as well.
    """
    if to not in NEXT[status]:
        detail = f"A session that is {words(status)} cannot become {words(to)}."
        raise WrongStatus(detail, session_status=status)
    return to


def require(status: Status, *allowed: Status) -> None:
    """Raise WrongStatus if a seat's status is none of these."""
    if status not in allowed:
        detail = f"A session that is {words(status)} does not allow this."
        raise WrongStatus(detail, session_status=status)


def words(status: Status) -> str:
    """The status as a person would write it."""
    return status.replace("_", " ")
