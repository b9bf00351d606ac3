"""Refusals, idempotency keys, pages and strict inputs, through a service as small as can be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from shared import db
from tests.given import bearer, published
from tests.shared.sample import Sample

Database = Callable[[str], Awaitable[str]]


@pytest.fixture
async def sample(database: Database) -> AsyncIterator[Sample]:
    sample = Sample(await database("scheduler"))
    yield sample
    await db.engine_of(sample.parts.sessions).dispose()


@pytest.fixture
async def client(sample: Sample) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(sample.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test"
    ) as client:
        yield client


def assert_problem(response: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["slug"] == slug
    assert body["type"].endswith(f"/{slug}")
    assert body["status"] == status
    assert {"title", "detail", "instance"} <= set(body)
    return body


async def test_a_refusal_explains_itself(client: httpx2.AsyncClient) -> None:
    response = await client.post("/orders", json={"name": "refused"})

    assert assert_problem(response, 409, "conflict")["hint"] == "another"


async def test_a_refusal_undoes_everything(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    await client.post("/orders", json={"name": "refused"})

    assert await published(sample.parts.sessions) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.name"),
        ({"name": "x", "surprise": 1}, "body.surprise"),
        ({"name": "   "}, "body.name"),
        ({"name": "a\x00b"}, "body.name"),
        ({"name": 7}, "body.name"),
        ({"name": "x", "count": "1"}, "body.count"),
        ({"name": "x", "count": 1.0}, "body.count"),
        ({"name": "x", "count": True}, "body.count"),
        ({"name": "x", "gift": 1}, "body.gift"),
        ({"name": "x", "at": 0}, "body.at"),
        ({"name": "x", "at": "0"}, "body.at"),
        ({"name": "x", "at": "2026-06-15T12:00:00"}, "body.at"),
        ({"name": "x", "at": "0001-01-01T00:00:00+23:59"}, "body.at"),
        ({"name": "x", "at": "9999-12-31T23:59:59-23:59"}, "body.at"),
        ({"name": "x", "note": "a\x00b"}, "body.note"),
        ({"name": "x", "link": "http://example.com"}, "body.link"),
        ({"name": "x", "link": "https://a:b@example.com"}, "body.link"),
        ({"name": "x", "link": "javascript:alert(1)"}, "body.link"),
        ([], "body"),
    ],
)
async def test_an_invalid_body_names_the_field(
    client: httpx2.AsyncClient, body: Any, field: str
) -> None:
    response = await client.post("/orders", json=body)

    errors = assert_problem(response, 422, "invalid-request")["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"name": "\\ud800"}',
        b'{"name": "x", "note": "\\ud800"}',
        b'{"\\ud800": 1}',
    ],
)
async def test_a_body_that_cannot_be_read_is_a_bad_request(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}

    response = await client.post("/orders", content=body, headers=headers)

    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_instant_comes_back_in_utc(client: httpx2.AsyncClient) -> None:
    body = {"name": "x", "at": "2026-06-15T14:00:00+02:00"}

    response = await client.post("/orders", json=body)

    assert response.json()["at"] == "2026-06-15T12:00:00Z"


async def test_an_unknown_path_is_a_problem(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404, "not-found")


async def test_a_mistake_of_ours_tells_no_details(client: httpx2.AsyncClient) -> None:
    response = await client.get("/breaks", params={"how": "bug"})

    assert "Zero" not in response.text
    assert_problem(response, 500, "internal-error")


async def test_an_outage_asks_to_try_again(client: httpx2.AsyncClient) -> None:
    response = await client.get("/breaks", params={"how": "outage"})

    assert_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "5"


async def test_a_failing_commit_is_not_answered_with_success(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    def outage(_: Session) -> None:
        raise ConnectionError

    event.listen(Session, "before_commit", outage)
    try:
        response = await client.post("/orders", json={"name": "x"})
    finally:
        event.remove(Session, "before_commit", outage)

    assert_problem(response, 503, "unavailable")
    assert await published(sample.parts.sessions) == []


async def test_a_request_keeps_a_harmless_id_and_loses_a_harmful_one(
    client: httpx2.AsyncClient,
) -> None:
    kept = await client.get("/nowhere", headers={"X-Request-Id": "abc-1"})
    lost = await client.get("/nowhere", headers={"X-Request-Id": 'a"b'})

    assert kept.headers["x-request-id"] == "abc-1"
    assert len(lost.headers["x-request-id"]) == 36


async def test_an_event_carries_the_id_of_the_request_it_came_from(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    await client.post("/orders", json={"name": "x"}, headers={"X-Request-Id": "r1"})

    [event] = await published(sample.parts.sessions)
    assert event.correlation_id == "r1"


async def test_the_same_key_acts_once_and_answers_the_same(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    headers = {"Idempotency-Key": "k1"}

    first = await client.post("/orders", json={"name": "x"}, headers=headers)
    second = await client.post("/orders", json={"name": "x"}, headers=headers)

    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["content-type"] == "application/json"
    assert second.headers["idempotent-replayed"] == "true"
    assert len(await published(sample.parts.sessions)) == 1


async def test_the_same_key_at_the_same_time_waits_for_the_answer(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    headers = {"Idempotency-Key": "k1"}

    answers = await asyncio.gather(
        *(
            client.post("/orders", json={"name": "late"}, headers=headers)
            for _ in range(5)
        )
    )

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["id"] for answer in answers} == {"1"}
    assert sample.ordered == 1


async def test_a_key_used_with_another_body_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    headers = {"Idempotency-Key": "k1"}
    await client.post("/orders", json={"name": "x"}, headers=headers)

    response = await client.post("/orders", json={"name": "y"}, headers=headers)

    assert_problem(response, 422, "idempotency-mismatch")


async def test_keys_of_different_users_never_meet(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.post(
            "/orders",
            json={"name": "x"},
            headers={"Idempotency-Key": "k1", **bearer(uuid4(), "student")},
        )
        for _ in range(2)
    ]

    assert [answer.json()["id"] for answer in answers] == ["1", "2"]


async def test_a_refused_request_may_be_sent_again_with_its_key(
    client: httpx2.AsyncClient, sample: Sample
) -> None:
    headers = {"Idempotency-Key": "k1"}
    await client.post("/orders", json={"name": "refused"}, headers=headers)

    response = await client.post("/orders", json={"name": "x"}, headers=headers)

    assert response.status_code == 201
    assert sample.ordered == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_an_unusable_key_is_refused(client: httpx2.AsyncClient, key: str) -> None:
    response = await client.post(
        "/orders", json={"name": "x"}, headers={"Idempotency-Key": key}
    )

    assert_problem(response, 422, "invalid-request")


async def test_pages_follow_each_other_without_gap(client: httpx2.AsyncClient) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/numbers", params=params)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cursor", ["", "x", "W10=", "bnVsbA==", "WyJhIl0=", "é"])
async def test_a_cursor_of_somewhere_else_is_refused(
    client: httpx2.AsyncClient, cursor: str
) -> None:
    response = await client.get("/numbers", params={"cursor": cursor})

    errors = assert_problem(response, 422, "invalid-request")["errors"]
    assert errors[0]["field"] == "query.cursor"


@pytest.mark.parametrize("limit", ["0", "101", "x"])
async def test_a_limit_out_of_bounds_is_refused(
    client: httpx2.AsyncClient, limit: str
) -> None:
    response = await client.get("/numbers", params={"limit": limit})

    assert_problem(response, 422, "invalid-request")


async def test_a_service_without_its_servers_is_alive_but_not_ready() -> None:
    sample = Sample("postgresql+asyncpg://nobody:x@127.0.0.1:1/none")
    transport = httpx2.ASGITransport(sample.app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test"
    ) as client:
        live = await client.get("/health/live")
        ready = await client.get("/health/ready")

    assert live.status_code == 200
    assert (ready.status_code, ready.json()) == (
        503,
        {"database": "down", "broker": "down"},
    )


async def test_a_body_wrong_all_over_is_not_answered_at_its_length(
    client: httpx2.AsyncClient,
) -> None:
    body = {"name": "fine"} | {f"k{n}": 1 for n in range(5_000)}

    response = await client.post("/orders", json=body)

    errors = assert_problem(response, 422, "invalid-request")["errors"]
    assert 1 < len(errors) <= 50


@pytest.mark.parametrize(
    "name",
    ["a\r\nBcc: b", "a\u2028b", "a\x1b[2J", "\u202egnirts", "\u200b", "\ufeff\u2060"],
)
async def test_a_line_is_one_line_that_can_be_seen(
    client: httpx2.AsyncClient, name: str
) -> None:
    response = await client.post("/orders", json={"name": name})

    errors = assert_problem(response, 422, "invalid-request")["errors"]
    assert [each["field"] for each in errors] == ["body.name"]


@pytest.mark.parametrize(
    "name", ["Łukasz", "山田 太郎", "👩\u200d💻", "شهرزاد", "O'Neil (10x)"]
)
async def test_names_of_all_the_world_are_lines(
    client: httpx2.AsyncClient, name: str
) -> None:
    assert (await client.post("/orders", json={"name": name})).status_code == 201
