"""The tables of booking. What must never be true, the database refuses by name."""

from services.booking.models.attendance import (
    Attendance,
    ReportedProblem,
    Standing,
    Strike,
)
from services.booking.models.base import Base
from services.booking.models.calendars import BusyCalendar, BusyTime, CalendarToken
from services.booking.models.moves import Answer, Proposal, Relocation
from services.booking.models.rooms import Person, Room
from services.booking.models.series import Series, Waiting
from services.booking.models.sessions import (
    FOREVER,
    LIVE,
    Coach,
    Move,
    RefusedPayment,
    Seat,
    SeatRefund,
    Session,
    StoredPolicy,
    StoredSchedule,
)

__all__ = [
    "FOREVER",
    "LIVE",
    "Answer",
    "Attendance",
    "Base",
    "BusyCalendar",
    "BusyTime",
    "CalendarToken",
    "Coach",
    "Move",
    "Person",
    "Proposal",
    "RefusedPayment",
    "Relocation",
    "ReportedProblem",
    "Room",
    "Seat",
    "SeatRefund",
    "Series",
    "Session",
    "Standing",
    "StoredPolicy",
    "StoredSchedule",
    "Strike",
    "Waiting",
]
