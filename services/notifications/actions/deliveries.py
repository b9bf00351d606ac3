"""Mails as promises: one row for each, made once, and who may send it now."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import and_, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.notifications.domain import OPEN, Kind, Side
from services.notifications.models import Contact, Delivery
from shared.contracts import Event
from shared.contracts.accounts import (
    EmailVerificationRequestedV1,
    PasswordResetRequestedV1,
)
from shared.contracts.booking import (
    OfferMadeV1,
    ProblemDecidedV1,
    ProposalAnsweredV1,
    ProposalMadeV1,
    SeatCancelledV1,
    SeatConfirmedV1,
    SeatMissedV1,
    SeatResoldV1,
    SessionMovedV1,
)
from shared.db import leave_work
from shared.ids import new_id


async def tell_both_sides(
    session: AsyncSession,
    kind: Kind,
    event: SeatConfirmedV1 | SeatCancelledV1 | SeatMissedV1 | ProblemDecidedV1,
    version: int,
) -> None:
    """Promise a mail about a seat to its student and to the coach, once each."""
    facts = event.model_dump(mode="json")
    pairs = (event.student_id, event.coach_id), (event.coach_id, event.student_id)
    await _promise(
        session,
        [
            _row(kind, event.seat_id, recipient)
            | {"other_id": other, "version": version, "facts": facts}
            for recipient, other in pairs
        ],
    )


async def tell_of_move(session: AsyncSession, event: SessionMovedV1) -> None:
    """Promise a mail about each seat to both sides, once for each start."""
    rows = []
    for seat_id, student_id in zip(event.seat_ids, event.student_ids, strict=True):
        own = {"seat_ids": (seat_id,), "student_ids": (student_id,)}
        facts = event.model_copy(update=own).model_dump(mode="json")
        pairs = (student_id, event.coach_id), (event.coach_id, student_id)
        rows += [
            _row(Kind.SESSION_MOVED, seat_id, recipient)
            | {"other_id": other, "version": event.start_version, "facts": facts}
            for recipient, other in pairs
        ]
    await _promise(session, rows)


async def tell_of_proposal(
    session: AsyncSession,
    kind: Kind,
    event: ProposalMadeV1 | ProposalAnsweredV1,
    side: Side,
) -> None:
    """Promise a mail about a proposal to everybody of this side, once each."""
    facts = event.model_dump(mode="json")
    one = event.student_ids[0] if event.kind == "individual" else None
    pairs: list[tuple[UUID, UUID | None]] = (
        [(event.coach_id, one)]
        if side == "coach"
        else [(student_id, event.coach_id) for student_id in event.student_ids]
    )
    await _promise(
        session,
        [
            _row(kind, event.proposal_id, recipient)
            | {"other_id": other, "facts": facts}
            for recipient, other in pairs
        ],
    )


async def tell(
    session: AsyncSession,
    kind: Kind,
    event: Event,
    subject_id: UUID,
    version: int,
    recipient_id: UUID,
    other_id: UUID | None = None,
) -> None:
    """Promise a mail about something to one person, once for each version of it."""
    row = _row(kind, subject_id, recipient_id)
    facts = event.model_dump(mode="json")
    await _promise(
        session, [row | {"other_id": other_id, "version": version, "facts": facts}]
    )


async def mail_token(
    session: AsyncSession,
    kind: Kind,
    event: EmailVerificationRequestedV1 | PasswordResetRequestedV1,
) -> None:
    """Promise the mail of one token to the address it was asked for, once."""
    row = _row(kind, event.event_id, event.user_id)
    secret = {
        "address": event.email,
        "token": event.token,
        "expires_at": event.expires_at,
    }
    await _promise(session, [row | secret])


async def tell_student(
    session: AsyncSession, kind: Kind, event: OfferMadeV1 | SeatResoldV1
) -> None:
    """Promise a mail about a seat to its student only, once."""
    row = _row(kind, event.seat_id, event.student_id)
    facts = {"other_id": event.coach_id, "facts": event.model_dump(mode="json")}
    await _promise(session, [row | facts])


def _row(kind: Kind, subject_id: UUID, recipient_id: UUID) -> dict[str, Any]:
    promised = Delivery(
        id=new_id(),
        recipient_id=recipient_id,
        kind=kind,
        subject_id=subject_id,
        due_at=real_now(),
        created_at=real_now(),
    )
    return promised.model_dump()


async def _promise(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    """Rows that are there already stay as they are."""
    await session.exec(
        insert(Delivery)
        .values(rows)
        .on_conflict_do_nothing(constraint="everybody_is_told_once")
    )
    leave_work(session)


async def waiting(session: AsyncSession) -> int:
    """How many mails are to be sent, retries that wait their turn included.

    Those that wait for a contact are not.
    """
    query = select(func.count()).where(col(Delivery.state).in_(OPEN), can_be_written())
    return (await session.exec(query)).one()


def can_be_written() -> ColumnElement[bool]:
    """Whom it is for, and whose name it tells, are known.

    Events overtake each other: whoever asks for a mail may be heard of before the
    person is, whose name and time zone belong into it.
    """
    other = or_(col(Delivery.other_id).is_(None), _is_known(col(Delivery.other_id)))
    return and_(_is_known(col(Delivery.recipient_id)), other)


def _is_known(user_id: Any) -> ColumnElement[bool]:
    return select(Contact.user_id).where(col(Contact.user_id) == user_id).exists()


def real_now() -> datetime:
    """Delays, claims and tokens do not follow product time."""
    return datetime.now(UTC)
