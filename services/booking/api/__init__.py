"""What booking answers over HTTP."""

from fastapi import APIRouter

from services.booking.api import calls, moves, schedules, series, sessions, slots

router = APIRouter()
for each in (schedules, slots, sessions, series, moves, calls):
    router.include_router(each.router)
