"""Joining the call of a session."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.booking.actions import calls
from services.booking.actions.calls import Doorman
from services.booking.domain.calls import Meetings
from services.booking.domain.problems import CallNotOpen, RoomUnavailable, WrongStatus
from services.booking.schemas.calls import Ticket
from shared import idempotency
from shared.auth import SignedIn
from shared.errors import InvalidRequest, NotFound, Unauthorized
from shared.web import InjectedClock, InjectedSessions, problems

router = idempotency.make_router(prefix="/v1/sessions", tags=["calls"])


async def _doorman(request: Request) -> Doorman:
    doorman: Doorman = request.app.state.doorman
    return doorman


async def _meetings(request: Request) -> Meetings:
    meetings: Meetings = request.app.state.meetings
    return meetings


InjectedDoorman = Annotated[Doorman, Depends(_doorman)]
InjectedMeetings = Annotated[Meetings, Depends(_meetings)]


@router.post(
    "/{session_id}/join",
    responses=problems(
        Unauthorized,
        NotFound,
        WrongStatus,
        CallNotOpen,
        InvalidRequest,
        RoomUnavailable,
    ),
)
async def join(
    request: Request,
    session_id: UUID,
    caller: SignedIn,
    sessions: InjectedSessions,
    clock: InjectedClock,
    doorman: InjectedDoorman,
) -> Ticket:
    """A link into the call for this person, which shows that they came.

    From 15 minutes before the start until 30 minutes after the end. Ask when the person
    wants to enter: links may be good for one person and for this session only. When the
    room cannot be made, the session takes place in a Jitsi room instead, if the house
    allows that; else try again after `Retry-After`.
    """
    # Committed in steps: repeating leads to the same room, so no answer is kept.
    async with sessions.begin() as session:
        await idempotency.claim(session, request, caller)
    return await calls.join(sessions, doorman, session_id, caller, clock.now())
