"""The games of a coach."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches import domain
from services.coaches.actions import profiles
from services.coaches.models import Coach, CoachedGame, Game, Rank
from services.coaches.schemas import TaughtGame
from shared.errors import NotFound


async def put(
    session: AsyncSession, coach_id: UUID, slug: str, taught: TaughtGame, now: datetime
) -> tuple[CoachedGame, Coach, bool]:
    """Store how the coach teaches the game; True if it did not teach it before.

    A primary game takes that place from another. Raises NotFound for somebody who has
    not applied or an unknown game, InvalidRequest for a rank the game does not have or
    a rate that cannot be charged.
    """
    user, coach = await profiles.lock(session, coach_id)
    await _require_rank(session, slug, taught.rank)
    if (rate := taught.hourly_rate) is not None:
        domain.require_currency("body.hourly_rate", rate.currency, coach.currency)
        domain.require_sellable("body.hourly_rate", rate.amount, rate.currency)
    if taught.is_primary:
        await _clear_primary(session, coach_id)
    values = dict(taught) | {"hourly_rate": rate and rate.amount}
    game = await session.get(CoachedGame, (coach_id, slug))
    if new := game is None:
        game = CoachedGame(coach_id=coach_id, game_slug=slug, **values)
        session.add(game)
    else:
        game.sqlmodel_update(values)
    await profiles.announce(session, coach, user, now)
    return game, coach, new


async def remove(
    session: AsyncSession, coach_id: UUID, slug: str, now: datetime
) -> None:
    """The coach teaches the game no more. Raises NotFound if it did not."""
    user, coach = await profiles.lock(session, coach_id)
    game = await session.get(CoachedGame, (coach_id, slug))
    if game is None:
        raise NotFound(f"The coach does not teach {slug}.")
    await session.delete(game)
    await profiles.announce(session, coach, user, now)


async def _require_rank(session: AsyncSession, slug: str, rank: str) -> None:
    """The game is locked against a change of its ranks until we commit."""
    query = select(Game).where(col(Game.slug) == slug).with_for_update(read=True)
    if (await session.exec(query)).first() is None:
        raise NotFound(f"There is no game {slug}.")
    if await session.get(Rank, (slug, rank)) is None:
        raise domain.refused("body.rank", f"is not a rank of {slug}")


async def _clear_primary(session: AsyncSession, coach_id: UUID) -> None:
    await session.exec(
        update(CoachedGame)
        .where(col(CoachedGame.coach_id) == coach_id, col(CoachedGame.is_primary))
        .values(is_primary=False)
    )
