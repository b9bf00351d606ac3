"""Giving up what is left of a series: each seat by its own rule, all in one go."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions.cancellation import (
    Row,
    decide,
    give_up,
    lock_rows,
    name_of,
    party_of,
    require_reason,
)
from services.booking.actions.sessions import shown_status
from services.booking.domain.cancellation import Party
from services.booking.domain.lifecycle import Status
from services.booking.domain.problems import WrongStatus
from services.booking.models import Seat
from services.booking.schemas.series import (
    SeatQuoted,
    SeriesCancelRequest,
    SeriesQuote,
)
from shared.auth import Caller
from shared.errors import InvalidRequest, NotFound
from shared.inputs import Money


async def quote(
    session: AsyncSession,
    series_id: UUID,
    caller: Caller,
    first: UUID | None,
    now: datetime,
) -> SeriesQuote:
    """What `cancel` would do for the same caller at the same instant.

    Raises as `cancel` does.
    """
    rows, by = await _lock(session, series_id, caller, now)
    chosen = _choose(rows, first, "query.from_session_id", now)
    seats = [_quoted(row, by, now) for row in chosen]
    total = sum(each.refund.amount for each in seats)
    return SeriesQuote(
        refund=Money(amount=total, currency=chosen[0][0].currency),
        seats=sorted(seats, key=lambda each: each.start),
        quoted_at=now,
    )


async def cancel(
    session: AsyncSession,
    series_id: UUID,
    caller: Caller,
    wanted: SeriesCancelRequest,
    now: datetime,
) -> None:
    """Free the times at once and say what the student is owed for each.

    A series that is not paid yet is given up as a whole. Raises NotFound for others
    than its people and admins, InvalidRequest for a session that is not of the series
    or when coach or admin give no reason, WrongStatus if nothing is left to cancel.
    """
    rows, by = await _lock(session, series_id, caller, now)
    reason = require_reason(wanted.reason, by)
    chosen = _choose(rows, wanted.from_session_id, "body.from_session_id", now)
    await give_up(session, chosen, by, reason, now)


async def _lock(
    session: AsyncSession, series_id: UUID, caller: Caller, now: datetime
) -> tuple[Sequence[Row], Party]:
    its = select(Seat.session_id).where(Seat.series_id == series_id)
    rows = await lock_rows(session, (await session.exec(its)).all(), now)
    by = party_of(caller, rows[0][1], [rows[0][0]]) if rows else None
    if by is None:
        raise NotFound(f"There is no series {series_id}.")
    return rows, by


def _choose(
    rows: Sequence[Row], first: UUID | None, field: str, now: datetime
) -> list[Row]:
    """What lies ahead and can be given up, from the session `first` on."""
    since = _start_of(rows, first, field) if first else now
    ahead = [
        row
        for row in rows
        if row[0].starts_at > now
        and shown_status(row[0], now) in (Status.HELD, Status.CONFIRMED)
    ]
    chosen = [
        row
        for row in ahead
        if row[0].starts_at >= since or row[0].status is Status.HELD
    ]
    if not chosen:
        detail = "None of its sessions ahead can be cancelled."
        latest = max(rows, key=lambda row: row[0].starts_at)[0]
        raise WrongStatus(detail, session_status=shown_status(latest, now))
    return chosen


def _start_of(rows: Sequence[Row], session_id: UUID, field: str) -> datetime:
    for _, booked in rows:
        if booked.id == session_id:
            return booked.starts_at
    errors = [{"field": field, "message": "is not a session of this series"}]
    raise InvalidRequest("Choose a session of the series.", errors=errors)


def _quoted(row: Row, by: Party, now: datetime) -> SeatQuoted:
    seat, booked = row
    found = decide(seat, by, now)
    return SeatQuoted(
        session_id=booked.id,
        seat_id=seat.id,
        start=booked.starts_at,
        percent=found.percent,
        refund=Money(amount=found.refund, currency=seat.currency),
        tier=name_of(found),
        free_until=found.free_until,
    )
