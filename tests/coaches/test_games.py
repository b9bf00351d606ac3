import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.ids import new_id
from tests.coaches.given import GAME, Service, refused_fields
from tests.given import bearer


async def test_a_game_that_an_admin_adds_is_listed_for_anyone(
    service: Service,
) -> None:
    response = await service.http.post("/v1/games", json=GAME, headers=service.admin)

    assert response.status_code == 201
    assert response.headers["location"] == "/v1/games/chess"
    listed = (await service.http.get("/v1/games")).json()
    assert listed == {"items": [GAME], "next_cursor": None}


async def test_games_come_in_pages_by_slug(service: Service) -> None:
    for slug in ("go", "chess", "dota-2"):
        await service.a_game(slug=slug)

    first = (await service.http.get("/v1/games?limit=2")).json()
    second = (
        await service.http.get(f"/v1/games?limit=2&cursor={first['next_cursor']}")
    ).json()

    pages = [[game["slug"] for game in page["items"]] for page in (first, second)]
    assert pages == [["chess", "dota-2"], ["go"]]
    assert second["next_cursor"] is None


async def test_a_slug_belongs_to_one_game_however_many_add_it(
    service: Service,
) -> None:
    answers = await asyncio.gather(
        *(
            service.http.post("/v1/games", json=GAME, headers=service.admin)
            for _ in range(4)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["slug"] == "slug-taken"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Chess"}, "body.slug"),
        ({"slug": "a--b"}, "body.slug"),
        ({"name": "  "}, "body.name"),
        ({"ranks": []}, "body.ranks"),
        ({"ranks": ["Gold", "gold"]}, "body.ranks"),
        ({"ranks": [" "]}, "body.ranks.0"),
        ({"ranks": [f"R{n}" for n in range(101)]}, "body.ranks"),
        ({"more": 1}, "body.more"),
    ],
)
async def test_a_game_that_is_not_well_formed_is_refused(
    service: Service, change: dict[str, Any], field: str
) -> None:
    response = await service.http.post(
        "/v1/games", json={**GAME, **change}, headers=service.admin
    )

    assert refused_fields(response) == [field]


async def test_only_admins_change_games(service: Service) -> None:
    await service.a_game()

    for method, path in [("POST", "/v1/games"), ("PATCH", "/v1/games/chess")]:
        body = GAME if method == "POST" else {"name": "Schach"}
        anonymous = await service.http.request(method, path, json=body)
        coach = bearer(new_id(), "coach", "student")
        other = await service.http.request(method, path, json=body, headers=coach)
        assert (anonymous.status_code, other.status_code) == (401, 403)


async def test_ranks_can_be_added_reordered_and_removed(service: Service) -> None:
    await service.a_game()
    ranks = ["Master", "Grandmaster", "Novice"]

    response = await service.http.patch(
        "/v1/games/chess", json={"ranks": ranks}, headers=service.admin
    )

    assert response.status_code == 200
    assert response.json() == {**GAME, "ranks": ranks}
    assert (await service.http.get("/v1/games")).json()["items"] == [response.json()]


async def test_a_rename_keeps_the_ranks(service: Service) -> None:
    await service.a_game()

    response = await service.http.patch(
        "/v1/games/chess", json={"name": "Schach"}, headers=service.admin
    )

    assert response.json() == {**GAME, "name": "Schach"}


async def test_a_rank_that_a_coach_holds_stays(service: Service) -> None:
    await service.a_game()
    coach_id = await service.a_coach()
    await service.teach(coach_id, rank="Expert")

    response = await service.http.patch(
        "/v1/games/chess", json={"ranks": ["Novice"]}, headers=service.admin
    )

    assert response.status_code == 409
    assert response.json()["slug"] == "rank-in-use"
    assert response.json()["ranks"] == ["Expert"]
    assert (await service.http.get("/v1/games")).json()["items"] == [GAME]


async def test_the_database_itself_keeps_a_rank_that_a_coach_holds(
    service: Service,
) -> None:
    await service.a_game()
    await service.teach(await service.a_coach(), rank="Expert")

    with pytest.raises(DBAPIError, match="a_coach_holds_a_rank_of_the_game"):
        async with service.sessions.begin() as session:
            await session.exec(text("DELETE FROM ranks WHERE name = 'Expert'"))  # type: ignore[call-overload]


async def test_a_rank_is_never_taken_while_it_is_removed(service: Service) -> None:
    coaches = [await service.a_coach() for _ in range(4)]
    await service.a_game()

    removing, *taking = await asyncio.gather(
        service.http.patch(
            "/v1/games/chess", json={"ranks": ["Novice"]}, headers=service.admin
        ),
        *(service.teach(coach_id) for coach_id in coaches),
    )

    taken = [answer.status_code for answer in taking]
    if removing.status_code == 200:
        assert taken == [422] * 4
    else:
        assert removing.json()["slug"] == "rank-in-use"
        assert set(taken) <= {201, 422}
        assert 201 in taken


async def test_a_change_of_an_unknown_game_or_to_null_is_refused(
    service: Service,
) -> None:
    unknown = await service.http.patch(
        "/v1/games/chess", json={"name": "X"}, headers=service.admin
    )
    null = await service.http.patch(
        "/v1/games/chess", json={"name": None}, headers=service.admin
    )

    assert unknown.status_code == 404
    assert refused_fields(null) == ["body.name"]
