"""Free times."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.booking.actions import explaining, slots
from services.booking.domain.seats import Kind, Wish
from services.booking.schemas.schedules import LocalDate
from services.booking.schemas.sessions import Moment
from services.booking.schemas.slots import Explanation, SlotsView
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

    A free time is listed once for each kind the coach offers, an open group until it is
    full. Dates and `local_start` are in `timezone`, by default the coach's. Without
    `game` the base rate makes the price. Without a bearer a new student is assumed.
    """
    wanted = slots.SlotQuery(coach_id, since, until, duration, timezone, game)
    body = await slots.list_slots(
        sessions, wanted, caller.id if caller else None, clock.now()
    )
    return Response(body, media_type="application/json")


@router.get(
    "/{coach_id}/slots/explain",
    responses=problems(Unauthorized, NotFound, InvalidRequest),
)
async def explain(
    coach_id: UUID,
    caller: MaybeSignedIn,
    sessions: InjectedSessions,
    clock: InjectedClock,
    start: Annotated[Moment, Query(examples=["2026-06-19T18:00:00Z"])],
    duration: Annotated[int, Query(ge=1, le=1440)] = 60,
    game: Annotated[str | None, Query(max_length=200)] = None,
    kind: Kind = "individual",
) -> Explanation:
    """Whether a seat is offered at this instant, and if not, why.

    The reasons come from the run that lists and books, in a fixed order. To others than
    the coach time off, sessions and buffers are one reason, `unavailable`. The coach is
    told which setting alone would open the time.
    """
    asked = explaining.Question(coach_id, start, Wish(duration, kind, game))
    asker = caller.id if caller else None
    return await explaining.explain(sessions, asked, asker, clock.now())
