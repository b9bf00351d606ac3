"""What somebody tries who wants into another's account, or all of us out of ours."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlmodel import col, select

from services.accounts import events
from services.accounts.actions import sign_in, users
from services.accounts.domain import Role, Rotation
from services.accounts.models import RefreshToken, User
from shared.contracts.accounts import PasswordResetRequestedV1
from shared.db import Sessions
from tests.accounts.given import KIM, authorization, login, registered, signed_in
from tests.booking.given import a_profile
from tests.given import NOW, published

NEW = "another horse"


async def mailed(client: httpx2.AsyncClient, sessions: Sessions) -> list[str]:
    """Asks for a reset; the tokens of all mails so far."""
    asked = await client.post(
        "/v1/auth/password-reset", json={"email": "kim@example.com"}
    )
    assert asked.status_code == 202
    heard = await published(sessions)
    return [one.token for one in heard if isinstance(one, PasswordResetRequestedV1)]


async def reset(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    body = {"token": token, "password": NEW}
    return await client.post("/v1/auth/password-reset/confirm", json=body)


async def logout(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.post("/v1/auth/logout", json={"refresh_token": token})


@pytest.mark.parametrize("way", ["reset", "logout"])
async def test_a_token_renewed_at_the_same_moment_does_not_outlive_its_session(
    client: httpx2.AsyncClient, app: FastAPI, sessions: Sessions, way: str
) -> None:
    await registered(client)
    token = (await signed_in(client))["refresh_token"]
    [mail] = await mailed(client, sessions)
    now = datetime.now(UTC)

    async with sessions.begin() as session:
        verdict, old = await sign_in.present(session, token, now)
        assert verdict is Rotation.ROTATE
        assert old is not None
        user = await users.get(session, old.user_id)
        signer = app.state.signer
        await sign_in.issue_tokens(session, signer, user, now, old.family)
        closing = asyncio.create_task(
            reset(client, mail) if way == "reset" else logout(client, token)
        )
        await asyncio.sleep(0.3)

    assert (await closing).status_code == 204
    async with sessions() as session:
        alive = select(RefreshToken).where(col(RefreshToken.revoked_at).is_(None))
        assert (await session.exec(alive)).all() == []


async def test_who_signs_in_while_the_password_is_reset_does_not_get_in(
    client: httpx2.AsyncClient,
    app: FastAPI,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await registered(client)
    [mail] = await mailed(client, sessions)
    verify = app.state.passwords.verify

    async def slowly(*given: Any) -> bool:
        matches: bool = await verify(*given)
        assert (await reset(client, mail)).status_code == 204
        return matches

    monkeypatch.setattr(app.state.passwords, "verify", slowly)

    assert (await login(client)).status_code == 401


async def test_a_reset_spends_the_other_mails_too(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    await registered(client)
    await mailed(client, sessions)
    first, second = await mailed(client, sessions)

    assert (await reset(client, second)).status_code == 204
    refused = await reset(client, first)

    assert refused.status_code == 422
    assert refused.json()["slug"] == "bad-token"
    assert [each["field"] for each in refused.json()["errors"]] == ["body.token"]


async def test_asking_whether_addresses_are_taken_is_throttled(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    await registered(client)
    limit = app.state.settings.registrations_per_address

    answers = [
        (await client.post("/v1/auth/register", json=KIM)).status_code
        for _ in range(limit)
    ]

    assert answers == [409] * (limit - 1) + [429]


async def test_neighbours_of_one_ipv6_customer_count_as_one_place(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    limit = app.state.settings.failures_per_address

    answers = []
    for n in range(limit + 1):
        answer = await client.post(
            "/v1/auth/login",
            json={"email": f"user{n}@example.com", "password": "guess"},
            headers={"X-Forwarded-For": f"2001:db8:1:2:{n:x}::1"},
        )
        answers.append(answer.status_code)

    assert answers == [401] * limit + [429]


async def test_parallel_guesses_from_one_place_do_not_slip_past_its_limit(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    limit = app.state.settings.failures_per_address

    answers = await asyncio.gather(
        *(login(client, "guess", f"user{n}@example.com") for n in range(limit + 5))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * limit + [429] * 5


async def test_a_place_at_its_limit_cannot_close_the_accounts_of_others(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    await registered(client)
    limit = app.state.settings.failures_per_address
    for n in range(limit):
        await login(client, "guess", f"user{n}@example.com")

    for _ in range(6):
        assert (await login(client, "guess")).status_code == 429
    body = {"email": "kim@example.com", "password": KIM["password"]}
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    answer = await client.post("/v1/auth/login", json=body, headers=elsewhere)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["register", "password-reset/confirm"])
async def test_waiting_for_a_hash_keeps_no_connection_from_others(
    client: httpx2.AsyncClient, app: FastAPI, sessions: Sessions, path: str
) -> None:
    await registered(client)
    tokens = await signed_in(client)
    [mail] = await mailed(client, sessions)
    body: dict[str, Any] = {"token": mail, "password": NEW}
    if path == "register":
        body = {**KIM, "email": "lee@example.com"}
    keyed = {"Idempotency-Key": "k"}
    pool = sessions.kw["bind"].sync_engine.pool

    turns = app.state.passwords._turns
    async with turns, turns:
        waiting = asyncio.create_task(
            client.post(f"/v1/auth/{path}", json=body, headers=keyed)
        )
        async with asyncio.timeout(10):
            while not turns._waiters:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.01)
        assert pool.checkedout() == 0
        me = await client.get("/v1/me", headers=authorization(tokens))

    assert me.status_code == 200
    assert (await waiting).is_success


async def test_a_made_up_reset_token_costs_no_hash(
    client: httpx2.AsyncClient, app: FastAPI
) -> None:
    async with app.state.passwords._turns, app.state.passwords._turns:
        async with asyncio.timeout(5):
            assert (await reset(client, "made-up")).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("logout", {"refresh_token": "x"}, 204),
        ("password-reset", {"email": "kim@example.com"}, 202),
        ("register", KIM, 201),
        ("verify-email", {"token": "x"}, 422),
    ],
)
async def test_a_bearer_that_ran_out_keeps_nobody_from_what_needs_none(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    stale = {"Authorization": "Bearer e30.e30.e30"}

    answer = await client.post(f"/v1/auth/{path}", json=body, headers=stale)

    assert answer.status_code == status


async def test_a_role_given_meanwhile_is_not_lost_by_applying(
    client: httpx2.AsyncClient, sessions: Sessions
) -> None:
    user_id = UUID((await registered(client))["id"])
    [handler] = events.handlers.items

    async with sessions.begin() as session:
        seen = await session.get(User, user_id)
        async with sessions.begin() as other:
            await users.add_role(other, user_id, Role.ADMIN, NOW)
        await handler.handle(a_profile(user_id), session, NOW)

    async with sessions() as session:
        user = await users.get(session, user_id)
    assert seen is not None
    assert user.roles == ["student", "admin", "coach"]
    assert user.version == 3
