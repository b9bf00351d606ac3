"""Strikes of coaches. A read counts them itself; the tick only says what they do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions.coaches import get_coach
from services.booking.actions.sessions import MOMENT
from services.booking.domain import strikes
from services.booking.domain.strikes import MEMORY, MOST, Cause
from services.booking.models import Session, Standing, Strike
from services.booking.schemas.attendance import StrikesView, StrikeView
from shared import outbox
from shared.contracts.booking import CoachPausedV1, CoachResumedV1
from shared.pages import Keyset


async def count_late_cancels(
    session: AsyncSession, cancelled: Sequence[Session], now: datetime
) -> None:
    """Their coach has cancelled what was sold; near the start that is a strike."""
    late = [each for each in cancelled if strikes.is_late(each.starts_at, now)]
    await _count(session, late, Cause.LATE_CANCEL, now)


async def count_no_shows(
    session: AsyncSession, missed: Sequence[Session], now: datetime
) -> None:
    """The coaches of these sessions did not come."""
    await _count(session, missed, Cause.NO_SHOW, now)


async def _count(
    session: AsyncSession, booked: Sequence[Session], cause: Cause, now: datetime
) -> None:
    """A session counts once, however many sat in it and whatever went wrong."""
    rows = {
        each.id: {
            "session_id": each.id,
            "coach_id": each.coach_id,
            "reason": cause,
            "at": now,
        }
        for each in booked
    }
    if rows:
        values = [rows[session_id] for session_id in sorted(rows)]
        await session.exec(insert(Strike).values(values).on_conflict_do_nothing())


def pausing(coach_id: Any, now: Any) -> ColumnElement[bool]:
    """Whether the strikes that stand pause the coach's listing, for a query."""
    standing = select(func.count()).where(
        col(Strike.coach_id) == coach_id,
        col(Strike.cleared_at).is_(None),
        col(Strike.at) + MEMORY > now,
    )
    return standing.scalar_subquery() >= MOST


async def tell(session: AsyncSession, now: datetime) -> None:
    """Say which coaches are paused or resumed since that was said last, once each."""
    paused = await _paused(session, now)
    query = select(Standing.coach_id).where(col(Standing.paused))
    told = set(await session.exec(query))
    changed = sorted(told ^ set(paused))
    if not changed:
        return
    values = [
        {"coach_id": each, "version": 1, "paused": each in paused} for each in changed
    ]
    keep = insert(Standing).values(values)
    rows: Sequence[Any] = (
        await session.exec(
            keep.on_conflict_do_update(
                index_elements=["coach_id"],
                set_={
                    "paused": keep.excluded.paused,
                    "version": col(Standing.version) + 1,
                },
                where=col(Standing.paused) != keep.excluded.paused,
            ).returning(col(Standing.coach_id), col(Standing.version))
        )
    ).all()
    await outbox.publish(
        session,
        *(
            _news(each.coach_id, each.version, paused.get(each.coach_id), now)
            for each in rows
        ),
    )


async def _paused(
    session: AsyncSession, now: datetime
) -> dict[UUID, Sequence[datetime]]:
    """The coaches with too many strikes that stand, and when they had them."""
    query = (
        select(Strike.coach_id, func.array_agg(Strike.at))
        .where(col(Strike.cleared_at).is_(None), col(Strike.at) > now - MEMORY)
        .group_by(col(Strike.coach_id))
        .having(func.count() >= MOST)
    )
    return dict((await session.exec(query)).all())


def _news(
    coach_id: UUID, version: int, at: Sequence[datetime] | None, now: datetime
) -> CoachPausedV1 | CoachResumedV1:
    until = strikes.paused_until(at or (), now)
    if at is None or until is None:
        return CoachResumedV1(occurred_at=now, coach_id=coach_id, version=version)
    return CoachPausedV1(
        occurred_at=now,
        coach_id=coach_id,
        version=version,
        strikes=len(at),
        until=until,
    )


async def clear(
    session: AsyncSession, coach_id: UUID, admin_id: UUID, reason: str, now: datetime
) -> None:
    """None of the coach's strikes stands any more. Raises NotFound for no coach."""
    await get_coach(session, coach_id)
    await session.exec(
        update(Strike)
        .where(col(Strike.coach_id) == coach_id, col(Strike.cleared_at).is_(None))
        .values(cleared_at=now, cleared_by=admin_id, clear_reason=reason)
    )
    await tell(session, now)


async def show(
    session: AsyncSession, coach_id: UUID, page: Keyset, now: datetime
) -> StrikesView:
    """The coach's strikes, the latest first. Raises NotFound for no coach."""
    await get_coach(session, coach_id)
    key = tuple_(col(Strike.at), col(Strike.session_id))
    query = (
        select(Strike)
        .where(col(Strike.coach_id) == coach_id)
        .order_by(col(Strike.at).desc(), col(Strike.session_id).desc())
        .limit(page.limit + 1)
    )
    if after := page.after(MOMENT.validate_python, UUID):
        query = query.where(key < after)
    rows = (await session.exec(query)).all()
    shown = page.page(
        rows, lambda row: (row.at, row.session_id), StrikeView.model_validate
    )
    standing = (await _paused(session, now)).get(coach_id, ())
    return StrikesView(**dict(shown), paused_until=strikes.paused_until(standing, now))
