"""The seats of sessions, alone with them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import expiry
from services.booking.actions.sessions import shown_status
from services.booking.domain.lifecycle import MOST_ALIVE, Status
from services.booking.models import Seat, Session
from shared.auth import Caller
from shared.errors import Forbidden, InvalidRequest, NotFound

OVER = {Status.EXPIRED, Status.CANCELLED}
"""Seats that were given up: they are not meant unless they are named."""


@dataclass(frozen=True)
class Locked:
    """A locked session with those of its locked seats that the caller sees."""

    booked: Session
    seats: Sequence[Seat]
    side: Literal["student", "coach", "admin"]

    @property
    def rows(self) -> list[tuple[Seat, Session]]:
        return [(seat, self.booked) for seat in self.seats]

    @property
    def most_alive(self) -> Seat:
        """The seat that stands for the session."""
        # of several that are alike the latest: a student may have come back
        latest = reversed(self.seats)
        return min(latest, key=lambda seat: MOST_ALIVE.index(seat.status))

    def require(self, *sides: Literal["student", "coach", "admin"]) -> None:
        """Raise Forbidden for one of the session's other people."""
        if self.side not in sides:
            raise Forbidden(f"This is for the {' or the '.join(sides)} to say.")

    def seat(self, seat_id: UUID | None) -> Seat:
        """The seat of this id, else the only one that can be meant.

        Raises NotFound for a seat that is not the caller's to see, InvalidRequest if
        several can be meant.
        """
        if seat_id is not None:
            for each in self.seats:
                if each.id == seat_id:
                    return each
            raise NotFound(f"There is no seat {seat_id} in this session.")
        meant = [each for each in self.seats if each.status not in OVER]
        if len(meant) > 1:
            errors = [{"field": "body.seat_id", "message": "say which seat"}]
            raise InvalidRequest("The session has several seats.", errors=errors)
        return meant[0] if meant else self.most_alive


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


async def lock(
    session: AsyncSession, session_id: UUID, caller: Caller, now: datetime
) -> Locked:
    """Raises NotFound for others than the session's people and admins."""
    seats = await lock_seats(session, [session_id], now)
    it = select(Session).where(Session.id == session_id).with_for_update()
    booked = (await session.exec(it)).one_or_none()
    if booked is not None:
        mine = [seat for seat in seats if seat.student_id == caller.id]
        if mine:
            return Locked(booked, mine, "student")
        if caller.id == booked.coach_id:
            return Locked(booked, seats, "coach")
        if "admin" in caller.roles:
            return Locked(booked, seats, "admin")
    raise NotFound(f"There is no session {session_id}.")
