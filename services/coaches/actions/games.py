"""Games and their ranks."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches.domain import RankInUse, SlugTaken, plain
from services.coaches.models import CoachedGame, Game, Rank
from shared.errors import NotFound
from shared.pages import Keyset


class RankedGame(NamedTuple):
    """A game with the names of its ranks, from low to high."""

    slug: str
    name: str
    ranks: Sequence[str]


async def page(session: AsyncSession, keyset: Keyset) -> list[RankedGame]:
    """Up to `limit + 1` games by slug, in two queries."""
    query = select(Game).order_by(col(Game.slug)).limit(keyset.limit + 1)
    if after := keyset.after(plain):
        query = query.where(col(Game.slug) > after[0])
    games = (await session.exec(query)).all()
    ranks = await _ranks(session, [game.slug for game in games])
    return [RankedGame(game.slug, game.name, ranks[game.slug]) for game in games]


async def add(
    session: AsyncSession, slug: str, name: str, ranks: Sequence[str]
) -> RankedGame:
    """A new game. Raises SlugTaken."""
    claim = (
        insert(Game)
        .values(slug=slug, name=name)
        .on_conflict_do_nothing()
        .returning(col(Game.slug))
    )
    if (await session.exec(claim)).first() is None:
        raise SlugTaken(f"{slug} exists.")
    await _place(session, slug, ranks)
    return RankedGame(slug, name, ranks)


async def change(
    session: AsyncSession, slug: str, name: str | None, ranks: Sequence[str] | None
) -> RankedGame:
    """Rename the game, replace its ranks; None leaves either as it is.

    Raises NotFound, RankInUse for a rank that would go and that a coach holds.
    """
    query = select(Game).where(col(Game.slug) == slug).with_for_update()
    game = (await session.exec(query)).first()
    if game is None:
        raise NotFound(f"There is no game {slug}.")
    game.name = name or game.name
    if ranks is not None:
        await _drop_all_but(session, slug, ranks)
        await _place(session, slug, ranks)
    return RankedGame(slug, game.name, (await _ranks(session, [slug]))[slug])


async def _ranks(session: AsyncSession, slugs: Sequence[str]) -> dict[str, list[str]]:
    query = (
        select(Rank)
        .where(col(Rank.game_slug).in_(slugs))
        .order_by(col(Rank.game_slug), col(Rank.position))
    )
    names: dict[str, list[str]] = {slug: [] for slug in slugs}
    for rank in (await session.exec(query)).all():
        names[rank.game_slug].append(rank.name)
    return names


async def _drop_all_but(session: AsyncSession, slug: str, kept: Sequence[str]) -> None:
    held = (
        select(CoachedGame.rank)
        .where(col(CoachedGame.game_slug) == slug, col(CoachedGame.rank).not_in(kept))
        .distinct()
        .order_by(col(CoachedGame.rank))
    )
    if in_use := (await session.exec(held)).all():
        raise RankInUse(
            "A rank that coaches hold cannot be removed.", ranks=list(in_use)
        )
    gone = delete(Rank).where(col(Rank.game_slug) == slug, col(Rank.name).not_in(kept))
    await session.exec(gone)


async def _place(session: AsyncSession, slug: str, ranks: Sequence[str]) -> None:
    rows = [
        {"game_slug": slug, "name": name, "position": position}
        for position, name in enumerate(ranks)
    ]
    put = insert(Rank).values(rows)
    await session.exec(
        put.on_conflict_do_update(
            index_elements=["game_slug", "name"],
            set_={"position": put.excluded.position},
        )
    )
