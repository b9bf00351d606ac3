"""Sessions as their people see them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import attendance, relocations
from services.booking.domain.attendance import EARLY, Presence
from services.booking.domain.calls import JOINABLE
from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import LIVE, MOST_ALIVE, Status
from services.booking.models import Move, ReportedProblem, Seat, Session
from services.booking.schemas.attendance import Attendance, ProblemView
from services.booking.schemas.sessions import (
    Moment,
    Refund,
    SeatView,
    SessionView,
    Step,
)
from shared.auth import Caller
from shared.errors import NotFound
from shared.inputs import Money
from shared.pages import Keyset, Page

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
"""Reads the instant of a cursor; ValueError for what no list handed out."""


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions of the caller; `start` lies in `[since, before)`."""

    role: Literal["student", "coach"] | None = None
    status: Status | None = None
    since: datetime | None = None
    before: datetime | None = None
    series_id: UUID | None = None


async def list_sessions(
    session: AsyncSession,
    caller: Caller,
    wanted: SessionFilter,
    page: Keyset,
    now: datetime,
) -> Page[SessionView]:
    """The caller's sessions by start, those of everybody for an admin without `role`.

    Seven queries, however many there are.
    """
    query = (
        select(Session)
        .where(_visible(caller, wanted, now))
        .order_by(col(Session.starts_at), col(Session.id))
        .limit(page.limit + 1)
    )
    if wanted.since is not None:
        query = query.where(col(Session.starts_at) >= wanted.since)
    if wanted.before is not None:
        query = query.where(col(Session.starts_at) < wanted.before)
    if after := page.after(MOMENT.validate_python, UUID):
        start, last = after
        query = query.where(
            or_(
                col(Session.starts_at) > start,
                and_(col(Session.starts_at) == start, col(Session.id) > last),
            )
        )
    rows = (await session.exec(query)).all()
    views = await _views(session, rows, caller, now)
    return page.page(
        rows, lambda row: (row.starts_at, row.id), lambda row: views[row.id]
    )


async def get_session(
    session: AsyncSession, session_id: UUID, caller: Caller, now: datetime
) -> SessionView:
    """Raises NotFound unless the caller is one of its people or an admin."""
    row = await session.get(Session, session_id)
    views = await _views(session, [row] if row else [], caller, now)
    if session_id not in views:
        raise NotFound(f"There is no session {session_id}.")
    return views[session_id]


def shown_status(seat: Seat, now: datetime) -> Status:
    """A hold that ran out is expired, whether or not it was swept."""
    if seat.status is Status.HELD and _past(seat.hold_expires_at, now):
        return Status.EXPIRED
    return seat.status


def _past(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _visible(
    caller: Caller, wanted: SessionFilter, now: datetime
) -> ColumnElement[bool]:
    """Sessions with a seat the caller may see; the most alive one has the status."""
    mine = {
        "student": col(Seat.student_id) == caller.id,
        "coach": col(Session.coach_id) == caller.id,
    }
    seen: ColumnElement[bool] = true()
    if wanted.role is not None:
        seen = mine[wanted.role]
    elif "admin" not in caller.roles:
        seen = or_(*mine.values())
    if wanted.series_id is not None:
        seen = and_(seen, col(Seat.series_id) == wanted.series_id)
    if wanted.status is None:
        return _with_seat(seen)
    more = MOST_ALIVE[: MOST_ALIVE.index(wanted.status)]
    more_alive = or_(false(), *(_has_status(each, now) for each in more))
    has = _has_status(wanted.status, now)
    return and_(_with_seat(seen, has), ~_with_seat(seen, more_alive))


def _with_seat(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    of_session = col(Seat.session_id) == col(Session.id)
    return select(Seat.id).where(of_session, *which).correlate(Session).exists()


def _has_status(status: Status, now: datetime) -> ColumnElement[bool]:
    stored = col(Seat.status) == status
    if status is Status.HELD:
        return and_(stored, col(Seat.hold_expires_at) > now)
    if status is Status.EXPIRED:
        ran_out = and_(
            col(Seat.status) == Status.HELD, col(Seat.hold_expires_at) <= now
        )
        return or_(stored, ran_out)
    return stored


async def _views(
    session: AsyncSession, rows: Sequence[Session], caller: Caller, now: datetime
) -> dict[UUID, SessionView]:
    """By session id, without those of which the caller may see nothing."""
    seats_of: dict[UUID, list[SeatView]] = defaultdict(list)
    booked = {row.id: row for row in rows}
    query = (
        select(Seat, ReportedProblem)
        .outerjoin(ReportedProblem, col(ReportedProblem.seat_id) == col(Seat.id))
        .where(col(Seat.session_id).in_(booked))
        .order_by(col(Seat.id))
    )
    found = (await session.exec(query)).all()
    steps = await _steps(session, [seat.id for seat, _ in found])
    near = [
        (seat, booked[seat.session_id])
        for seat, _ in found
        if now >= seat.starts_at - EARLY  # nobody can have come before
    ]
    presences = await attendance.presences(session, near) if near else {}
    taken = Counter(
        seat.session_id for seat, _ in found if shown_status(seat, now) in LIVE
    )
    for seat, problem in found:
        row = booked[seat.session_id]
        if seat.student_id == caller.id or _sees_all(row, caller):
            presence = presences.get(seat.id, Presence())
            view = _seat_view(seat, steps[seat.id], presence, problem, now)
            seats_of[row.id].append(view)
    views = {}
    for row in [row for row in rows if row.id in seats_of]:
        left = max(0, row.capacity - taken[row.id])
        view = _session_view(row, seats_of[row.id], left, _sees_all(row, caller))
        views[row.id] = view
    # what was never confirmed has no proposals, and what was not moved no moves
    sold = {seat.session_id for seat, _ in found if seat.confirmed_at is not None}
    of_sold = [row for row in rows if row.id in sold and row.id in views]
    await _add_moves(session, of_sold, views, caller, now)
    return views


async def _add_moves(
    session: AsyncSession,
    rows: Sequence[Session],
    views: dict[UUID, SessionView],
    caller: Caller,
    now: datetime,
) -> None:
    """Show how these sessions were moved, and which other times were proposed."""
    if not rows:
        return
    proposals = await relocations.read_proposals(session, rows, caller, now)
    moved = [row.id for row in rows if row.start_version > 1]
    moves = await relocations.read_moves(session, moved) if moved else {}
    for row in rows:
        views[row.id].moves = moves.get(row.id, [])
        views[row.id].proposals = proposals[row.id]


def _sees_all(row: Session, caller: Caller) -> bool:
    return caller.id == row.coach_id or "admin" in caller.roles


async def _steps(
    session: AsyncSession, seats: Iterable[UUID]
) -> dict[UUID, list[Step]]:
    steps: dict[UUID, list[Step]] = defaultdict(list)
    query = select(Move).where(col(Move.seat_id).in_(seats)).order_by(col(Move.id))
    for move in await session.exec(query):
        steps[move.seat_id].append(
            Step(
                at=move.at,
                before=move.from_status,
                to=move.to_status,
                by=move.by,
                reason=move.reason,
            )
        )
    return steps


def _seat_view(
    seat: Seat,
    steps: list[Step],
    presence: Presence,
    problem: ReportedProblem | None,
    now: datetime,
) -> SeatView:
    return SeatView(
        seat_id=seat.id,
        student_id=seat.student_id,
        status=shown_status(seat, now),
        goals=seat.goals,
        price=Money(amount=seat.price, currency=seat.currency),
        hold_expires_at=seat.hold_expires_at,
        cancelled_by=seat.cancelled_by,
        no_show=seat.no_show,
        provisional_until=seat.provisional_until,
        attendance=Attendance.model_validate(presence),
        problem=_problem(problem, seat) if problem else None,
        refund=_refund(seat),
        payment_id=seat.payment_id,
        series_id=seat.series_id,
        offer=seat.offer,
        history=steps,
    )


def _refund(seat: Seat) -> Refund | None:
    if seat.refund_amount is None:
        return None
    return Refund(
        amount=Money(amount=seat.refund_amount, currency=seat.currency),
        percent=seat.refund_percent,
        status=seat.refund_status,
    )


def _problem(problem: ReportedProblem, seat: Seat) -> ProblemView:
    back = None
    if problem.refund is not None:
        back = Money(amount=problem.refund, currency=seat.currency)
    return ProblemView(
        reason=problem.reason,
        reported_at=problem.reported_at,
        status="open" if problem.decided_at is None else "decided",
        decision=problem.decision,
        percent=problem.percent,
        refund=back,
        decision_reason=problem.decision_reason,
        decided_at=problem.decided_at,
    )


def _session_view(
    row: Session, seats: list[SeatView], left: int, sees_all: bool
) -> SessionView:
    # of several that are alike the latest: a student may have come back
    shown = min(reversed(seats), key=lambda seat: MOST_ALIVE.index(seat.status))
    return SessionView(
        **dict(shown),
        id=row.id,
        coach_id=row.coach_id,
        start=row.starts_at,
        end=row.ends_at,
        duration_minutes=(row.ends_at - row.starts_at) // timedelta(minutes=1),
        game=row.game,
        kind=row.kind,
        start_version=row.start_version,
        capacity=row.capacity,
        seats_left=left,
        min_participants=row.min_participants,
        runs=row.kind == "individual" or row.fate is Fate.RUNS,
        join_url=f"/v1/sessions/{row.id}/join" if shown.status in JOINABLE else None,
        proposals=[],
        moves=[],
        seats=seats if sees_all else None,
    )
