"""What became of seats: written down, said, and in the end paid for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import attendance, history, refunds, strikes
from services.booking.domain.attendance import PROVISIONAL, Missed, Presence
from services.booking.domain.cancellation import refund
from services.booking.domain.lifecycle import Status
from services.booking.domain.pricing import step_of
from services.booking.models import ReportedProblem, Seat, Session
from shared import outbox
from shared.contracts.booking import (
    Party,
    RefundTerms,
    SeatCompletedV1,
    SeatMissedV1,
)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a locked seat; `missed` None: it took place.

    `at` is when that fell due, `admitted` that the side said so of itself.
    """

    seat: Seat
    booked: Session
    missed: Missed | None
    presence: Presence
    at: datetime
    by: Party
    reason: str | None = None
    admitted: bool = False


async def settle(
    session: AsyncSession, outcomes: Sequence[Outcome], now: datetime
) -> None:
    """Move the seats, write down why, and say so; in as many statements as for one.

    A no-show is provisional for a day from now, however late it is found, because only
    now the side it names can know; one that is admitted is final. Raises WrongStatus if
    a seat never goes there from where it is.
    """
    if not outcomes:
        return
    said = [(each, each.seat.status, each.seat.no_show) for each in outcomes]
    for each in outcomes:
        _note(each, now)
    await history.move_seats(session, [_step(each) for each in outcomes])
    took_place = [_completed(*each, now) for each in said if each[0].missed is None]
    missed = [each for each in outcomes if each.missed and not each.admitted]
    decided = await _decided(session, [each.seat.id for each in missed])
    await outbox.publish(
        session,
        *took_place,
        *(
            _missed(each.seat, each.booked, each.by, each.reason, decided, now)
            for each in missed
        ),
    )


async def admit(
    session: AsyncSession,
    rows: Sequence[tuple[Seat, Session]],
    reason: str | None,
    now: datetime,
) -> None:
    """The coach says of itself that it did not come; nobody is left to contest it."""
    presences = await attendance.presences(session, rows)
    missed = [
        Outcome(
            seat,
            booked,
            "coach",
            presences[seat.id],
            now,
            "coach",
            reason,
            admitted=True,
        )
        for seat, booked in rows
    ]
    await settle(session, missed, now)
    await finalise(session, rows, now, "coach", reason)


async def finalise(
    session: AsyncSession,
    rows: Sequence[tuple[Seat, Session]],
    now: datetime,
    by: Party = "system",
    reason: str | None = None,
) -> None:
    """These no-shows stand: money moves, and a coach who did not come has a strike.

    What an admin has decided about a seat's money stands too: no more moves then.
    """
    decided = await _decided(session, [seat.id for seat, _ in rows])
    said = []
    for seat, booked in rows:
        seat.no_show_final = True
        seat.outcome_version += 1
        session.add(seat)
        said.append(_missed(seat, booked, by, reason, decided, now))
        if (terms := said[-1].refund) and terms.percent:
            refunds.owe(seat, terms.amount, terms.percent)
    await outbox.publish(session, *said)
    await strikes.count_no_shows(
        session, [booked for seat, booked in rows if seat.no_show == "coach"], now
    )


def _note(outcome: Outcome, now: datetime) -> None:
    seat, missed = outcome.seat, outcome.missed
    seat.no_show = missed
    seat.provisional_until = None
    if missed is not None:
        seat.provisional_until = now if outcome.admitted else now + PROVISIONAL
    if not outcome.admitted:
        seat.outcome_version += 1


def _step(outcome: Outcome) -> history.Step:
    return history.Step(
        outcome.seat,
        outcome.booked,
        Status.NO_SHOW if outcome.missed else Status.COMPLETED,
        outcome.at,
        outcome.by,
        outcome.reason,
        outcome.presence.as_evidence(),
    )


async def _decided(session: AsyncSession, seats: Collection[UUID]) -> set[UUID]:
    """Of which seats an admin has decided a problem."""
    if not seats:
        return set()
    query = select(ReportedProblem.seat_id).where(
        col(ReportedProblem.seat_id).in_(seats),
        col(ReportedProblem.decided_at).is_not(None),
    )
    return set(await session.exec(query))


def _completed(
    outcome: Outcome, was: Status, missed: str | None, now: datetime
) -> SeatCompletedV1:
    seat = outcome.seat
    return SeatCompletedV1(
        occurred_at=now,
        **facts(seat, outcome.booked),
        version=seat.outcome_version,
        was=was.value,
        missed=missed,
        by=outcome.by,
        reason=outcome.reason,
        earned=refunds.earned(seat),
    )


def _missed(
    seat: Seat,
    booked: Session,
    by: Party,
    reason: str | None,
    decided: Collection[UUID],
    now: datetime,
) -> SeatMissedV1:
    """As it stands with the seat, before what is owed by it is promised."""
    terms = None
    if refunds.paid(seat) and seat.id not in decided:
        terms = _terms(seat)
    return SeatMissedV1(
        occurred_at=now,
        **facts(seat, booked),
        version=seat.outcome_version,
        outcome=seat.no_show,
        final=seat.no_show_final,
        provisional_until=seat.provisional_until,
        by=by,
        reason=reason,
        earned=refunds.earned(seat, terms.amount if terms else 0),
        refund=terms,
    )


def _terms(seat: Seat) -> RefundTerms:
    """Everything goes back unless only the student did not come."""
    percent = 0 if seat.no_show == "student" else 100
    step = step_of(seat.currency)
    return RefundTerms(
        amount=refund(refunds.paid(seat), refunds.refunded(seat), percent, step),
        currency=seat.currency,
        percent=percent,
        rule="no_show",
    )


def facts(seat: Seat, booked: Session) -> dict[str, Any]:
    """What every event about the outcome of a seat says of it."""
    return {
        "seat_id": seat.id,
        "session_id": booked.id,
        "coach_id": booked.coach_id,
        "student_id": seat.student_id,
        "start": booked.starts_at,
        "end": booked.ends_at,
        "game": booked.game,
        "kind": booked.kind,
    }
