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

router = APIRouter()
for each in (
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
):
    router.include_router(each.router)
