"""Applications and the profiles they become, and what the other services are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.coaches import domain
from services.coaches.actions import users
from services.coaches.domain import AlreadyApplied, CurrencyFixed, Verification
from services.coaches.models import Coach, CoachedGame, User
from services.coaches.schemas import Application, ProfileChanges
from shared import outbox
from shared.contracts.coaches import GameRate, ProfileChangedV1
from shared.errors import NotFound
from shared.inputs import Money


@dataclass(frozen=True)
class Profile:
    """A coach with all that a view of one shows."""

    coach: Coach
    user: User
    games: Sequence[CoachedGame]


async def apply(
    session: AsyncSession, user_id: UUID, application: Application, now: datetime
) -> Profile:
    """Submit the user's application; a rejected or reworked one is replaced by it.

    Raises AlreadyApplied while one waits or is verified, InvalidRequest for rates that
    cannot be charged, CurrencyFixed.
    """
    user = await users.lock(session, user_id)
    coach = await session.get(Coach, user_id)
    if coach and Verification.SUBMITTED not in domain.MOVES[coach.verification]:
        raise AlreadyApplied(f"Your application is {coach.verification}.")
    rates = await _rates(
        session, coach, application.hourly_rate, application.group_rate
    )
    values = dict(application) | rates
    values |= {
        "verification": Verification.SUBMITTED,
        "rejection_reason": None,
        "submitted_at": now,
    }
    if coach is None:
        coach = Coach(id=user_id, **values)
        session.add(coach)
    else:
        coach.sqlmodel_update(values)
    return await announce(session, coach, user, now)


async def change(
    session: AsyncSession, coach_id: UUID, changes: ProfileChanges, now: datetime
) -> Profile:
    """Set the fields that were sent; a rejected application becomes a draft by it.

    Raises NotFound for somebody who has not applied, InvalidRequest for rates that
    cannot be charged, CurrencyFixed.
    """
    user, coach = await lock(session, coach_id)
    rates = await _rates(session, coach, *_asked(coach, changes))
    sent = {name: getattr(changes, name) for name in changes.model_fields_set}
    coach.sqlmodel_update(sent | rates)
    if coach.verification is Verification.REJECTED:
        coach.verification = Verification.DRAFT
    return await announce(session, coach, user, now)


async def lock(session: AsyncSession, coach_id: UUID) -> tuple[User, Coach]:
    """Load a coach; other changes to it wait until we commit. Raises NotFound."""
    user = await users.lock(session, coach_id)
    coach = await session.get(Coach, coach_id)
    if coach is None:
        raise NotFound(f"There is no coach {coach_id}.")
    return user, coach


async def get(session: AsyncSession, coach_id: UUID, *, hidden: bool) -> Profile:
    """The profile. Raises NotFound, also for one that is not public unless `hidden`."""
    query = (
        select(Coach, User)
        .join(User, col(User.id) == col(Coach.id))
        .where(col(Coach.id) == coach_id)
    )
    found = (await session.exec(query)).first()
    if found is not None:
        coach, user = found
        public = domain.is_public(coach.verification, coach.status, user.suspended)
        if public or hidden:
            games = await games_of(session, [coach_id])
            return Profile(coach, user, games.get(coach_id, []))
    raise NotFound(f"There is no coach {coach_id}.")


async def games_of(
    session: AsyncSession, coach_ids: Sequence[UUID]
) -> dict[UUID, list[CoachedGame]]:
    """The games of all these coaches in one query, the primary one first."""
    query = (
        select(CoachedGame)
        .where(col(CoachedGame.coach_id).in_(coach_ids))
        .order_by(col(CoachedGame.is_primary).desc(), col(CoachedGame.game_slug))
    )
    games: dict[UUID, list[CoachedGame]] = {}
    for game in (await session.exec(query)).all():
        games.setdefault(game.coach_id, []).append(game)
    return games


async def pause(
    session: AsyncSession, coach_id: UUID, version: int, paused: bool, now: datetime
) -> None:
    """Take the coach off the list, or not any more; an older version changes nothing.

    Nobody who is no coach lets sessions down, so there is nothing to do then.
    """
    user = await users.lock(session, coach_id)
    coach = await session.get(Coach, coach_id)
    if coach is None or coach.pause_version >= version:
        return
    coach.paused, coach.pause_version = paused, version
    await announce(session, coach, user, now)


async def fix_currency(session: AsyncSession, coach_id: UUID) -> None:
    """Students book for money: the coach keeps the currency from now on.

    We hear of a hold after it was made, and booking of another currency after we took
    it. Seats held in between are in the old currency, those after them in the new.
    """
    await users.lock(session, coach_id)
    coach = await session.get(Coach, coach_id)
    if coach is not None:
        coach.sold = True


async def announce(
    session: AsyncSession, coach: Coach, user: User, now: datetime
) -> Profile:
    """Settle what follows from a change and tell everybody, if they would notice.

    `user` is locked. Until accounts has told the coach's name nothing is said.
    """
    coach.listed = domain.is_listed(
        coach.verification,
        coach.status,
        coach.accepting_students,
        user.suspended,
        user.display_name,
        coach.paused,
    )
    coach.searchable = domain.searchable(user.display_name, coach.headline, coach.bio)
    await session.flush()
    games = (await games_of(session, [coach.id])).get(coach.id, [])
    told = _told(coach, user, games)
    if user.display_name is not None and told != coach.told:
        coach.told = told
        coach.version += 1
        event = {
            "coach_id": coach.id,
            "version": coach.version,
            "occurred_at": now,
            **told,
        }
        await outbox.publish(session, ProfileChangedV1.model_validate(event))
        await session.flush()
    return Profile(coach, user, games)


def _told(coach: Coach, user: User, games: Sequence[CoachedGame]) -> dict[str, Any]:
    rates = [
        GameRate(slug=game.game_slug, hourly_rate=game.hourly_rate).model_dump()
        for game in sorted(games, key=lambda game: game.game_slug)
    ]
    return {
        "display_name": user.display_name,
        "verified": coach.verification is Verification.VERIFIED,
        "listed": coach.listed,
        "accepting": coach.accepting_students,
        "currency": coach.currency,
        "hourly_rate": coach.hourly_rate,
        "group_rate": coach.group_rate,
        "games": rates,
    }


def _asked(coach: Coach, changes: ProfileChanges) -> tuple[Money, Money | None]:
    """The base rate and the group rate as they will be after the changes."""
    hourly = Money(amount=coach.hourly_rate, currency=coach.currency)
    group = None
    if "group_rate" in changes.model_fields_set:
        group = changes.group_rate
    elif coach.group_rate is not None:
        group = Money(amount=coach.group_rate, currency=coach.currency)
    return changes.hourly_rate or hourly, group


async def _rates(
    session: AsyncSession, coach: Coach | None, hourly: Money, group: Money | None
) -> dict[str, Any]:
    """The columns of the rates, once they are found to be possible."""
    domain.require_sellable("body.hourly_rate", hourly.amount, hourly.currency)
    if group is not None:
        domain.require_currency("body.group_rate", group.currency, hourly.currency)
        domain.require_sellable("body.group_rate", group.amount, group.currency)
    if coach is not None and coach.currency != hourly.currency:
        await _require_free_currency(session, coach)
    return {
        "currency": hourly.currency,
        "hourly_rate": hourly.amount,
        "group_rate": group and group.amount,
    }


async def _require_free_currency(session: AsyncSession, coach: Coach) -> None:
    if coach.sold:
        raise CurrencyFixed(f"Students have booked: it stays {coach.currency}.")
    games = (await games_of(session, [coach.id])).get(coach.id, [])
    if any(game.hourly_rate is not None for game in games):
        raise CurrencyFixed(f"Games bear rates in {coach.currency}: remove them first.")
