import asyncio

import httpx2
import pytest

from shared.contracts.accounts import EmailVerificationRequestedV1, UserRegisteredV1
from shared.db import Sessions
from tests.accounts.given import KIM, registered
from tests.given import NOW, published


async def test_a_registered_user_is_answered_and_told_to_everybody(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    response = await client.post("/v1/auth/register", json=KIM)

    user = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/me"
    assert user == {
        "id": user["id"],
        "email": "Kim@example.com",
        "email_verified": False,
        "display_name": "Kim",
        "timezone": "Europe/Berlin",
        "locale": "en",
        "roles": ["student"],
        "created_at": "2026-06-15T12:00:00Z",
    }
    told, mail = await published(sessions)
    assert isinstance(told, UserRegisteredV1)
    assert (str(told.user_id), told.version, told.roles) == (user["id"], 1, ["student"])
    assert isinstance(mail, EmailVerificationRequestedV1)
    assert mail.email == "Kim@example.com"
    assert mail.occurred_at == NOW


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "kim"}, "email"),
        ({"email": "kim@localhost"}, "email"),
        ({"email": "k" * 250 + "@example.com"}, "email"),
        ({"email": "kim\x00@example.com"}, "email"),
        ({"password": "too short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"display_name": "  "}, "display_name"),
        ({"display_name": "x" * 81}, "display_name"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"locale": "klingon"}, "locale"),
        ({"locale": "en_US"}, "locale"),
        ({"roles": []}, "roles"),
        ({"roles": ["admin"]}, "roles.0"),
        ({"roles": ["student", "student"]}, "roles"),
        ({"id": "mine"}, "id"),
    ],
)
async def test_a_bad_registration_names_the_field(
    client: httpx2.AsyncClient, change: dict[str, object], field: str
) -> None:
    response = await client.post("/v1/auth/register", json={**KIM, **change})

    assert response.status_code == 422, response.text
    assert f"body.{field}" in [each["field"] for each in response.json()["errors"]]
    assert "correct horse" not in response.text


async def test_an_address_belongs_to_one_user_whatever_its_case(
    client: httpx2.AsyncClient,
) -> None:
    await registered(client)

    response = await client.post(
        "/v1/auth/register", json={**KIM, "email": "KIM@example.COM"}
    )

    assert response.status_code == 409
    assert response.json()["slug"] == "email-taken"


async def test_of_many_who_take_one_address_at_once_one_gets_it(
    client: httpx2.AsyncClient,
) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/auth/register", json=KIM) for _ in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_registrations_from_one_place_are_throttled(
    client: httpx2.AsyncClient,
) -> None:
    answers = [
        await client.post(
            "/v1/auth/register",
            json={**KIM, "email": f"kim{n}@example.com"},
            headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"},
        )
        for n in range(21)
    ]
    elsewhere = await client.post("/v1/auth/register", json=KIM)

    assert [answer.status_code for answer in answers] == [201] * 20 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 901
    assert answers[-1].json()["slug"] == "too-many-requests"
    assert elsewhere.status_code == 201


async def test_a_registration_sent_twice_with_its_key_is_one(
    client: httpx2.AsyncClient,
) -> None:
    answers = [
        await client.post(
            "/v1/auth/register", json=KIM, headers={"Idempotency-Key": "k"}
        )
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
