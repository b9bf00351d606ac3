"""What booking answers over HTTP."""

from fastapi import APIRouter

from services.booking.api import (
    admin,
    calendars,
    calls,
    lifecycle,
    moves,
    schedules,
    series,
    sessions,
    slots,
    waitlist,
)

MODULES = (
    schedules,
    slots,
    sessions,
    series,
    waitlist,
    moves,
    calls,
    lifecycle,
    admin,
    calendars,
)

router = APIRouter(routes=[route for each in MODULES for route in each.router.routes])
