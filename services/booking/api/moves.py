"""Moving a session, at once or by agreement."""

from uuid import UUID

from fastapi import Response

from services.booking.actions import moves, proposals, sessions
from services.booking.domain.problems import (
    GroupNotMoved,
    NeedsProposal,
    NoProposalNeeded,
    ProposalClosed,
    ProposalOpen,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    TooManyMoves,
    WrongStatus,
)
from services.booking.schemas.moves import MoveRequest
from services.booking.schemas.proposals import ProposalView
from services.booking.schemas.sessions import SessionView
from shared.auth import Caller, SignedIn, Student
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

router = make_router(prefix="/v1/sessions/{session_id}", tags=["moves"])

MOVING = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    SlotTaken,
    StudentBusy,
    GroupNotMoved,
    WrongStatus,
    TooManyMoves,
    InvalidRequest,
    SlotNotOffered,
)
ANSWERING = problems(
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    SlotTaken,
    StudentBusy,
    ProposalClosed,
    WrongStatus,
    InvalidRequest,
)


@router.post("/reschedule", responses=problems(*MOVING, NeedsProposal))
async def reschedule(
    session_id: UUID,
    body: MoveRequest,
    caller: Student,
    session: Transaction,
    clock: InjectedClock,
) -> SessionView:
    """Move the session to another free time at once.

    A student may do so three times, as long as cancelling would give everything back
    by its tiers; later it needs a proposal. Payment, price, length and seat stay.
    """
    now = clock.now()
    await moves.reschedule(session, session_id, caller, body, now)
    return await sessions.get_session(session, session_id, caller, now)


@router.post(
    "/proposals",
    status_code=201,
    responses=problems(*MOVING, NoProposalNeeded, ProposalOpen),
)
async def propose(
    session_id: UUID,
    body: MoveRequest,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    response: Response,
) -> ProposalView:
    """Ask the other side for another time. It is not held meanwhile.

    The coach may propose any time without an overlap; a student, who can no longer
    move alone, a time that the coach offers, at shorter notice if need be.
    """
    now = clock.now()
    made = await proposals.propose(session, session_id, caller, body, now)
    response.headers["Location"] = f"/v1/sessions/{session_id}/proposals/{made}"
    return await _shown(session, session_id, made, caller, clock)


@router.get("/proposals", responses=problems(Unauthorized, NotFound, InvalidRequest))
async def list_proposals(
    session_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    page: PageQuery,
) -> Page[ProposalView]:
    """The proposals for a session, oldest first, for its people and admins."""
    view = await sessions.get_session(session, session_id, caller, clock.now())
    after = page.after(UUID)
    rest = [each for each in view.proposals if after is None or each.id > after[0]]
    return page.page(rest, lambda each: (each.id,), lambda each: each)


@router.get(
    "/proposals/{proposal_id}",
    responses=problems(Unauthorized, NotFound, InvalidRequest),
)
async def get_proposal(
    session_id: UUID,
    proposal_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> ProposalView:
    """One proposal, for the session's people and admins."""
    return await _shown(session, session_id, proposal_id, caller, clock)


@router.post("/proposals/{proposal_id}/accept", responses=ANSWERING)
async def accept(
    session_id: UUID,
    proposal_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> ProposalView:
    """Agree, as the side that was asked. The session moves unless the time is gone.

    A group moves once all its seats have answered, or when the proposal ends, with
    those who accepted; the others get everything back.
    """
    now = clock.now()
    await proposals.answer(session, session_id, proposal_id, caller, True, now)
    return await _shown(session, session_id, proposal_id, caller, clock)


@router.post("/proposals/{proposal_id}/decline", responses=ANSWERING)
async def decline(
    session_id: UUID,
    proposal_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> ProposalView:
    """Do not agree, as the side that was asked: the session stays where it is."""
    now = clock.now()
    await proposals.answer(session, session_id, proposal_id, caller, False, now)
    return await _shown(session, session_id, proposal_id, caller, clock)


async def _shown(
    session: Transaction,
    session_id: UUID,
    proposal_id: UUID,
    caller: Caller,
    clock: InjectedClock,
) -> ProposalView:
    view = await sessions.get_session(session, session_id, caller, clock.now())
    for each in view.proposals:
        if each.id == proposal_id:
            return each
    raise NotFound(f"There is no proposal {proposal_id}.")
