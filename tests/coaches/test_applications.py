import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from services.coaches.models import Decision
from shared.ids import new_id
from tests.coaches.given import Service, an_application, refused_fields, usd
from tests.given import bearer


async def test_an_application_is_submitted_and_told(service: Service) -> None:
    user_id = new_id()
    await service.hear_user(user_id)

    response = await service.http.post(
        "/v1/coaches",
        json=an_application(
            group_rate=usd(2000),
            languages=["en", "zh-hant-tw"],
            specializations=["Endgames"],
            profile_video_url="https://video.example/kim",
        ),
        headers=bearer(user_id, "student"),
    )

    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/coaches/{user_id}"
    assert response.json() == {
        "id": str(user_id),
        "display_name": "Kim",
        "timezone": "Europe/Berlin",
        **an_application(),
        "group_rate": usd(2000),
        "languages": ["en", "zh-Hant-TW"],
        "specializations": ["Endgames"],
        "profile_video_url": "https://video.example/kim",
        "status": "active",
        "accepting_students": True,
        "verification": {"status": "submitted", "reason": None},
        "games": [],
        "packages": [],
        "stats": {},
    }
    [told] = await service.told(user_id)
    assert (told.version, told.display_name) == (1, "Kim")
    assert (told.verified, told.listed, told.accepting) == (False, False, True)
    assert (told.currency, told.hourly_rate, told.group_rate) == ("USD", 4500, 2000)


async def test_a_user_applies_once_however_often_it_is_sent(service: Service) -> None:
    user_id = new_id()
    await service.hear_user(user_id)

    answers = await asyncio.gather(
        *(
            service.http.post(
                "/v1/coaches", json=an_application(), headers=bearer(user_id)
            )
            for _ in range(4)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["slug"] == "already-applied"
    assert len(await service.told(user_id)) == 1


async def test_the_same_request_with_a_key_is_answered_the_same(
    service: Service,
) -> None:
    headers = bearer(new_id()) | {"Idempotency-Key": "apply"}

    answers = [
        await service.http.post("/v1/coaches", json=an_application(), headers=headers)
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["location"] == answers[1].headers["location"]


async def test_nobody_applies_without_signing_in(service: Service) -> None:
    response = await service.http.post("/v1/coaches", json=an_application())

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"headline": " "}, "body.headline"),
        ({"bio": " "}, "body.bio"),
        ({"experience_level": "expert"}, "body.experience_level"),
        ({"years_experience": -1}, "body.years_experience"),
        ({"years_experience": "6"}, "body.years_experience"),
        ({"hourly_rate": 4500}, "body.hourly_rate"),
        ({"hourly_rate": usd(-1)}, "body.hourly_rate.amount"),
        ({"hourly_rate": usd(197)}, "body.hourly_rate.amount"),
        (
            {"hourly_rate": {"amount": 4500, "currency": "XXX"}},
            "body.hourly_rate.currency",
        ),
        (
            {"group_rate": {"amount": 4500, "currency": "EUR"}},
            "body.group_rate.currency",
        ),
        ({"group_rate": usd(100)}, "body.group_rate.amount"),
        ({"languages": []}, "body.languages"),
        ({"languages": ["en", "EN"]}, "body.languages"),
        ({"languages": ["english"]}, "body.languages.0"),
        ({"languages": ["en-XX"]}, "body.languages.0"),
        ({"languages": ["x"]}, "body.languages.0"),
        ({"specializations": ["a", "A"]}, "body.specializations"),
        ({"profile_video_url": "http://video.example"}, "body.profile_video_url"),
        ({"status": "paused"}, "body.status"),
        ({"accepting_students": 1}, "body.accepting_students"),
        ({"verification": "verified"}, "body.verification"),
        ({"bio": "a\x00b"}, "body.bio"),
    ],
)
async def test_an_application_that_cannot_be_is_refused(
    service: Service, change: dict[str, Any], field: str
) -> None:
    response = await service.http.post(
        "/v1/coaches", json=an_application(**change), headers=bearer(new_id())
    )

    assert refused_fields(response) == [field]


@pytest.mark.parametrize(
    "rate",
    [
        {"amount": 0, "currency": "USD"},
        {"amount": 200, "currency": "JPY"},
        {"amount": 12_000, "currency": "KWD"},
    ],
)
async def test_free_coaching_and_currencies_of_other_decimals_are_possible(
    service: Service, rate: dict[str, Any]
) -> None:
    response = await service.http.post(
        "/v1/coaches",
        json=an_application(hourly_rate=rate),
        headers=bearer(new_id()),
    )

    assert response.status_code == 201
    assert response.json()["hourly_rate"] == rate


async def test_a_verified_application_is_public_listed_and_told(
    service: Service,
) -> None:
    coach_id = await service.an_applicant()

    response = await service.decide(coach_id, "verify", notes="")

    assert response.status_code == 200
    assert response.json()["verification"] == {"status": "verified", "reason": None}
    assert (await service.http.get(f"/v1/coaches/{coach_id}")).status_code == 200
    assert await service.found() == ["Kim"]
    told = await service.told(coach_id)
    assert [(each.version, each.verified, each.listed) for each in told] == [
        (1, False, False),
        (2, True, True),
    ]


async def test_only_the_coach_and_admins_read_why_an_application_was_rejected(
    service: Service,
) -> None:
    coach_id = await service.an_applicant()
    await service.decide(coach_id, "reject", notes="The proof is missing.")
    path = f"/v1/coaches/{coach_id}"

    for reader in (bearer(coach_id), service.admin):
        seen = (await service.http.get(path, headers=reader)).json()
        assert seen["verification"] == {
            "status": "rejected",
            "reason": "The proof is missing.",
        }
    assert (await service.http.get(path)).status_code == 404
    assert (await service.http.get(path, headers=bearer(new_id()))).status_code == 404


async def test_a_rejected_coach_edits_a_draft_and_applies_again(
    service: Service,
) -> None:
    coach_id = await service.an_applicant(group_rate=usd(2000))
    await service.decide(coach_id, "reject", notes="Tell more.")

    draft = await service.change(coach_id, bio="Much more.")
    again = await service.http.post(
        "/v1/coaches", json=an_application(bio="All of it."), headers=bearer(coach_id)
    )

    assert draft.json()["verification"] == {"status": "draft", "reason": "Tell more."}
    assert (await service.decide(coach_id, "reject")).status_code == 200
    assert again.status_code == 201
    assert again.json()["bio"] == "All of it."
    assert again.json()["group_rate"] is None
    assert again.json()["verification"] == {"status": "submitted", "reason": None}


async def test_a_draft_waits_for_its_coach_and_not_for_an_admin(
    service: Service,
) -> None:
    coach_id = await service.an_applicant()
    await service.decide(coach_id, "reject")
    await service.change(coach_id, bio="Better.")

    response = await service.decide(coach_id, "verify")

    assert response.status_code == 409
    assert response.json()["verification"] == "draft"


async def test_an_application_is_decided_once(service: Service) -> None:
    coach_id = await service.an_applicant()

    answers = await asyncio.gather(
        *(service.decide(coach_id, verb) for verb in ("verify", "reject") * 2)
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["slug"] == "wrong-status"
    async with service.sessions() as session:
        [decision] = (await session.exec(select(Decision))).all()
    assert (decision.coach_id, decision.notes) == (coach_id, "Seen.")
    assert decision.decided_at == service.clock.now()


@pytest.mark.parametrize(
    "statement", ["UPDATE decisions SET notes = ''", "DELETE FROM decisions"]
)
async def test_a_decision_cannot_be_edited(service: Service, statement: str) -> None:
    await service.a_coach()

    with pytest.raises(DBAPIError, match="append-only"):
        async with service.sessions.begin() as session:
            await session.exec(text(statement))  # type: ignore[call-overload]


async def test_admins_list_applications_by_what_became_of_them(
    service: Service,
) -> None:
    for name in ("Ana", "Bo", "Cid"):
        await service.an_applicant(name)
        service.clock.advance(minutes=1)
    await service.a_coach("Dee")

    async def names(**params: str | int) -> tuple[list[str], str | None]:
        page = (
            await service.http.get(
                "/v1/admin/coaches", params=params, headers=service.admin
            )
        ).json()
        names = [coach["display_name"] for coach in page["items"]]
        return names, page["next_cursor"]

    first, cursor = await names(verification="submitted", limit=2)
    assert first == ["Ana", "Bo"]
    assert cursor is not None
    second = await names(verification="submitted", limit=2, cursor=cursor)
    assert second == (["Cid"], None)
    assert await names() == (["Ana", "Bo", "Cid", "Dee"], None)
    assert await names(verification="verified") == (["Dee"], None)


async def test_only_admins_list_applications(service: Service) -> None:
    path = "/v1/admin/coaches"

    assert (await service.http.get(path)).status_code == 401
    coach = bearer(new_id(), "coach")
    assert (await service.http.get(path, headers=coach)).status_code == 403


async def test_only_admins_decide_and_a_rejection_needs_a_reason(
    service: Service,
) -> None:
    coach_id = await service.an_applicant()

    for verb in ("verify", "reject"):
        path = f"/v1/admin/coaches/{coach_id}/{verb}"
        body = {"notes": "x"}
        assert (await service.http.post(path, json=body)).status_code == 401
        own = await service.http.post(path, json=body, headers=bearer(coach_id))
        assert own.status_code == 403
        unknown = await service.decide(new_id(), verb)
        assert unknown.status_code == 404
    blank = await service.decide(coach_id, "reject", notes="  ")
    assert refused_fields(blank) == ["body.notes"]
