from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from services.coaches import domain
from services.coaches.actions import (
    coached_games,
    directory,
    games,
    profiles,
    verification,
)
from services.coaches.actions.profiles import Profile
from services.coaches.domain import (
    AlreadyApplied,
    CurrencyFixed,
    Experience,
    Filters,
    RankInUse,
    SlugTaken,
    Sort,
    Verification,
    WrongStatus,
)
from services.coaches.models import Coach, CoachedGame
from services.coaches.schemas import (
    Application,
    Approval,
    CoachedGameView,
    CoachView,
    GameChanges,
    GameView,
    Label,
    LanguageTag,
    NewGame,
    ProfileChanges,
    Rejection,
    Slug,
    TaughtGame,
    VerificationView,
)
from shared.auth import Admin, Caller, MaybeSignedIn, SignedIn
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.inputs import Instant, Money, Text
from shared.pages import Page, PageQuery
from shared.web import InjectedClock, Transaction, problems

router = make_router(tags=["coaches"])

READING = (Unauthorized, InvalidRequest)
CHANGING = (BadRequest, Unauthorized, Forbidden, InvalidRequest)


@router.get("/v1/games", summary="List games", responses=problems(*READING))
async def list_games(session: Transaction, keyset: PageQuery) -> Page[GameView]:
    """All games with their ranks from low to high, by slug."""
    found = await games.page(session, keyset)
    return keyset.page(found, lambda game: [game.slug], GameView.model_validate)


@router.post(
    "/v1/games",
    status_code=201,
    summary="Add a game",
    responses=problems(*CHANGING, SlugTaken),
)
async def add_game(
    body: NewGame, _: Admin, session: Transaction, response: Response
) -> GameView:
    """For admins. The slug stays for ever; name and ranks may change."""
    game = await games.add(session, body.slug, body.name, body.ranks)
    response.headers["Location"] = f"/v1/games/{body.slug}"
    return GameView.model_validate(game)


@router.patch(
    "/v1/games/{slug}",
    summary="Change a game",
    responses=problems(*CHANGING, NotFound, RankInUse),
)
async def change_game(
    slug: Slug, body: GameChanges, _: Admin, session: Transaction
) -> GameView:
    """For admins. `ranks` replaces them all; one that a coach holds must stay."""
    game = await games.change(session, slug, body.name, body.ranks)
    return GameView.model_validate(game)


Words = Annotated[
    Text | None,
    Query(max_length=100, description="words in name, headline or bio, all of them"),
]
Taught = Annotated[Slug | None, Query(description="coaches who teach it")]
Held = Annotated[Label | None, Query(description="coaches who hold it; needs `game`")]
Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$")]
Rate = Annotated[
    int | None, Query(ge=0, lt=directory.LARGEST, description="minor units per hour")
]
Spoken = Annotated[LanguageTag | None, Query(description="`en` also finds `en-GB`")]
NotYet = Annotated[Instant | None, Query(description="not supported yet: answers 422")]


async def _filters(
    q: Words = None,
    game: Taught = None,
    rank: Held = None,
    currency: Currency = None,
    min_rate: Rate = None,
    max_rate: Rate = None,
    experience: Experience | None = None,
    language: Spoken = None,
    free_from: NotYet = None,
    free_to: NotYet = None,
    sort: Sort = "rating",
) -> Filters:
    for name, value in {"free_from": free_from, "free_to": free_to}.items():
        if value is not None:
            raise domain.refused(f"query.{name}", "is not supported yet")
    return Filters(
        words=tuple((q or "").split()),
        game=game,
        rank=rank,
        currency=currency,
        min_rate=min_rate,
        max_rate=max_rate,
        experience=experience,
        language=language,
        sort=sort,
    )


@router.get("/v1/coaches", summary="Find coaches", responses=problems(*READING))
async def find_coaches(
    filters: Annotated[Filters, Depends(_filters)],
    session: Transaction,
    keyset: PageQuery,
) -> Page[CoachView]:
    """The verified, active coaches who accept students.

    `min_rate` and `max_rate` need `currency`, `rank` needs `game`. The price is the
    rate for the game asked for, else the base rate. `sort`: `rating` (best first; few
    reviews count together with five of 4.2), `price` and `-price` (by currency, then
    price), `sessions` (most first), `new` (last verified first).
    """
    found = await directory.search(session, filters, keyset)
    return keyset.page(found, lambda one: one.key, lambda one: view(one.profile))


@router.post(
    "/v1/coaches",
    status_code=201,
    summary="Apply as a coach",
    responses=problems(
        BadRequest, Unauthorized, InvalidRequest, AlreadyApplied, CurrencyFixed
    ),
)
async def apply(
    body: Application,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    response: Response,
) -> CoachView:
    """Any user may apply, once; an admin then verifies or rejects.

    The coach's id is the user's id. After a rejection, apply again: the new application
    replaces the old one. All rates are in one currency; 15 minutes must cost nothing or
    what Stripe can charge. The role `coach` comes with the next access token.
    """
    profile = await profiles.apply(session, caller.id, body, clock.now())
    response.headers["Location"] = f"/v1/coaches/{caller.id}"
    return view(profile)


@router.get(
    "/v1/coaches/{id}", summary="Read a coach", responses=problems(*READING, NotFound)
)
async def read_coach(
    id: UUID,  # noqa: A002 - the parameter's public name
    caller: MaybeSignedIn,
    session: Transaction,
) -> CoachView:
    """A profile that is not verified, inactive or suspended: its owner and admins."""
    return view(await profiles.get(session, id, hidden=_sees_hidden(id, caller)))


async def _own(
    id: UUID,  # noqa: A002 - the parameter's public name
    caller: SignedIn,
    session: Transaction,
) -> UUID:
    if caller.id != id:
        await profiles.get(session, id, hidden=_sees_hidden(id, caller))
        raise Forbidden("This is another coach's profile.")
    return id


OwnId = Annotated[UUID, Depends(_own)]
"""The caller's own id: for a coach that others see Forbidden, else NotFound."""


@router.patch(
    "/v1/coaches/{id}",
    summary="Change your profile",
    responses=problems(*CHANGING, NotFound, CurrencyFixed),
)
async def change_coach(
    own_id: OwnId, body: ProfileChanges, session: Transaction, clock: InjectedClock
) -> CoachView:
    """What is left out stays. A rejected application becomes a draft by it, to be
    submitted again with `POST /v1/coaches`; a verified one stays verified.
    """
    return view(await profiles.change(session, own_id, body, clock.now()))


@router.put(
    "/v1/coaches/{id}/games/{slug}",
    summary="Teach a game",
    responses={
        201: {"model": CoachedGameView, "description": "It was not taught before."},
        **problems(*CHANGING, NotFound),
    },
)
async def teach_game(
    own_id: OwnId,
    slug: Slug,
    body: TaughtGame,
    session: Transaction,
    clock: InjectedClock,
    response: Response,
) -> CoachedGameView:
    """Replaces what was said of this game. One game is primary: the last one named."""
    game, coach, new = await coached_games.put(session, own_id, slug, body, clock.now())
    if new:
        response.status_code = 201
        response.headers["Location"] = f"/v1/coaches/{own_id}/games/{slug}"
    return _game_view(game, coach)


@router.delete(
    "/v1/coaches/{id}/games/{slug}",
    status_code=204,
    response_class=Response,
    summary="Teach a game no more",
    responses=problems(*CHANGING, NotFound),
)
async def drop_game(
    own_id: OwnId, slug: Slug, session: Transaction, clock: InjectedClock
) -> None:
    """Sessions that are booked already stay."""
    await coached_games.remove(session, own_id, slug, clock.now())


@router.get(
    "/v1/admin/coaches",
    summary="List applications",
    responses=problems(Forbidden, *READING),
)
async def list_applications(
    _: Admin,
    session: Transaction,
    keyset: PageQuery,
    verification: Verification | None = None,
) -> Page[CoachView]:
    """For admins: every coach, whoever may see it; the longest submitted first."""
    found = await directory.applications(session, verification, keyset)
    return keyset.page(found, lambda one: one.key, lambda one: view(one.profile))


@router.post(
    "/v1/admin/coaches/{id}/verify",
    summary="Verify an application",
    responses=problems(*CHANGING, NotFound, WrongStatus),
)
async def verify(
    id: UUID,  # noqa: A002 - the parameter's public name
    body: Approval,
    admin: Admin,
    session: Transaction,
    clock: InjectedClock,
) -> CoachView:
    """For admins. Only a submitted application; the decision and its notes are kept."""
    return view(
        await verification.verify(session, id, admin.id, body.notes, clock.now())
    )


@router.post(
    "/v1/admin/coaches/{id}/reject",
    summary="Reject an application",
    responses=problems(*CHANGING, NotFound, WrongStatus),
)
async def reject(
    id: UUID,  # noqa: A002 - the parameter's public name
    body: Rejection,
    admin: Admin,
    session: Transaction,
    clock: InjectedClock,
) -> CoachView:
    """For admins. Only a submitted application; the coach reads the notes as reason."""
    return view(
        await verification.reject(session, id, admin.id, body.notes, clock.now())
    )


def _sees_hidden(coach_id: UUID, caller: Caller | None) -> bool:
    return caller is not None and (caller.id == coach_id or "admin" in caller.roles)


def view(profile: Profile) -> CoachView:
    coach, user = profile.coach, profile.user
    return CoachView(
        id=coach.id,
        display_name=user.display_name,
        timezone=user.timezone,
        headline=coach.headline,
        bio=coach.bio,
        achievements=coach.achievements,
        experience_level=coach.experience_level,
        years_experience=coach.years_experience,
        hourly_rate=Money(amount=coach.hourly_rate, currency=coach.currency),
        group_rate=_money(coach.group_rate, coach),
        languages=coach.languages,
        specializations=coach.specializations,
        profile_video_url=coach.profile_video_url,
        status=coach.status,
        accepting_students=coach.accepting_students,
        verification=VerificationView(
            status=coach.verification, reason=coach.rejection_reason
        ),
        games=[_game_view(game, coach) for game in profile.games],
    )


def _game_view(game: CoachedGame, coach: Coach) -> CoachedGameView:
    return CoachedGameView(
        slug=game.game_slug,
        rank=game.rank,
        rank_proof_url=game.rank_proof_url,
        hourly_rate=_money(game.hourly_rate, coach),
        is_primary=game.is_primary,
        notes=game.notes,
    )


def _money(amount: int | None, coach: Coach) -> Money | None:
    return None if amount is None else Money(amount=amount, currency=coach.currency)
