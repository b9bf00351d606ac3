import base64
import json
from typing import Any

import pytest
from sqlmodel import col, update

from services.coaches.models import Coach
from tests.coaches.given import Queries, Service, refused_fields, usd

YEN = {"amount": 3000, "currency": "JPY"}
EVERY_SORT = ["rating", "price", "-price", "sessions", "new"]


async def test_words_are_looked_for_in_name_headline_and_bio(service: Service) -> None:
    await service.a_coach("Ana", headline="Aim training", bio="100% calm")
    await service.a_coach("Bo", headline="Macro", bio="I teach aim_lab routines")
    await service.a_coach("Cid", headline="Drafting", bio="Picks, bans")

    assert await service.found(q="AIM", sort="new") == ["Bo", "Ana"]
    assert await service.found(q="aim macro") == ["Bo"]
    assert await service.found(q="cid") == ["Cid"]
    assert await service.found(q="100%") == ["Ana"]
    assert await service.found(q="aim_") == ["Bo"]
    assert await service.found(q="nothing") == []


async def test_a_change_is_found_at_once(service: Service) -> None:
    coach_id = await service.a_coach("Ana", headline="Aim training")

    await service.change(coach_id, headline="Macro")

    assert await service.found(q="macro") == ["Ana"]
    assert await service.found(q="aim") == []


async def test_coaches_are_found_by_game_and_rank(service: Service) -> None:
    await service.a_game()
    await service.a_game(slug="go")
    ana, bo = await service.a_coach("Ana"), await service.a_coach("Bo")
    await service.teach(ana, rank="Master")
    await service.teach(bo, rank="Expert")
    await service.teach(bo, "go", rank="Master")

    assert await service.found(game="chess", sort="new") == ["Bo", "Ana"]
    assert await service.found(game="chess", rank="Master") == ["Ana"]
    assert await service.found(game="go", rank="Expert") == []
    assert await service.found(game="checkers") == []


async def test_the_price_is_the_rate_for_the_game_or_else_the_base_rate(
    service: Service,
) -> None:
    await service.a_game()
    ana = await service.a_coach("Ana", hourly_rate=usd(3000))
    bo = await service.a_coach("Bo", hourly_rate=usd(4000))
    await service.teach(ana, hourly_rate=usd(9000))
    await service.teach(bo)

    assert await service.found(sort="price") == ["Ana", "Bo"]
    assert await service.found(sort="price", game="chess") == ["Bo", "Ana"]
    within = {"currency": "USD", "min_rate": 4000, "max_rate": 9000}
    assert await service.found(**within) == ["Bo"]
    assert await service.found(**within, game="chess", sort="-price") == ["Ana", "Bo"]


async def test_currencies_are_not_compared(service: Service) -> None:
    await service.a_coach("Ana", hourly_rate=usd(4000))
    await service.a_coach("Yui", hourly_rate=YEN)
    await service.a_coach("Bo", hourly_rate=usd(2000))

    assert await service.found(sort="price") == ["Yui", "Bo", "Ana"]
    assert await service.found(sort="-price") == ["Ana", "Bo", "Yui"]
    assert await service.found(currency="JPY") == ["Yui"]
    assert await service.found(currency="EUR") == []


async def test_coaches_are_found_by_experience_and_language(service: Service) -> None:
    await service.a_coach("Ana", languages=["en-GB", "fr"])
    await service.a_coach("Eno", languages=["eo"], experience_level="beginner")

    assert await service.found(experience="beginner") == ["Eno"]
    assert await service.found(language="en") == ["Ana"]
    assert await service.found(language="EN-gb") == ["Ana"]
    assert await service.found(language="fr") == ["Ana"]
    assert await service.found(language="en-US") == []
    assert await service.found(language="e" + "o") == ["Eno"]


async def test_few_reviews_rank_with_the_prior(service: Service) -> None:
    """(4.2 * 5 + sum) / (5 + n): 4.33 for one 5, 4.70 for eight, 4.2 for none."""
    reviews = {"Many": (8, 40), "One": (1, 5), "None": (0, 0), "Bad": (2, 4)}
    for name, (count, total) in reviews.items():
        coach_id = await service.a_coach(name)
        await _store(service, coach_id, rating_count=count, rating_sum=total)

    assert await service.found() == ["Many", "One", "None", "Bad"]


async def test_most_sessions_come_first(service: Service) -> None:
    for name, sessions in {"Ana": 2, "Bo": 10, "Cid": 0}.items():
        await _store(service, await service.a_coach(name), sessions_completed=sessions)

    assert await service.found(sort="sessions") == ["Bo", "Ana", "Cid"]


@pytest.mark.parametrize("game", [None, "chess"])
@pytest.mark.parametrize("sort", EVERY_SORT)
async def test_pages_show_every_coach_once_also_among_equals(
    service: Service, sort: str, game: str | None
) -> None:
    await service.a_game()
    for number in range(7):
        rate = YEN if number == 6 else usd(4000 + number // 3)
        coach_id = await service.a_coach(f"Coach {number}", hourly_rate=rate)
        await service.teach(coach_id)
        await _store(
            service,
            coach_id,
            rating_count=number // 2,
            rating_sum=number // 2 * 5,
            sessions_completed=number // 4,
        )
    asked = {"sort": sort} | ({"game": game} if game else {})
    whole = await service.found(**asked)

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (
            await service.http.get(
                "/v1/coaches", params={**asked, "limit": 2, **cursor}
            )
        ).json()
        seen += [coach["display_name"] for coach in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert seen == whole
    assert sorted(whole) == [f"Coach {number}" for number in range(7)]


async def test_a_page_costs_the_same_queries_however_many_coaches_it_shows(
    service: Service,
) -> None:
    await service.a_game()
    costs = []
    for _ in range(3):
        await service.teach(await service.a_coach())
        with Queries(service.sessions) as queries:
            await service.found(game="chess")
        costs.append(queries.count)

    assert costs == [2, 2, 2]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"rank": "Master"}, "query.game"),
        ({"min_rate": 1}, "query.currency"),
        ({"max_rate": 1}, "query.currency"),
        ({"max_rate": 2**31, "currency": "USD"}, "query.max_rate"),
        ({"min_rate": -1, "currency": "USD"}, "query.min_rate"),
        ({"currency": "usd"}, "query.currency"),
        ({"game": "Chess!"}, "query.game"),
        ({"experience": "expert"}, "query.experience"),
        ({"language": "english"}, "query.language"),
        ({"sort": "-rating"}, "query.sort"),
        ({"q": "a\x00"}, "query.q"),
        ({"free_from": "2026-06-20T10:00:00Z"}, "query.free_from"),
        ({"free_to": "2026-06-20T10:00:00Z"}, "query.free_to"),
        ({"limit": 0}, "query.limit"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    service: Service, params: dict[str, Any], field: str
) -> None:
    response = await service.http.get("/v1/coaches", params=params)

    assert refused_fields(response) == [field]


FORGED: list[list[Any]] = [
    [],
    [1],
    ["x", "y"],
    [1e999, "018f0000-0000-7000-8000-000000000000"],
    [10**400, None],
    ["99999999999", "018f0000-0000-7000-8000-000000000000"],
    ["2026-06-15T12:00:00", "018f0000-0000-7000-8000-000000000000"],
    ["9999-12-31T23:59:59-23:59", "018f0000-0000-7000-8000-000000000000"],
    ["0001-01-01T00:00:00+23:59", "018f0000-0000-7000-8000-000000000000"],
    ["\x00", "1", "018f0000-0000-7000-8000-000000000000"],
    ["USD", 10**12, "018f0000-0000-7000-8000-000000000000"],
    ["USD", 1, "018f0000-0000-7000-8000-000000000000"],
]


@pytest.mark.parametrize("sort", EVERY_SORT)
async def test_a_cursor_of_one_s_own_making_breaks_nothing(
    service: Service, sort: str
) -> None:
    statuses = []
    for parts in FORGED:
        cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
        response = await service.http.get(
            "/v1/coaches", params={"sort": sort, "cursor": cursor}
        )
        statuses.append(response.status_code)
        if response.status_code != 200:
            assert refused_fields(response) == ["query.cursor"]

    assert statuses.count(422) >= 8


async def _store(service: Service, coach_id: object, **values: int) -> None:
    async with service.sessions.begin() as session:
        await session.exec(
            update(Coach).where(col(Coach.id) == coach_id).values(**values)
        )
