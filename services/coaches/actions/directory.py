"""Lists of coaches: the directory for students, the applications for admins."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import SQLColumnExpression, and_, func, or_, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches import domain
from services.coaches.actions import profiles
from services.coaches.actions.profiles import Profile
from services.coaches.domain import Filters, Sort, Verification
from services.coaches.models import Coach, CoachedGame, User
from shared.pages import Keyset

LARGEST = 2**31


class Found(NamedTuple):
    """A coach and its place in the list asked for, which a cursor can carry."""

    profile: Profile
    key: Sequence[object]


class Order(NamedTuple):
    """The columns a list is sorted by, all in one direction, and how to read them."""

    columns: Sequence[SQLColumnExpression[Any]]
    readers: Sequence[Callable[[str], Any]]
    descending: bool = True


async def search(
    session: AsyncSession, filters: Filters, keyset: Keyset
) -> list[Found]:
    """Up to `limit + 1` listed coaches, in two queries. Raises InvalidRequest.

    The price is the rate for the game asked for, else the base rate. Prices of several
    currencies do not compare: sorted by price, each currency stands for itself.
    """
    domain.require_answerable(filters)
    price = _price(filters)
    order = _order(filters.sort, price)
    query = (
        select(Coach, User, *order.columns)
        .join(User, col(User.id) == col(Coach.id))
        .where(col(Coach.listed), *_conditions(filters, price))
        .order_by(*(c.desc() if order.descending else c for c in order.columns))
        .limit(keyset.limit + 1)
    )
    if filters.game is not None:
        query = query.join(CoachedGame, _teaches(filters))
    if after := keyset.after(*order.readers):
        here = tuple_(*order.columns)
        query = query.where(here < after if order.descending else here > after)
    rows = (await session.exec(query)).all()
    games = await profiles.games_of(session, [row[0].id for row in rows])
    return [
        Found(Profile(row[0], row[1], games.get(row[0].id, [])), row[2:])
        for row in rows
    ]


async def applications(
    session: AsyncSession, verification: Verification | None, keyset: Keyset
) -> list[Found]:
    """Up to `limit + 1` applications in any or the given state, by submission."""
    order = [col(Coach.submitted_at), col(Coach.id)]
    query = (
        select(Coach, User)
        .join(User, col(User.id) == col(Coach.id))
        .order_by(*order)
        .limit(keyset.limit + 1)
    )
    if verification is not None:
        query = query.where(col(Coach.verification) == verification)
    if after := keyset.after(_instant, UUID):
        query = query.where(tuple_(*order) > after)
    rows = (await session.exec(query)).all()
    games = await profiles.games_of(session, [coach.id for coach, _ in rows])
    return [
        Found(
            Profile(coach, user, games.get(coach.id, [])),
            [coach.submitted_at, coach.id],
        )
        for coach, user in rows
    ]


def _price(filters: Filters) -> SQLColumnExpression[int]:
    base = col(Coach.hourly_rate)
    if filters.game is None:
        return base
    return func.coalesce(col(CoachedGame.hourly_rate), base)


def _teaches(filters: Filters) -> SQLColumnExpression[bool]:
    teaches = [
        col(CoachedGame.coach_id) == col(Coach.id),
        col(CoachedGame.game_slug) == filters.game,
    ]
    if filters.rank is not None:
        teaches.append(col(CoachedGame.rank) == filters.rank)
    return and_(*teaches)


def _conditions(
    filters: Filters, price: SQLColumnExpression[int]
) -> list[SQLColumnExpression[bool]]:
    wanted: list[SQLColumnExpression[bool]] = [
        col(Coach.searchable).contains(word.lower(), autoescape=True)
        for word in filters.words
    ]
    if filters.currency is not None:
        wanted.append(col(Coach.currency) == filters.currency)
    if filters.min_rate is not None:
        wanted.append(price >= filters.min_rate)
    if filters.max_rate is not None:
        wanted.append(price <= filters.max_rate)
    if filters.experience is not None:
        wanted.append(col(Coach.experience_level) == filters.experience)
    if filters.language is not None:
        wanted.append(_speaks(filters.language))
    return wanted


def _speaks(tag: str) -> SQLColumnExpression[bool]:
    """A language with all its regions: `en` finds coaches who speak `en-GB`."""
    spoken = func.unnest(col(Coach.languages)).column_valued("spoken")
    same = or_(spoken == tag, spoken.startswith(f"{tag}-", autoescape=True))
    return select(spoken).where(same).correlate(Coach).exists()


def _order(sort: Sort, price: SQLColumnExpression[int]) -> Order:
    identity = col(Coach.id)
    match sort:
        case "rating":
            return Order([col(Coach.rating_score), identity], [_score, UUID])
        case "sessions":
            return Order([col(Coach.sessions_completed), identity], [_whole, UUID])
        case "new":
            return Order([col(Coach.verified_at), identity], [_instant, UUID])
        case "price" | "-price":
            return Order(
                [col(Coach.currency), price, identity],
                [domain.plain, _whole, UUID],
                descending=sort == "-price",
            )


def _score(text: object) -> float:
    return float(str(text))


def _whole(text: object) -> int:
    if abs(number := int(str(text))) >= LARGEST:
        raise ValueError
    return number


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return at.astimezone(UTC)
