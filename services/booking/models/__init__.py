"""The tables of booking. What must never be true, the database refuses by name."""

from services.booking.models.attendance import Attendance
from services.booking.models.base import Base
from services.booking.models.sessions import (
    LIVE,
    Coach,
    Move,
    RefusedPayment,
    Seat,
    Session,
    StoredPolicy,
    StoredSchedule,
)

__all__ = [
    "LIVE",
    "Attendance",
    "Base",
    "Coach",
    "Move",
    "RefusedPayment",
    "Seat",
    "Session",
    "StoredPolicy",
    "StoredSchedule",
]
