"""Problems: a student reports one, an admin decides what goes back."""

from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import attendance, refunds, seats
from services.booking.actions.outcomes import facts
from services.booking.actions.seats import Locked
from services.booking.actions.sessions import shown_status
from services.booking.domain import attendance as rules
from services.booking.domain.attendance import written
from services.booking.domain.cancellation import refund
from services.booking.domain.lifecycle import Status, require
from services.booking.domain.pricing import step_of
from services.booking.domain.problems import NoOpenProblem, ProblemReported
from services.booking.models import ReportedProblem, Seat
from services.booking.schemas.attendance import Decision, SeatVerb
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import (
    ProblemDecidedV1,
    ProblemReportedV1,
    RefundTerms,
)
from shared.errors import InvalidRequest

REPORTABLE = (
    Status.CONFIRMED,
    Status.IN_PROGRESS,
    Status.COMPLETED,
    Status.NO_SHOW,
)


async def report(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    said: SeatVerb,
    now: datetime,
) -> None:
    """The student says that something went wrong, once per seat.

    Raises as the verbs of `lifecycle` do, and ProblemReported.
    """
    found = await seats.lock(session, session_id, caller, now)
    found.require("student")
    seat, booked = found.seat(said.seat_id), found.booked
    require(shown_status(seat, now), *REPORTABLE)
    rules.require_report(booked.starts_at, booked.ends_at, now)
    if known := await session.get(ReportedProblem, seat.id):
        raise ProblemReported(
            "An admin looks after it.", reported_at=written(known.reported_at)
        )
    session.add(ReportedProblem(seat_id=seat.id, reason=said.reason, reported_at=now))
    await outbox.publish(
        session,
        ProblemReportedV1(
            occurred_at=now, **facts(seat, booked), by="student", reason=said.reason
        ),
    )


async def decide(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    decision: Decision,
    now: datetime,
) -> None:
    """An admin decides how much of the price goes back, as far as it has not already.

    Raises NotFound, InvalidRequest, NoOpenProblem (also for one that is decided), and
    Forbidden if the admin is one of the session's people.
    """
    if (decision.decision == "partial") is (decision.percent is None):
        message = "goes with a partial decision, and with no other"
        errors = [{"field": "body.percent", "message": message}]
        raise InvalidRequest("Say how much goes back.", errors=errors)
    found = await seats.lock(session, session_id, caller, now)
    found.require("admin")
    seat = found.seat(decision.seat_id)
    problem = await session.get(ReportedProblem, seat.id)
    if problem is None or problem.decided_at is not None:
        raise NoOpenProblem("No problem with this seat waits for a decision.")
    presence = (await attendance.presences(session, [(seat, found.booked)]))[seat.id]
    terms = _terms(seat, decision)
    problem.sqlmodel_update(
        {
            "decision": decision.decision,
            "percent": decision.back,
            "refund": terms.amount if terms else 0,
            "decided_at": now,
            "decided_by": caller.id,
            "decision_reason": decision.reason,
            "evidence": presence.as_evidence(),
        }
    )
    session.add(problem)
    if terms and terms.amount:
        refunds.owe(seat, terms.amount, terms.percent)
        session.add(seat)
    await outbox.publish(session, _decided(found, seat, decision, terms, now))


def _terms(seat: Seat, decision: Decision) -> RefundTerms | None:
    """What the decision gives back; None if nothing was paid."""
    if not refunds.paid(seat):
        return None
    step = step_of(seat.currency)
    paid, back = refunds.paid(seat), refunds.refunded(seat)
    return RefundTerms(
        amount=refund(paid, back, decision.back, step),
        currency=seat.currency,
        percent=decision.back,
        rule="problem",
    )


def _decided(
    found: Locked,
    seat: Seat,
    decision: Decision,
    terms: RefundTerms | None,
    now: datetime,
) -> ProblemDecidedV1:
    return ProblemDecidedV1(
        occurred_at=now,
        **facts(seat, found.booked),
        by="admin",
        decision=decision.decision,
        reason=decision.reason,
        refund=terms,
        earned=refunds.earned(seat),
    )
