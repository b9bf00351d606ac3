"""Waiting for a time of a coach."""

from uuid import UUID

from fastapi import Response

from services.booking.actions import waitlist
from services.booking.api.sessions import InjectedTerms
from services.booking.domain.problems import OwnSlot, TooManyWaits, WaitlistFull
from services.booking.schemas.waitlist import WaitRequest, WaitView
from shared.auth import Student
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

router = make_router(prefix="/v1", tags=["waitlist"])


@router.post(
    "/coaches/{coach_id}/waitlist",
    status_code=201,
    responses=problems(
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        TooManyWaits,
        WaitlistFull,
        InvalidRequest,
        OwnSlot,
    ),
)
async def join(
    coach_id: UUID,
    body: WaitRequest,
    caller: Student,
    session: Transaction,
    clock: InjectedClock,
    terms: InjectedTerms,
    response: Response,
) -> WaitView:
    """Wait for a time of the coach between `from` and `to`.

    The first in line whom a free time fits has it reserved for 30 minutes: an `offer`,
    a held session that is paid for as any other and counts for no limit of holds. Then
    it is the next one's. At most 3 entries at once and 5 a day with one coach.
    """
    now = clock.now()
    entry_id = await waitlist.join(
        session, caller.id, coach_id, body, terms.fee_percent, now
    )
    response.headers["Location"] = f"/v1/me/waitlist/{entry_id}"
    return await waitlist.get_own(session, entry_id, caller.id, now)


@router.get("/me/waitlist", responses=problems(Unauthorized, Forbidden, InvalidRequest))
async def list_own(
    caller: Student, session: Transaction, clock: InjectedClock, page: PageQuery
) -> Page[WaitView]:
    """What the caller waits for or has waited for, newest first."""
    return await waitlist.list_own(session, caller.id, page, clock.now())


@router.get(
    "/me/waitlist/{entry_id}",
    responses=problems(Unauthorized, Forbidden, NotFound, InvalidRequest),
)
async def get_own(
    entry_id: UUID, caller: Student, session: Transaction, clock: InjectedClock
) -> WaitView:
    """One entry of the caller."""
    return await waitlist.get_own(session, entry_id, caller.id, clock.now())


@router.delete(
    "/me/waitlist/{entry_id}",
    status_code=204,
    response_class=Response,
    responses=problems(Unauthorized, Forbidden, NotFound, InvalidRequest),
)
async def leave(
    entry_id: UUID, caller: Student, session: Transaction, clock: InjectedClock
) -> None:
    """Wait no more: an open offer goes to the next in line, what was taken stays."""
    await waitlist.leave(session, entry_id, caller, clock.now())
