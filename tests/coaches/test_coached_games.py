import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.ids import new_id
from tests.coaches.given import Service, refused_fields, usd
from tests.given import bearer


async def test_a_game_is_taught_and_told(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()

    response = await service.teach(
        coach_id,
        rank_proof_url="https://proof.example/kim",
        hourly_rate=usd(6000),
        is_primary=True,
        notes="White only",
    )

    assert response.status_code == 201, response.text
    assert response.json() == {
        "slug": "chess",
        "rank": "Master",
        "rank_proof_url": "https://proof.example/kim",
        "hourly_rate": usd(6000),
        "is_primary": True,
        "notes": "White only",
    }
    seen = (await service.http.get(f"/v1/coaches/{coach_id}")).json()
    assert seen["games"] == [response.json()]
    told = (await service.told(coach_id))[-1]
    assert [game.model_dump() for game in told.games] == [
        {"slug": "chess", "hourly_rate": 6000}
    ]


async def test_putting_again_replaces_all_of_it(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()
    await service.teach(coach_id, hourly_rate=usd(6000), notes="White only")

    response = await service.teach(coach_id, rank="Expert")

    assert response.status_code == 200
    assert response.json()["rank"] == "Expert"
    assert response.json()["hourly_rate"] is None
    assert response.json()["notes"] == ""
    assert [each.version for each in await service.told(coach_id)] == [1, 2, 3, 4]


async def test_one_game_is_primary_whoever_asks_at_once(service: Service) -> None:
    slugs = ["chess", "go", "dota-2"]
    for slug in slugs:
        await service.a_game(slug=slug)
    coach_id = await service.a_coach()

    answers = await asyncio.gather(
        *(service.teach(coach_id, slug, is_primary=True) for slug in slugs * 2)
    )

    assert {answer.status_code for answer in answers} == {200, 201}
    games = (await service.http.get(f"/v1/coaches/{coach_id}")).json()["games"]
    assert [game["is_primary"] for game in games] == [True, False, False]


async def test_the_database_itself_keeps_one_primary_game(service: Service) -> None:
    coach_id = await service.a_coach()
    for slug in ("chess", "go"):
        await service.a_game(slug=slug)
        await service.teach(coach_id, slug)

    with pytest.raises(IntegrityError, match="a_coach_has_one_primary_game"):
        async with service.sessions.begin() as session:
            await session.exec(text("UPDATE coached_games SET is_primary = true"))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rank": "Gold"}, "body.rank"),
        ({"hourly_rate": usd(10)}, "body.hourly_rate.amount"),
        (
            {"hourly_rate": {"amount": 4000, "currency": "EUR"}},
            "body.hourly_rate.currency",
        ),
        ({"rank_proof_url": "ftp://proof.example"}, "body.rank_proof_url"),
        ({"is_primary": "yes"}, "body.is_primary"),
    ],
)
async def test_a_game_that_cannot_be_taught_so_is_refused(
    service: Service, body: dict[str, Any], field: str
) -> None:
    await service.a_game()
    coach_id = await service.a_coach()

    assert refused_fields(await service.teach(coach_id, **body)) == [field]


async def test_a_game_is_dropped_once(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()
    await service.teach(coach_id)
    path = f"/v1/coaches/{coach_id}/games/chess"

    first = await service.http.delete(path, headers=bearer(coach_id))
    second = await service.http.delete(path, headers=bearer(coach_id))

    assert (first.status_code, second.status_code) == (204, 404)
    seen = (await service.http.get(f"/v1/coaches/{coach_id}")).json()
    assert seen["games"] == []
    assert (await service.told(coach_id))[-1].games == []


async def test_games_are_those_of_their_coach_alone(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()
    await service.teach(coach_id)
    path = f"/v1/coaches/{coach_id}/games/chess"
    stranger = bearer(new_id(), "coach")

    for method, body in [("PUT", {"rank": "Novice"}), ("DELETE", None)]:
        anonymous = await service.http.request(method, path, json=body)
        other = await service.http.request(method, path, json=body, headers=stranger)
        assert (anonymous.status_code, other.status_code) == (401, 403)
    user_id = new_id()
    assert (await service.teach(user_id)).status_code == 404
    assert (await service.teach(coach_id, "checkers")).status_code == 404
