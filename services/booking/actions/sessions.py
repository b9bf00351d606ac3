"""Sessions as their people see them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import relocations
from services.booking.domain.calls import JOINABLE
from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import LIVE, MOST_ALIVE, Status
from services.booking.models import Move, Seat, Session
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

    Six queries, however many there are.
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
    seats_of: dict[UUID, list[Seat]] = defaultdict(list)
    ids = [row.id for row in rows]
    query = select(Seat).where(col(Seat.session_id).in_(ids)).order_by(col(Seat.id))
    for seat in await session.exec(query):
        seats_of[seat.session_id].append(seat)
    steps = await _steps(session, [s.id for some in seats_of.values() for s in some])
    moves = await relocations.read_moves(session, ids)
    proposals = await relocations.read_proposals(session, rows, caller, now)
    views = {}
    for row in rows:
        sees_all = caller.id == row.coach_id or "admin" in caller.roles
        seats = [
            _seat_view(seat, steps[seat.id], now)
            for seat in seats_of[row.id]
            if sees_all or seat.student_id == caller.id
        ]
        if seats:
            left = row.capacity - sum(
                shown_status(seat, now) in LIVE for seat in seats_of[row.id]
            )
            view = _session_view(row, seats, max(0, left), sees_all)
            view.moves, view.proposals = moves[row.id], proposals[row.id]
            views[row.id] = view
    return views


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


def _seat_view(seat: Seat, steps: list[Step], now: datetime) -> SeatView:
    return SeatView(
        seat_id=seat.id,
        student_id=seat.student_id,
        status=shown_status(seat, now),
        goals=seat.goals,
        price=Money(amount=seat.price, currency=seat.currency),
        hold_expires_at=seat.hold_expires_at,
        cancelled_by=seat.cancelled_by,
        no_show=None,
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
