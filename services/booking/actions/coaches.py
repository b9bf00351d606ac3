"""Our copy of the coaches, fed by what coaches says."""

import asyncio
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.models import Coach
from shared.contracts.coaches import ProfileChangedV1
from shared.db import Sessions
from shared.errors import NotFound

TRIES, PAUSE = 10, 0.1
"""How often, and with how many seconds between, something under way is looked for."""


async def remember_coach(session: AsyncSession, profile: ProfileChangedV1) -> None:
    """Keep the profile unless a newer version of it is known already."""
    values = {
        "version": profile.version,
        "verified": profile.verified,
        "listed": profile.listed,
        "accepting": profile.accepting,
        "currency": profile.currency,
        "hourly_rate": profile.hourly_rate,
        "group_rate": profile.group_rate,
        "game_rates": {game.slug: game.hourly_rate for game in profile.games},
    }
    await session.exec(
        insert(Coach)
        .values(id=profile.coach_id, **values)
        .on_conflict_do_update(
            index_elements=["id"],
            set_=values,
            where=Coach.version < profile.version,  # type: ignore[arg-type]
        )
    )


async def get_coach(session: AsyncSession, coach_id: UUID) -> Coach:
    """Raises NotFound for somebody who is no coach."""
    coach = await session.get(Coach, coach_id)
    if coach is None:
        raise NotFound(f"There is no coach {coach_id}.")
    return coach


async def has_group_rate(session: AsyncSession, coach_id: UUID) -> bool:
    """Whether the coach has said what a seat of a group costs."""
    rate = select(Coach.group_rate).where(col(Coach.id) == coach_id)
    return (await session.exec(rate)).first() is not None


async def wait_for_group_rate(sessions: Sessions, coach_id: UUID) -> None:
    """Give a rate that was set a moment ago, and is still under way, time to arrive."""
    for _ in range(TRIES):
        async with sessions() as session:
            if await has_group_rate(session, coach_id):
                return
        await asyncio.sleep(PAUSE)
