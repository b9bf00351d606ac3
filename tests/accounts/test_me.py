from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from faststream.rabbit import TestRabbitBroker

from services.accounts.app import make_admin
from shared.broker import events_exchange
from shared.contracts.accounts import (
    EmailVerificationRequestedV1,
    PasswordResetRequestedV1,
    UserChangedV1,
)
from shared.contracts.coaches import ProfileChangedV1
from shared.db import Sessions
from shared.ids import new_id
from tests.accounts.given import authorization, login, registered, signed_in
from tests.given import NOW, published


async def changes_told(sessions: Sessions) -> list[UserChangedV1]:
    return [
        each for each in await published(sessions) if isinstance(each, UserChangedV1)
    ]


async def test_a_change_is_stored_and_told_as_a_new_version(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    headers = authorization(await signed_in(client))

    response = await client.patch(
        "/v1/me",
        json={"display_name": "Kim S.", "timezone": "Asia/Seoul"},
        headers=headers,
    )

    assert response.status_code == 200
    assert response.json()["display_name"] == "Kim S."
    [told] = await changes_told(sessions)
    assert (told.version, told.display_name, told.timezone) == (
        2,
        "Kim S.",
        "Asia/Seoul",
    )


async def test_a_change_that_changes_nothing_is_not_told(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    headers = authorization(await signed_in(client))

    await client.patch("/v1/me", json={"display_name": "Kim"}, headers=headers)

    assert await changes_told(sessions) == []


@pytest.mark.parametrize(
    "body", [{"email": "a@example.com"}, {"roles": ["admin"]}, {"timezone": "Mars"}]
)
async def test_what_cannot_be_changed_is_refused(
    client: httpx2.AsyncClient, body: dict[str, object]
) -> None:
    await registered(client)
    headers = authorization(await signed_in(client))

    response = await client.patch("/v1/me", json=body, headers=headers)

    assert response.status_code == 422


async def test_nobody_changes_nothing(client: httpx2.AsyncClient) -> None:
    assert (await client.patch("/v1/me", json={})).status_code == 401


async def test_the_mailed_token_verifies_the_address_once(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    _, mail = await published(sessions)
    assert isinstance(mail, EmailVerificationRequestedV1)
    body = {"token": mail.token}

    answers = [await client.post("/v1/auth/verify-email", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 422]
    assert answers[1].json()["slug"] == "bad-token"
    me = await client.get("/v1/me", headers=authorization(await signed_in(client)))
    assert me.json()["email_verified"] is True
    assert [told.email_verified for told in await changes_told(sessions)] == [True]


async def test_a_reset_sets_the_password_and_closes_all_sessions(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    tokens = await signed_in(client)
    await client.post("/v1/auth/password-reset", json={"email": "KIM@example.com"})
    mail = (await published(sessions))[-1]
    assert isinstance(mail, PasswordResetRequestedV1)

    body = {"token": mail.token, "password": "a new password"}
    confirmed = await client.post("/v1/auth/password-reset/confirm", json=body)
    again = await client.post("/v1/auth/password-reset/confirm", json=body)

    assert (confirmed.status_code, again.status_code) == (204, 422)
    assert (await login(client)).status_code == 401
    assert (await login(client, "a new password")).status_code == 200
    refreshed = await client.post(
        "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    assert refreshed.status_code == 401


async def test_asking_for_a_reset_does_not_tell_whether_there_is_a_user(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    told = len(await published(sessions))

    unknown = await client.post(
        "/v1/auth/password-reset", json={"email": "nobody@example.com"}
    )
    known = await client.post(
        "/v1/auth/password-reset", json={"email": "kim@example.com"}
    )

    assert unknown.status_code == known.status_code == 202
    assert unknown.content == known.content == b""
    assert len(await published(sessions)) == told + 1


async def test_resets_are_throttled_whether_or_not_there_is_a_user(
    client: httpx2.AsyncClient,
) -> None:
    body = {"email": "nobody@example.com"}
    answers = [
        await client.post("/v1/auth/password-reset", json=body) for _ in range(4)
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]


async def test_a_verification_token_does_not_reset_a_password(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    _, mail = await published(sessions)
    assert isinstance(mail, EmailVerificationRequestedV1)

    response = await client.post(
        "/v1/auth/password-reset/confirm",
        json={"token": mail.token, "password": "a new password"},
    )

    assert response.status_code == 422


async def test_the_command_makes_an_admin_once(
    client: httpx2.AsyncClient, app: FastAPI, sessions: Sessions
) -> None:
    await registered(client)
    settings = app.state.settings

    said = [await make_admin(settings, "kim@EXAMPLE.com") for _ in range(2)]

    assert said == [
        "kim@EXAMPLE.com is an admin now",
        "kim@EXAMPLE.com is an admin already",
    ]
    assert [told.roles for told in await changes_told(sessions)] == [
        ["student", "admin"]
    ]
    with pytest.raises(SystemExit, match="nobody"):
        await make_admin(settings, "nobody@example.com")


async def test_who_applies_becomes_a_coach_once(
    client: httpx2.AsyncClient, app: FastAPI, sessions: Sessions
) -> None:
    user = await registered(client)

    async with TestRabbitBroker(app.state.parts.broker) as broker:
        for coach_id, version in (
            (UUID(user["id"]), 1),
            (UUID(user["id"]), 2),
            (new_id(), 1),
        ):
            event = ProfileChangedV1(
                occurred_at=NOW,
                coach_id=coach_id,
                version=version,
                display_name="Kim",
                verified=False,
                listed=False,
                accepting=True,
                currency="EUR",
                hourly_rate=4500,
                group_rate=None,
                games=[],
            )
            await broker.publish(
                event, exchange=events_exchange(), routing_key=event.name
            )

    assert [told.roles for told in await changes_told(sessions)] == [
        ["student", "coach"]
    ]
