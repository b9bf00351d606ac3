"""What booking answers over HTTP."""

from fastapi import APIRouter

from services.booking.api import calls, schedules, sessions, slots

router = APIRouter()
for each in (schedules, slots, sessions, calls):
    router.include_router(each.router)
