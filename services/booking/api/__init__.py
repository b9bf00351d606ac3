"""What booking answers over HTTP."""

from fastapi import APIRouter

from services.booking.api import schedules, sessions, slots

router = APIRouter()
for each in (schedules, slots, sessions):
    router.include_router(each.router)
