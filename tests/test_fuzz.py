"""Requests that no honest client sends, to every operation of every service.

Bodies and parameters are made after the service's own document and then spoilt, from a
fixed seed; ids and cursors of earlier answers come back in later requests, and so do the
tokens of every role. Whatever is sent, the answer is one that the document announces.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import httpx2
import pytest
from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.accounts.app import create_app as create_accounts
from services.accounts.models import User
from services.booking.app import create_app as create_booking
from services.booking.settings import BookingSettings
from services.coaches.actions import games
from services.coaches.app import create_app as create_coaches
from services.coaches.settings import CoachesSettings
from shared.contracts import Event
from shared.db import engine_of
from tests.accounts.conftest import settings_for
from tests.booking.given import OPEN_ALL_DAY, a_profile
from tests.booking.lived import lived_sessions
from tests.booking.series import a_payment as a_series_payment
from tests.fuzzer import COACH, KNOWN, ME, SESSION, Fuzzer, a_request
from tests.given import NOW, FixedClock, a_verifier, bearer
from tests.payments.given import a_seat_held, a_world

ROUNDS = 50
"""Requests to each operation."""

Database = Callable[[str], Awaitable[str]]


@asynccontextmanager
async def accounts(url: str) -> AsyncIterator[FastAPI]:
    generous = {"failures_per_address": 10**6, "registrations_per_address": 10**6}
    settings = settings_for(url, **generous)
    app = create_accounts(settings, RabbitBroker(), FixedClock(), a_verifier())
    async with app.state.sessions.begin() as session:
        me = User(
            id=ME,
            email="kim@example.com",
            email_key="kim@example.com",
            password_hash=await app.state.passwords.hash("correct horse"),
            display_name="Kim",
            timezone="Europe/Berlin",
            locale="en",
            roles=["student"],
            created_at=NOW,
        )
        session.add(me)
    yield app


@asynccontextmanager
async def coaches(url: str) -> AsyncIterator[FastAPI]:
    settings = CoachesSettings.model_validate(
        {"database_url": url, "amqp_url": "amqp://nowhere"}
    )
    app = create_coaches(settings, RabbitBroker(), FixedClock(), a_verifier())
    async with app.state.sessions.begin() as session:
        await games.add(session, "chess", "Chess", ["Novice", "Master"])
    yield app


@asynccontextmanager
async def booking(url: str) -> AsyncIterator[FastAPI]:
    settings = BookingSettings.model_validate(
        {"database_url": url, "amqp_url": "amqp://nowhere"}
    )
    app = create_booking(settings, RabbitBroker(), FixedClock(), a_verifier())
    for coach_id in (ME, COACH):
        await hear(app, a_profile(coach_id))
        async with client_of(app) as http:
            path = f"/v1/coaches/{coach_id}/schedule"
            owner = bearer(coach_id, "coach")
            stored = await http.put(path, json=OPEN_ALL_DAY, headers=owner)
            assert stored.is_success
    lived = await lived_sessions(app.state.sessions, ME, COACH)
    known = await plan(app)
    known["session_id"] += [str(SESSION), *map(str, lived)]
    with mock.patch.dict(KNOWN, known):
        yield app
    for resource in app.state.parts.resources:
        await resource.__aexit__(None, None, None)


async def plan(app: FastAPI) -> dict[str, list[Any]]:
    """Make a series, paid for, and a place in a line; by what names they are known."""
    start = NOW + timedelta(days=3, hours=3)
    times = [(start + timedelta(weeks=week)).isoformat() for week in range(3)]
    wanted = {"coach_id": str(COACH), "count": 3, "duration_minutes": 60}
    span = {"from": times[1], "to": times[2], "duration_minutes": 60}
    student = bearer(ME, "student")
    async with client_of(app) as http:
        body = wanted | {"first_start": times[0], "starts": times}
        series = (await http.post("/v1/series", json=body, headers=student)).json()
        path = f"/v1/coaches/{COACH}/waitlist"
        entry = (await http.post(path, json=span, headers=student)).json()
    await hear(app, a_series_payment(series))
    return {
        "series_id": [series["id"]],
        "entry_id": [entry["id"]],
        "session_id": [each["id"] for each in series["sessions"]],
    }


@asynccontextmanager
async def payments(url: str) -> AsyncIterator[FastAPI]:
    async with a_world(url) as world:
        await world.hear(a_seat_held(student_id=ME, session_id=SESSION))
        yield world.app


SERVICES = {
    "accounts": accounts,
    "coaches": coaches,
    "booking": booking,
    "payments": payments,
}


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://fuzz")


async def hear(app: FastAPI, event: Event) -> None:
    for handler in app.state.parts.handlers.items:
        if handler.event is type(event):
            async with app.state.sessions.begin() as session:
                await handler.handle(event, session, app.state.clock.now())


@pytest.mark.parametrize("name", SERVICES)
async def test_whatever_is_sent_the_answer_is_one_that_is_announced(
    name: str, database: Database
) -> None:
    async with SERVICES[name](await database(name)) as app:
        async with client_of(app) as http:
            surprises = await attack(app.openapi(), http)
        await engine_of(app.state.sessions).dispose()

    assert surprises == []


async def attack(document: dict[str, Any], http: httpx2.AsyncClient) -> list[str]:
    """Send `ROUNDS` requests to each operation, mixed; what was not to be expected."""
    chance = random.Random(20260615)  # noqa: S311
    fuzzer = Fuzzer(document, chance)
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ] * ROUNDS
    chance.shuffle(operations)
    surprises, fine = [], set()
    for method, path, operation in operations:
        request = a_request(fuzzer, http, method, path, operation)
        response = await http.send(request)
        if surprise := surprising(operation, response):
            surprises.append(f"{method} {request.url} {request.content!r}: {surprise}")
        elif "json" in response.headers.get("content-type", ""):
            fuzzer.learn(response.json())
        if response.is_success:
            fine.add((method, path))
    all_of_them = len(operations) // ROUNDS
    assert len(fine) > all_of_them / 2, "most operations were only ever refused"
    return surprises


def surprising(operation: dict[str, Any], response: httpx2.Response) -> str | None:
    """What is wrong with the answer; None if nothing is."""
    if str(response.status_code) not in operation["responses"]:
        return f"{response.status_code} is not announced: {response.text[:300]}"
    if "x-request-id" not in response.headers:
        return "it bears no id"
    if response.status_code >= 400:
        if response.headers["content-type"] != "application/problem+json":
            return f"it is {response.headers['content-type']}"
        problem = response.json()
        if problem["status"] != response.status_code or not problem["slug"]:
            return f"the problem contradicts itself: {problem}"
        if problem["slug"] == "invalid-request" and "errors" not in problem:
            return f"no field is named: {problem}"
    return None
