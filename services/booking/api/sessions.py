"""Booking a seat, looking at it, giving it up."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from services.booking.actions import cancellation, groups, holds, sessions
from services.booking.actions.holds import Terms
from services.booking.actions.sessions import SessionFilter
from services.booking.domain.lifecycle import Status
from services.booking.domain.problems import (
    OwnSlot,
    PriceChanged,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    TooManyHolds,
    WrongStatus,
)
from services.booking.schemas.moves import Timeline
from services.booking.schemas.sessions import (
    CancelRequest,
    Moment,
    Quote,
    SessionRequest,
    SessionView,
)
from shared.auth import Coach, SignedIn, Student
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.pages import Page, PageQuery
from shared.web import InjectedClock, Transaction, problems

router = make_router(prefix="/v1/sessions", tags=["sessions"])


async def _terms(request: Request) -> Terms:
    terms: Terms = request.app.state.terms
    return terms


InjectedTerms = Annotated[Terms, Depends(_terms)]


async def _filter(
    role: Literal["student", "coach"] | None = None,
    status: Status | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    before: Annotated[Moment | None, Query(alias="to")] = None,
    series_id: UUID | None = None,
) -> SessionFilter:
    return SessionFilter(role, status, since, before, series_id)


@router.post(
    "",
    status_code=201,
    responses=problems(
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        SlotTaken,
        StudentBusy,
        PriceChanged,
        InvalidRequest,
        SlotNotOffered,
        OwnSlot,
        TooManyHolds,
    ),
)
async def book(
    body: SessionRequest,
    caller: Student,
    session: Transaction,
    clock: InjectedClock,
    terms: InjectedTerms,
    response: Response,
) -> SessionView:
    """Hold a seat until it is paid for; a free one is confirmed at once."""
    now = clock.now()
    session_id = await holds.hold_seat(session, caller.id, body, terms, now)
    response.headers["Location"] = f"/v1/sessions/{session_id}"
    return await sessions.get_session(session, session_id, caller, now)


@router.get("", responses=problems(Unauthorized, InvalidRequest))
async def list_sessions(
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    wanted: Annotated[SessionFilter, Depends(_filter)],
    page: PageQuery,
) -> Page[SessionView]:
    """The caller's sessions by start: those with `from` <= start < `to`.

    An admin sees everybody's, unless a `role` asks for its own.
    """
    return await sessions.list_sessions(session, caller, wanted, page, clock.now())


@router.get("/{session_id}", responses=problems(Unauthorized, NotFound, InvalidRequest))
async def get_session(
    session_id: UUID, caller: SignedIn, session: Transaction, clock: InjectedClock
) -> SessionView:
    """One session, for its people and admins."""
    return await sessions.get_session(session, session_id, caller, clock.now())


@router.post(
    "/{session_id}/cancel",
    responses=problems(BadRequest, Unauthorized, NotFound, WrongStatus, InvalidRequest),
)
async def cancel(
    session_id: UUID,
    body: CancelRequest,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """Give the seat up and get back what the quote says at this moment.

    A student gives up its own seat, until the start. A coach and an admin give a
    reason; they cancel the whole session, or of a group the seat they name.
    """
    now = clock.now()
    await cancellation.cancel(
        session, session_id, caller, body.reason, now, body.seat_id
    )
    return await sessions.get_session(session, session_id, caller, now)


@router.get(
    "/{session_id}/cancel/quote",
    responses=problems(Unauthorized, NotFound, WrongStatus, InvalidRequest),
)
async def quote(
    session_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    seat_id: UUID | None = None,
) -> Quote:
    """What cancelling at this moment would give back. Nothing changes.

    Coach and admin may ask about one seat of a group, `seat_id`, instead of all.
    """
    return await cancellation.quote(session, session_id, caller, clock.now(), seat_id)


@router.post(
    "/{session_id}/run",
    responses=problems(Unauthorized, Forbidden, NotFound, WrongStatus, InvalidRequest),
)
async def run(
    session_id: UUID, caller: Coach, session: Transaction, clock: InjectedClock
) -> SessionView:
    """Let a group take place however few take part.

    Possible until 24 hours before its start; a group below its `min_participants` is
    called off then. Said again, it changes nothing.
    """
    now = clock.now()
    await groups.run(session, session_id, caller, now)
    return await sessions.get_session(session, session_id, caller, now)


@router.get(
    "/{session_id}/cancel/timeline",
    responses=problems(Unauthorized, NotFound, WrongStatus, InvalidRequest),
)
async def timeline(
    session_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    seat_id: UUID | None = None,
) -> Timeline:
    """What cancelling by the student would give back from now to the start.

    Each step holds up to and with its `until`; at the end of the last one, the start
    or when a hold runs out, it is too late. Coach and admin name the seat of a group.
    """
    return await cancellation.timeline(
        session, session_id, caller, clock.now(), seat_id
    )
