"""How proposals are told of, and what becomes of those nobody can answer any more."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain.lifecycle import Status
from services.booking.domain.proposals import ProposalStatus
from services.booking.models import Proposal, Seat, Session
from shared import outbox
from shared.contracts.booking import ProposalAnsweredV1


async def end_proposals(
    session: AsyncSession,
    booked: Collection[Session],
    now: datetime,
    but: UUID | None = None,
) -> None:
    """They were moved, given up or begun: their open proposals, `but` one, end."""
    of = {row.id: row for row in booked}
    open_ones = [
        col(Proposal.session_id).in_(of),
        col(Proposal.status) == ProposalStatus.OPEN,
    ]
    if but is not None:
        open_ones.append(col(Proposal.id) != but)
    end = (
        update(Proposal)
        .where(*open_ones)
        .values(status=ProposalStatus.EXPIRED, answered_at=now)
        .returning(Proposal)
    )
    ended: Sequence[Proposal] = (await session.exec(end)).scalars().all()
    if ended:
        rows = [of[each.session_id] for each in ended]
        students = await _students(session, rows)
        told = [
            answered(each, row, students[row.id], row.starts_at, now, overtaken=True)
            for each, row in zip(ended, rows, strict=True)
        ]
        await outbox.publish(session, *told)


async def _students(
    session: AsyncSession, booked: Collection[Session]
) -> dict[UUID, list[UUID]]:
    """Those whose seats are confirmed, and the one of an individual session."""
    students: dict[UUID, list[UUID]] = defaultdict(list)
    alone = [row.id for row in booked if row.kind == "individual"]
    query = select(Seat.session_id, Seat.student_id).where(
        col(Seat.session_id).in_([row.id for row in booked]),
        or_(col(Seat.status) == Status.CONFIRMED, col(Seat.session_id).in_(alone)),
    )
    for session_id, student_id in await session.exec(query):
        students[session_id].append(student_id)
    return students


def answered(
    proposal: Proposal,
    booked: Session,
    students: Iterable[UUID],
    old_start: datetime,
    now: datetime,
    *,
    overtaken: bool = False,
) -> ProposalAnsweredV1:
    told = about(proposal, booked, students, old_start, now)
    return ProposalAnsweredV1(**told, overtaken=overtaken)


def about(
    proposal: Proposal,
    booked: Session,
    students: Iterable[UUID],
    old_start: datetime,
    now: datetime,
) -> dict[str, Any]:
    """What both events about a proposal say."""
    return {
        "occurred_at": now,
        "proposal_id": proposal.id,
        "session_id": booked.id,
        "coach_id": booked.coach_id,
        "student_ids": tuple(students),
        "old_start": old_start,
        "start": proposal.starts_at,
        "end": proposal.starts_at + (booked.ends_at - booked.starts_at),
        "game": booked.game,
        "kind": booked.kind,
        "by": proposal.proposed_by,
        "reason": proposal.reason,
        "status": proposal.status.value,
        "expires_at": proposal.expires_at,
    }
