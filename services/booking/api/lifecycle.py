"""A session while it takes place and right after: who came, and what went wrong."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import lifecycle, reports, sessions
from services.booking.domain.problems import (
    HasCome,
    ProblemReported,
    TooEarly,
    TooLate,
    WrongStatus,
)
from services.booking.schemas.attendance import Absence, SeatVerb
from services.booking.schemas.sessions import SessionView
from shared.auth import Caller, SignedIn
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.web import InjectedClock, Transaction, problems

router = make_router(prefix="/v1/sessions/{session_id}", tags=["sessions"])

Said = Annotated[SeatVerb, Body(default_factory=SeatVerb)]
"""May be left out altogether."""

Do = Callable[[AsyncSession, UUID, Caller, SeatVerb, datetime], Awaitable[None]]

REFUSALS = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    WrongStatus,
    TooEarly,
    TooLate,
    InvalidRequest,
)


async def _do(
    verb: Do,
    session_id: UUID,
    said: SeatVerb,
    caller: Caller,
    session: AsyncSession,
    now: datetime,
) -> SessionView:
    await verb(session, session_id, caller, said, now)
    return await sessions.get_session(session, session_id, caller, now)


@router.post("/start", summary="Begin a session", responses=problems(*REFUSALS))
async def start(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the coach, from 10 minutes before the start until the end.

    All confirmed seats are then in progress, and the coach counts as present.
    """
    return await _do(lifecycle.start, session_id, said, caller, session, clock.now())


@router.post("/complete", summary="End a session", responses=problems(*REFUSALS))
async def complete(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the coach, from the middle of the scheduled time on. What nobody ends is
    decided two hours after the end: in progress or seen by both, it took place.
    """
    return await _do(lifecycle.complete, session_id, said, caller, session, clock.now())


@router.post(
    "/check-in", summary="Say that you are here", responses=problems(*REFUSALS)
)
async def check_in(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For coach and student, from 15 minutes before the start until the end.

    Whoever is not seen by 15 minutes after the start, while the other was, has missed
    the session. Said again it changes nothing.
    """
    return await _do(lifecycle.check_in, session_id, said, caller, session, clock.now())


@router.post("/waive", summary="Take a no-show back", responses=problems(*REFUSALS))
async def waive(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the coach, of a student's no-show, until it is final: the seat took place."""
    return await _do(lifecycle.waive, session_id, said, caller, session, clock.now())


@router.post("/contest", summary="Contest a no-show", responses=problems(*REFUSALS))
async def contest(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the side it names, until it is final: the session took place. The student can
    still report a problem.
    """
    return await _do(lifecycle.contest, session_id, said, caller, session, clock.now())


@router.post(
    "/problem",
    summary="Report a problem",
    responses=problems(*REFUSALS, ProblemReported),
)
async def report_problem(
    session_id: UUID,
    said: Said,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the student, from the start until 72 hours after the end, once. The coach is
    not paid until an admin decides.
    """
    return await _do(reports.report, session_id, said, caller, session, clock.now())


@router.post(
    "/no-show",
    summary="Say who did not come",
    responses=problems(*REFUSALS, HasCome),
)
async def report_absence(
    session_id: UUID,
    said: Absence,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """For the coach: of the student from 15 minutes after the start, if nothing shows
    that the student came, and then provisional for a day. Of itself from the start on:
    that is final at once and gives everything back.
    """
    now = clock.now()
    await lifecycle.report_absence(session, session_id, caller, said, now)
    return await sessions.get_session(session, session_id, caller, now)
