import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from faststream.rabbit import RabbitBroker
from sqlmodel import col, update

from services.accounts.app import create_app
from services.accounts.clients import Signer, new_signing_key
from services.accounts.models import Attempt, RefreshToken, User
from shared import db
from shared.db import Sessions
from tests.accounts.conftest import Database, settings_for
from tests.accounts.given import authorization, login, registered, signed_in
from tests.given import bearer


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.post("/v1/auth/refresh", json={"refresh_token": token})


async def age(sessions: Sessions, seconds: float) -> None:
    """Make every use of a refresh token look that much older."""
    async with sessions.begin() as session:
        used = datetime.now(UTC) - timedelta(seconds=seconds)
        used_tokens = col(RefreshToken.used_at).is_not(None)
        await session.exec(update(RefreshToken).where(used_tokens).values(used_at=used))


async def test_who_signs_in_gets_tokens_that_open_their_own_data(
    client: httpx2.AsyncClient,
) -> None:
    user = await registered(client)

    tokens = await signed_in(client)
    me = await client.get("/v1/me", headers=authorization(tokens))

    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    assert me.json() == user


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    client: httpx2.AsyncClient,
) -> None:
    await registered(client)

    wrong = await login(client, "wrong password")
    unknown = await login(client, email="nobody@example.com")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["slug"] == "bad-credentials"
    assert wrong.headers["www-authenticate"] == "Bearer"


async def test_five_failures_close_the_address_also_for_the_right_password(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    failures = await asyncio.gather(*(login(client, f"wrong {n}") for n in range(9)))

    assert sorted(answer.status_code for answer in failures) == [401] * 5 + [429] * 4
    closed = await login(client)
    assert closed.status_code == 429
    assert int(closed.headers["retry-after"]) > 0

    async with sessions.begin() as session:
        past = datetime.now(UTC) - timedelta(minutes=16)
        await session.exec(update(Attempt).values(at=past))
    assert (await login(client)).status_code == 200


async def test_a_success_forgives_the_failures_before_it(
    client: httpx2.AsyncClient,
) -> None:
    await registered(client)
    for _ in range(3):
        for _ in range(4):
            await login(client, "wrong")
        assert (await login(client)).status_code == 200


async def test_failures_from_one_place_are_throttled_over_all_addresses(
    client: httpx2.AsyncClient,
) -> None:
    answers = [
        (await login(client, email=f"nobody{n}@example.com")).status_code
        for n in range(21)
    ]

    assert answers == [401] * 20 + [429]


async def test_a_suspended_user_neither_signs_in_nor_stays(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    tokens = await signed_in(client)
    async with sessions.begin() as session:
        await session.exec(update(User).values(suspended=True))

    for answer in (await login(client), await refresh(client, tokens["refresh_token"])):
        assert answer.status_code == 403
        assert answer.json()["slug"] == "suspended"


async def test_a_refresh_token_rotates(client: httpx2.AsyncClient) -> None:
    await registered(client)
    first = await signed_in(client)

    second = (await refresh(client, first["refresh_token"])).json()
    third = await refresh(client, second["refresh_token"])

    assert first["refresh_token"] != second["refresh_token"]
    assert third.status_code == 200


async def test_parallel_tabs_all_stay_signed_in(client: httpx2.AsyncClient) -> None:
    await registered(client)
    tokens = await signed_in(client)

    answers = await asyncio.gather(
        *(refresh(client, tokens["refresh_token"]) for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {200}


async def test_a_token_used_again_after_the_grace_closes_its_family_only(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    elsewhere = await signed_in(client)
    stolen = await signed_in(client)
    rotated = (await refresh(client, stolen["refresh_token"])).json()
    await age(sessions, 11)

    reused = await refresh(client, stolen["refresh_token"])
    child = await refresh(client, rotated["refresh_token"])

    assert (reused.status_code, reused.json()["slug"]) == (401, "token-reused")
    assert (child.status_code, child.json()["slug"]) == (401, "bad-refresh-token")
    assert (await refresh(client, elsewhere["refresh_token"])).status_code == 200


async def test_a_refresh_token_runs_out_after_thirty_days(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    tokens = await signed_in(client)
    async with sessions.begin() as session:
        await session.exec(update(RefreshToken).values(expires_at=datetime.now(UTC)))

    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_an_unknown_refresh_token_is_refused(client: httpx2.AsyncClient) -> None:
    assert (await refresh(client, "made-up")).status_code == 401


async def test_signing_out_twice_closes_the_family_once_and_is_fine(
    client: httpx2.AsyncClient,
) -> None:
    await registered(client)
    tokens = await signed_in(client)
    body = {"refresh_token": tokens["refresh_token"]}

    answers = [await client.post("/v1/auth/logout", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_logging_out_with_an_unknown_token_is_fine(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post("/v1/auth/logout", json={"refresh_token": "made-up"})

    assert response.status_code == 204


async def test_no_token_is_stored_in_the_clear(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    tokens = await signed_in(client)

    async with sessions() as session:
        connection = await session.connection()
        dump = await connection.exec_driver_sql(
            "SELECT refresh_tokens::text FROM refresh_tokens"
        )
        assert tokens["refresh_token"] not in "".join(dump.scalars())


async def test_tokens_of_the_old_key_hold_while_both_keys_are_published(
    database: Database,
) -> None:
    old, new = new_signing_key(), new_signing_key()
    settings = settings_for(await database("accounts"), signing_keys=[new, old])
    rotated = create_app(settings, broker=RabbitBroker())
    user_id = UUID(int=1)
    token = Signer([old]).access_token(user_id, ["student"], datetime.now(UTC))
    transport = httpx2.ASGITransport(rotated)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test"
    ) as client:
        keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
        caller = await rotated.state.verifier.verify(token)

    assert [key["kid"] for key in keys] == [new["kid"], old["kid"]]
    assert all("d" not in key and key["alg"] == "ES256" for key in keys)
    assert caller.id == user_id
    await db.engine_of(rotated.state.sessions).dispose()


@pytest.mark.parametrize("path", ["/v1/auth/login", "/v1/auth/refresh"])
async def test_a_body_without_its_fields_is_refused(
    client: httpx2.AsyncClient, path: str
) -> None:
    response = await client.post(path, json={})

    assert response.status_code == 422


async def test_a_token_of_somebody_else_opens_nothing(
    client: httpx2.AsyncClient,
) -> None:
    await registered(client)

    forged = await client.get("/v1/me", headers=bearer(UUID(int=1), "admin"))
    nobody = await client.get("/v1/me")

    assert forged.status_code == nobody.status_code == 401
