"""What a session shows of its moves and of the proposals that led to them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain import proposals
from services.booking.models import Answer, Proposal, Relocation, Seat, Session
from services.booking.schemas.proposals import AnswerView, MoveView, ProposalView
from shared.auth import Caller


async def read_moves(
    session: AsyncSession, ids: Collection[UUID]
) -> dict[UUID, list[MoveView]]:
    """By session, oldest first."""
    found: dict[UUID, list[MoveView]] = defaultdict(list)
    query = (
        select(Relocation)
        .where(col(Relocation.session_id).in_(ids))
        .order_by(col(Relocation.id))
    )
    for each in await session.exec(query):
        found[each.session_id].append(
            MoveView(
                at=each.at,
                old_start=each.old_start,
                start=each.start,
                by=each.asked_by,
                reason=each.reason,
                proposal_id=each.proposal_id,
            )
        )
    return found


async def read_proposals(
    session: AsyncSession, rows: Sequence[Session], caller: Caller, now: datetime
) -> dict[UUID, list[ProposalView]]:
    """By session, oldest first; two queries. Answers are the caller's own, for the
    coach and an admin all of them."""
    of = {row.id: row for row in rows}
    query = (
        select(Proposal)
        .where(col(Proposal.session_id).in_(of))
        .order_by(col(Proposal.id))
    )
    made = (await session.exec(query)).all()
    answers = await _answers(session, made)
    found: dict[UUID, list[ProposalView]] = defaultdict(list)
    for each in made:
        row, given = of[each.session_id], answers[each.id]
        sees_all = caller.id == row.coach_id or "admin" in caller.roles
        seen = [a for a, student in given if sees_all or student == caller.id]
        accepted = any(answer.accepted for answer, _ in given)
        found[row.id].append(_view(each, row, seen, accepted, now))
    return found


async def _answers(
    session: AsyncSession, made: Sequence[Proposal]
) -> dict[UUID, list[tuple[Answer, UUID]]]:
    """By proposal, each with the student whose seat it is about."""
    found: dict[UUID, list[tuple[Answer, UUID]]] = defaultdict(list)
    if made:
        query = (
            select(Answer, Seat.student_id)
            .join(Seat, col(Seat.id) == col(Answer.seat_id))
            .where(col(Answer.proposal_id).in_([each.id for each in made]))
            .order_by(col(Answer.seat_id))
        )
        for answer, student_id in await session.exec(query):
            found[answer.proposal_id].append((answer, student_id))
    return found


def _view(
    made: Proposal,
    row: Session,
    answers: Sequence[Answer],
    accepted: bool,
    now: datetime,
) -> ProposalView:
    return ProposalView(
        id=made.id,
        start=made.starts_at,
        end=made.starts_at + (row.ends_at - row.starts_at),
        proposed_by=made.proposed_by,
        reason=made.reason,
        status=proposals.shown(made.status, made.expires_at, now, accepted=accepted),
        created_at=made.created_at,
        expires_at=made.expires_at,
        answers=[
            AnswerView(seat_id=each.seat_id, accepted=each.accepted, at=each.at)
            for each in answers
        ],
    )
