"""Another time that one side wants and the other agrees to, or not."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from services.booking.actions import closing, moves, times
from services.booking.actions.cancellation import give_up, terms_of
from services.booking.actions.moves import Booked, Wish
from services.booking.domain import proposals
from services.booking.domain.lifecycle import LIVE, MOST_ALIVE, Status
from services.booking.domain.moves import (
    Side,
    may_move_alone,
    require_movable,
    require_moves_left,
)
from services.booking.domain.problems import (
    GroupNotMoved,
    NoProposalNeeded,
    ProposalClosed,
    ProposalOpen,
)
from services.booking.domain.proposals import ProposalStatus
from services.booking.models import Answer, Proposal, Seat, Session
from services.booking.schemas.moves import MoveRequest
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import ProposalMadeV1
from shared.errors import Forbidden, NotFound
from shared.ids import new_id

MOVED_ON = "The session takes place at another time."
"""Why a seat is given back that did not agree to a group's new time."""

GROUPS, BATCH = 100, 500


async def propose(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    body: MoveRequest,
    now: datetime,
) -> UUID:
    """Ask the other side for another start; the time is not held. Returns its id.

    Raises NotFound, Forbidden for an admin, GroupNotMoved, WrongStatus, TooManyMoves,
    NoProposalNeeded, InvalidRequest, StudentBusy, SlotTaken, SlotNotOffered, or
    ProposalOpen while another one of this side waits.
    """
    booked = (await moves.lock(session, [session_id], now))[session_id]
    side = booked.side(caller)
    await _settle_overdue(session, booked, now)
    if side == "student" and booked.session.kind == "group":
        raise GroupNotMoved("Ask the coach, or book another session.")
    booked.require_movable(now)
    if side == "student":
        _require_need(booked.confirmed()[0], now)
    times.require_other_start(booked.session, body.start, now)
    await _require_possible(session, booked, side, body.start, now)
    proposal = await _insert(session, booked, side, body, now)
    students = [seat.student_id for seat in booked.confirmed()]
    told = closing.about(
        proposal, booked.session, students, booked.session.starts_at, now
    )
    await outbox.publish(session, ProposalMadeV1(**told))
    return proposal.id


def _require_need(seat: Seat, now: datetime) -> None:
    require_moves_left(seat.moves_by_student)
    if may_move_alone(terms_of(seat, now), now):
        raise NoProposalNeeded("Reschedule it; the coach need not agree yet.")


async def _require_possible(
    session: AsyncSession, booked: Booked, side: Side, start: datetime, now: datetime
) -> None:
    """Whether the time is free, and offered as far as that binds this side."""
    seats = booked.confirmed()
    target = await times.read_target(session, booked.session, seats[0], start, now)
    if side == "student":
        await moves.require_free(session, seats, target)
    target.refuse(proposals.against(target.reasons(), side))


async def _settle_overdue(session: AsyncSession, booked: Booked, now: datetime) -> None:
    """What ran out and no tick has closed does not stand in the way."""
    query = select(Proposal).where(
        col(Proposal.session_id) == booked.session.id,
        col(Proposal.status) == ProposalStatus.OPEN,
        col(Proposal.expires_at) <= now,
    )
    for proposal in (await session.exec(query.with_for_update())).all():
        await settle(session, proposal, booked, now)


async def _insert(
    session: AsyncSession,
    booked: Booked,
    side: Side,
    body: MoveRequest,
    now: datetime,
) -> Proposal:
    row, group = booked.session, booked.session.kind == "group"
    proposal = Proposal(
        id=new_id(),
        session_id=row.id,
        proposed_by=side,
        starts_at=body.start,
        reason=body.reason,
        status=ProposalStatus.OPEN,
        created_at=now,
        expires_at=proposals.expires_at(now, row.starts_at, body.start, group=group),
    )
    placed = await session.exec(
        insert(Proposal)
        .values(proposal.model_dump())
        .on_conflict_do_nothing()
        .returning(col(Proposal.id))
    )
    if placed.first() is None:
        raise ProposalOpen("Wait until the other side has answered it.")
    return proposal


async def answer(
    session: AsyncSession,
    session_id: UUID,
    proposal_id: UUID,
    caller: Caller,
    accept: bool,
    now: datetime,
) -> None:
    """Accept or decline as the other side, once.

    An individual session moves with the accepting answer. A group moves once all its
    confirmed seats have answered, or at expiry, if one of them accepted; the others are
    cancelled as by the coach. Raises NotFound, Forbidden for the one who proposed and
    for admins, ProposalClosed, WrongStatus for a seat that is not confirmed; on
    accepting SlotTaken or StudentBusy if the time is gone: then nothing has changed.
    """
    booked = (await moves.lock(session, [session_id], now))[session_id]
    side = booked.side(caller)
    proposal = await _lock_proposal(session, session_id, proposal_id)
    if side == proposal.proposed_by:
        raise Forbidden("The other side answers a proposal.")
    seat = _seat_of(booked, caller if side == "student" else None)
    shown = proposals.shown(proposal.status, proposal.expires_at, now)
    if shown is not ProposalStatus.OPEN:
        raise ProposalClosed(f"It is {shown}.", proposal_status=shown)
    require_movable(seat.status, booked.session.starts_at, now)
    if accept:
        await _require_room(session, proposal, booked, seat, now)
    await _note(session, proposal, seat, accept, now)
    await settle(session, proposal, booked, now)


async def _lock_proposal(
    session: AsyncSession, session_id: UUID, proposal_id: UUID
) -> Proposal:
    query = select(Proposal).where(
        col(Proposal.id) == proposal_id, col(Proposal.session_id) == session_id
    )
    proposal = (await session.exec(query.with_for_update())).first()
    if proposal is None:
        raise NotFound(f"There is no proposal {proposal_id}.")
    return proposal


def _seat_of(booked: Booked, student: Caller | None) -> Seat:
    """The seat that is asked about: the student's, for the coach the only one."""
    own = [
        seat
        for seat in booked.seats
        if student is None or seat.student_id == student.id
    ]
    return min(own, key=lambda seat: MOST_ALIVE.index(seat.status))


async def _require_room(
    session: AsyncSession,
    proposal: Proposal,
    booked: Booked,
    seat: Seat,
    now: datetime,
) -> None:
    """Both sides want the time; what is left to ask is whether they can have it."""
    row, start = booked.session, proposal.starts_at
    target = await times.read_target(session, row, seat, start, now)
    await moves.require_free(session, [seat], target)
    target.refuse(proposals.overlaps(target.reasons()))


async def _note(
    session: AsyncSession,
    proposal: Proposal,
    seat: Seat,
    accepted: bool,
    now: datetime,
) -> None:
    said = {"proposal_id": proposal.id, "seat_id": seat.id}
    noted = await session.exec(
        insert(Answer)
        .values(**said, accepted=accepted, at=now)
        .on_conflict_do_nothing()
        .returning(col(Answer.seat_id))
    )
    if noted.first() is None:
        raise ProposalClosed("You have answered it.", proposal_status="open")


async def settle(
    session: AsyncSession, proposal: Proposal, booked: Booked, now: datetime
) -> None:
    """Close a locked proposal if its answers or its time say so; move the session.

    If the time that was accepted is gone, it expires and nothing moves.
    """
    seats, old_start = booked.confirmed(), booked.session.starts_at
    query = select(Answer).where(col(Answer.proposal_id) == proposal.id)
    given = {each.seat_id: each.accepted for each in await session.exec(query)}
    answers = [given.get(seat.id) for seat in seats]
    status = proposals.outcome(answers, over=proposal.expires_at <= now)
    if status is ProposalStatus.OPEN:
        return
    agreed = [seat for seat in seats if given.get(seat.id)]
    if agreed and not await _carry_out(session, proposal, booked, agreed, now):
        status = ProposalStatus.EXPIRED
    proposal.status, proposal.answered_at = status, now
    session.add(proposal)
    students = [seat.student_id for seat in seats]
    told = closing.answered(proposal, booked.session, students, old_start, now)
    await outbox.publish(session, told)


async def _carry_out(
    session: AsyncSession,
    proposal: Proposal,
    booked: Booked,
    agreed: Sequence[Seat],
    now: datetime,
) -> bool:
    """Move with those who agreed and are free then; the others get all their money.

    False if the time is gone for all of them, or for the coach.
    """
    row, start = booked.session, proposal.starts_at
    target = await times.read_target(session, row, agreed[0], start, now)
    busy = await times.busy_students(session, agreed, target.start, target.end)
    going = [seat for seat in agreed if seat.student_id not in busy]
    begun = now >= row.starts_at
    if begun or not going or proposals.overlaps(target.reasons()):
        return False
    left = [s for s in booked.seats if s.status in LIVE and s not in going]
    if left:
        rows = [(seat, row) for seat in left]
        await give_up(session, rows, "coach", MOVED_ON, now, struck=False)
    side: Side = "coach" if proposal.proposed_by == "coach" else "student"
    wish = Wish(side, proposal.reason, proposal.id)
    await moves.move(session, booked, going, target, wish, now)
    return True


async def close_due(session: AsyncSession, due_by: datetime, now: datetime) -> None:
    """Close what ran out by then, and groups whose last answer has become moot.

    Groups come first: they take the locks of people, which nobody may wait for with
    rows in hand. Groups beyond a batch wait for the next tick.
    """
    ids = list(await session.exec(_groups_to_settle(due_by)))
    if ids:
        booked = await moves.lock(session, ids, now)
        query = select(Proposal).where(
            col(Proposal.session_id).in_(ids),
            col(Proposal.status) == ProposalStatus.OPEN,
        )
        for proposal in (await session.exec(query.with_for_update())).all():
            await settle(session, proposal, booked[proposal.session_id], now)
    while await _expire_batch(session, due_by, now):
        pass


def _groups_to_settle(due_by: datetime) -> SelectOfScalar[UUID]:
    answered = (
        select(Answer.seat_id)
        .where(
            col(Answer.proposal_id) == col(Proposal.id),
            col(Answer.seat_id) == col(Seat.id),
        )
        .exists()
    )
    awaited = (
        select(Seat.id)
        .where(
            col(Seat.session_id) == col(Proposal.session_id),
            col(Seat.status) == Status.CONFIRMED,
            ~answered,
        )
        .exists()
    )
    return (
        select(Proposal.session_id)
        .join(Session, col(Session.id) == col(Proposal.session_id))
        .where(
            col(Proposal.status) == ProposalStatus.OPEN,
            col(Session.kind) == "group",
            or_(col(Proposal.expires_at) <= due_by, ~awaited),
        )
        .order_by(col(Proposal.expires_at))
        .limit(GROUPS)
    )


async def _expire_batch(session: AsyncSession, due_by: datetime, now: datetime) -> int:
    """Individual sessions only: nobody answered, so there is nothing to carry out."""
    due = (
        select(Proposal, Session)
        .join(Session, col(Session.id) == col(Proposal.session_id))
        .where(
            col(Proposal.status) == ProposalStatus.OPEN,
            col(Proposal.expires_at) <= due_by,
            col(Session.kind) == "individual",
        )
        .limit(BATCH)
        .with_for_update(of=Proposal, skip_locked=True, key_share=True)
    )
    found = (await session.exec(due)).all()
    for proposal, _ in found:
        proposal.status, proposal.answered_at = ProposalStatus.EXPIRED, now
    ids = [booked.id for _, booked in found]
    query = select(Seat.session_id, Seat.student_id).where(
        col(Seat.session_id).in_(ids)
    )
    student = dict((await session.exec(query)).all())
    told = [
        closing.answered(each, booked, [student[booked.id]], booked.starts_at, now)
        for each, booked in found
    ]
    await outbox.publish(session, *told)
    return len(found)
