"""The seats of sessions, alone with them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import expiry
from services.booking.actions.sessions import shown_status
from services.booking.models import Seat


async def lock_seats(
    session: AsyncSession, session_ids: Collection[UUID], now: datetime
) -> Sequence[Seat]:
    """All seats of these sessions by id; holds that ran out have expired.

    Whoever may meet somebody who joins takes the coaches' locks before.
    """
    query = (
        select(Seat)
        .where(col(Seat.session_id).in_(session_ids))
        .order_by(col(Seat.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    seats = (await session.exec(query)).all()
    if any(seat.status is not shown_status(seat, now) for seat in seats):
        await expiry.expire_holds_in(session, session_ids, now)
        seats = (await session.exec(query)).all()
    return seats
