"""Free times."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.booking.actions import slots
from services.booking.schemas.schedules import LocalDate
from services.booking.schemas.slots import SlotsView
from shared.auth import MaybeSignedIn
from shared.errors import InvalidRequest, NotFound, Unauthorized
from shared.idempotency import make_router
from shared.web import InjectedClock, InjectedSessions, problems

router = make_router(prefix="/v1/coaches", tags=["slots"])


@router.get(
    "/{coach_id}/slots",
    response_model=SlotsView,
    responses=problems(Unauthorized, NotFound, InvalidRequest),
)
async def list_slots(
    coach_id: UUID,
    caller: MaybeSignedIn,
    sessions: InjectedSessions,
    clock: InjectedClock,
    since: Annotated[LocalDate, Query(alias="from", examples=["2026-06-15"])],
    until: Annotated[LocalDate, Query(alias="to", examples=["2026-06-21"])],
    duration: Annotated[int, Query(ge=1, le=1440)] = 60,
    timezone: Annotated[str | None, Query(max_length=64)] = None,
    game: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """The free times from one date to another, both included, 62 days at most.

    Dates and `local_start` are in `timezone`, by default the coach's. Without `game`
    the base rate makes the price. Without a bearer a new student is assumed.
    """
    wanted = slots.SlotQuery(coach_id, since, until, duration, timezone, game)
    body = await slots.list_slots(
        sessions, wanted, caller.id if caller else None, clock.now()
    )
    return Response(body, media_type="application/json")
