"""What admins decide about sessions and coaches."""

from uuid import UUID

from services.booking.actions import reports, sessions, strikes
from services.booking.domain.problems import NoOpenProblem
from services.booking.schemas.attendance import Clearing, Decision, StrikesView
from services.booking.schemas.sessions import SessionView
from shared.auth import Admin
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.pages import Keyset, PageQuery
from shared.web import InjectedClock, Transaction, problems

router = make_router(prefix="/v1/admin", tags=["admin"])

READING = (Unauthorized, Forbidden, NotFound, InvalidRequest)
CHANGING = (BadRequest, *READING)


@router.post(
    "/sessions/{session_id}/problem",
    summary="Decide a reported problem",
    responses=problems(*CHANGING, NoOpenProblem),
)
async def decide_problem(
    session_id: UUID,
    decision: Decision,
    admin: Admin,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """How much of the price goes back to the student, as far as it has not already.

    `partial` needs a `percent`. Decided once, by an admin who is not one of the
    session's people.
    """
    now = clock.now()
    await reports.decide(session, session_id, admin, decision, now)
    return await sessions.get_session(session, session_id, admin, now)


@router.get(
    "/coaches/{coach_id}/strikes",
    summary="List a coach's strikes",
    responses=problems(*READING),
)
async def list_strikes(
    coach_id: UUID,
    _: Admin,
    session: Transaction,
    clock: InjectedClock,
    page: PageQuery,
) -> StrikesView:
    """Sessions the coach missed, or cancelled within a day of the start; latest first.

    Three that stand pause the listing. They stand for 90 days unless they are cleared.
    """
    return await strikes.show(session, coach_id, page, clock.now())


@router.post(
    "/coaches/{coach_id}/strikes/clear",
    summary="Clear a coach's strikes",
    responses=problems(*CHANGING),
)
async def clear_strikes(
    coach_id: UUID,
    why: Clearing,
    admin: Admin,
    session: Transaction,
    clock: InjectedClock,
) -> StrikesView:
    """None of them stands any more, and the coach is listed again."""
    now = clock.now()
    await strikes.clear(session, coach_id, admin.id, why.reason, now)
    return await strikes.show(session, coach_id, Keyset(20, None), now)
