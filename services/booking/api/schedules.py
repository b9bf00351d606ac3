"""When and on what terms a coach can be booked."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Response

from services.booking.actions import coaches, schedules
from services.booking.api.calls import InjectedMeetings
from services.booking.schemas.schedules import (
    PolicyBody,
    ScheduleBody,
    ScheduleView,
    StoredPolicyView,
    StoredScheduleView,
)
from shared.auth import Coach, MaybeSignedIn
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.web import InjectedClock, InjectedSessions, Transaction, problems

router = make_router(prefix="/v1/coaches/{coach_id}", tags=["schedules"])

IfMatch = Annotated[
    str | None,
    Header(description="Replace only what still has this ETag (RFC 9110, 13.1.1)."),
]
READING = problems(Unauthorized, NotFound, InvalidRequest)
WRITING = problems(
    BadRequest, Unauthorized, Forbidden, NotFound, PreconditionFailed, InvalidRequest
)


@router.get("/schedule", responses=READING, response_model_exclude_unset=True)
async def get_schedule(
    coach_id: UUID, caller: MaybeSignedIn, session: Transaction, response: Response
) -> ScheduleView:
    """The coach's schedule, in UTC and empty before it wrote one.

    Others than the coach see no `time_off`.
    """
    stored = await schedules.get_schedule(session, coach_id)
    response.headers["ETag"] = stored.etag
    shown = dict(stored.body)
    if caller is None or caller.id != coach_id:
        del shown["time_off"]
    return ScheduleView(**shown)


@router.put("/schedule", responses=WRITING)
async def put_schedule(
    coach_id: UUID,
    body: ScheduleBody,
    caller: Coach,
    session: Transaction,
    clock: InjectedClock,
    response: Response,
    if_match: IfMatch = None,
) -> StoredScheduleView:
    """Replace the whole schedule. Sold sessions stay; what no longer fits is told."""
    _only_self(caller.id, coach_id)
    stored, affected = await schedules.replace_schedule(
        session, coach_id, body, if_match, clock.now()
    )
    response.headers["ETag"] = stored.etag
    return StoredScheduleView(**dict(stored.body), affected_sessions=affected)


@router.get("/booking-policy", responses=READING)
async def get_policy(
    coach_id: UUID, session: Transaction, response: Response
) -> PolicyBody:
    """The terms on which the coach is booked; defaults before it wrote any."""
    stored = await schedules.get_policy(session, coach_id)
    response.headers["ETag"] = stored.etag
    return stored.body


@router.put("/booking-policy", responses=WRITING)
async def put_policy(
    coach_id: UUID,
    body: PolicyBody,
    caller: Coach,
    sessions: InjectedSessions,
    session: Transaction,
    clock: InjectedClock,
    meetings: InjectedMeetings,
    response: Response,
    if_match: IfMatch = None,
) -> StoredPolicyView:
    """Replace the whole policy. Sold sessions keep the terms they were sold on.

    Groups need a group rate in the profile. A capacity that is raised holds for groups
    that are open, too; a lowered one holds for new ones.
    """
    _only_self(caller.id, coach_id)
    if body.group.enabled:
        await coaches.wait_for_group_rate(sessions, coach_id)
    stored, affected = await schedules.replace_policy(
        session, coach_id, body, meetings, if_match, clock.now()
    )
    response.headers["ETag"] = stored.etag
    return StoredPolicyView(**dict(stored.body), affected_sessions=affected)


def _only_self(caller_id: UUID, coach_id: UUID) -> None:
    if caller_id != coach_id:
        raise Forbidden("Only the coach may change this.")
