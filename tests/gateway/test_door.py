import asyncio
import json
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.gateway.conftest import Start
from tests.gateway.services import speak
from tests.given import bearer


def base(client: httpx2.AsyncClient) -> str:
    return str(client.base_url).rstrip("/")


@pytest.mark.parametrize("in_process", [False, True])
async def test_a_request_reaches_the_service_that_answers_its_path(
    start: Start, in_process: bool
) -> None:
    client = await start(in_process=in_process)

    answers = {
        path: (await client.get(path)).json()["service"]
        for path in (
            "/v1/me",
            "/v1/coaches",
            f"/v1/coaches/{uuid4()}",
            f"/v1/coaches/{uuid4()}/slots",
            "/v1/sessions",
            "/v1/payments",
        )
    }

    assert list(answers.values()) == [
        "accounts",
        "coaches",
        "coaches",
        "booking",
        "booking",
        "payments",
    ]


@pytest.mark.parametrize("in_process", [False, True])
async def test_a_body_and_a_query_arrive_as_they_were_sent(
    start: Start, in_process: bool
) -> None:
    client = await start(in_process=in_process)

    response = await client.post(
        "/payments/webhook/?a=1&b=%2F", content=b'{"raw" :  "body"}\n'
    )

    asked = response.json()
    assert response.status_code == 200
    assert asked["body"] == '{"raw" :  "body"}\n'
    assert asked["query"] == "a=1&b=%2F"
    assert asked["raw_path"] == "/payments/webhook/"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/health/private",
        "/metrics",
        "/v1/health/live",
        "/v1/coaches/",
        "/v1/coaches//games/x",
        "/payments/webhook",
        "/v1/me/../sessions",
        "/redoc",
    ],
)
async def test_what_is_not_listed_is_not_reachable(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await speak(
        base(client),
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
    )

    status = int(answer.split()[1])
    assert status in (400, 404)
    assert b"application/problem+json" in answer
    assert b'"service"' not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/v1/coaches/%2e%2e/sessions",
        "/v1/coaches/..%2fsessions",
        "/v1/%2e/me",
        "/v1/me%00",
        "/v1/coaches/%5c..%5c",
        "/v1/coaches/a\\b",
        "/v1/coaches/%ff",
        "/v1//me",
        "/v1/coaches/%0d%0aX-User-Id:1",
    ],
)
async def test_a_path_with_two_meanings_is_refused(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await speak(
        base(client),
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
    )

    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"bad-request"' in answer


async def test_a_wrong_method_names_the_right_ones(client: httpx2.AsyncClient) -> None:
    response = await client.delete("/v1/games")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, POST"
    assert response.json()["slug"] == "method-not-allowed"
    assert response.json()["instance"] == "/v1/games"


@pytest.mark.parametrize("in_process", [False, True])
async def test_nobody_can_speak_for_us_to_a_service(
    start: Start, in_process: bool
) -> None:
    client = await start(in_process=in_process)

    response = await client.get(
        "/v1/games",
        headers={
            "X-User-Id": "1",
            "X-User-Roles": "admin",
            "X-Forwarded-For": "9.9.9.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/x",
            "X-Real-Ip": "9.9.9.9",
            "Forwarded": "for=9.9.9.9",
            "Connection": "close, x-secret",
            "X-Secret": "1",
            "Keep-Alive": "300",
            "Te": "trailers",
            "Upgrade": "h2c",
            "Proxy-Authorization": "x",
            "Accept-Language": "de",
            "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
    )

    got = dict(response.json()["headers"])
    assert got.keys() == {
        "accept",
        "accept-encoding",
        "user-agent",
        "accept-language",
        "traceparent",
        "host",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    }
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "http"
    assert got["x-forwarded-host"] == got["host"]


async def test_an_answer_leaves_without_its_hop_by_hop_headers(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("/v1/games")

    assert "keep-alive" not in response.headers
    assert response.headers.get_list("date") != []
    assert len(response.headers.get_list("date")) == 1
    assert "server" not in response.headers


async def test_a_request_keeps_one_id_from_end_to_end(
    client: httpx2.AsyncClient,
) -> None:
    given = await client.get("/v1/games", headers={"X-Request-Id": "from-the-app.7"})
    fresh = await client.get("/v1/games", headers={"X-Request-Id": "no good"})
    refused = await client.get("/nowhere")

    assert given.headers.get_list("x-request-id") == ["from-the-app.7"]
    assert dict(given.json()["headers"])["x-request-id"] == "from-the-app.7"
    assert UUID(fresh.headers["x-request-id"]).version == 7
    assert (
        dict(fresh.json()["headers"])["x-request-id"] == fresh.headers["x-request-id"]
    )
    assert UUID(refused.headers["x-request-id"]).version == 7


async def test_a_bearer_is_forwarded_and_a_bad_one_refused_at_the_door(
    client: httpx2.AsyncClient,
) -> None:
    good = bearer(uuid4(), "student")

    accepted = await client.get("/v1/sessions", headers=good)
    refused = await client.get(
        "/v1/sessions", headers={"Authorization": "Bearer x.y.z"}
    )
    empty = await client.get("/v1/sessions", headers={"Authorization": "Bearer"})
    nobody = await client.get("/v1/sessions")

    assert dict(accepted.json()["headers"])["authorization"] == good["Authorization"]
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["slug"] == "unauthorized"
    assert empty.status_code == 401
    assert nobody.status_code == 200


async def test_without_any_key_a_bearer_can_be_neither_believed_nor_refused(
    start: Start,
) -> None:
    client = await start(accounts_url="http://127.0.0.1:9")

    response = await client.get("/v1/sessions", headers=bearer(uuid4(), "student"))

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert (await client.get("/v1/sessions")).status_code == 200


async def test_who_signs_in_again_may_still_carry_the_old_bearer(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post(
        "/v1/auth/refresh", json={}, headers={"Authorization": "Bearer expired"}
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: +3",
        "Content-Length: 3, 3",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Authorization: Bearer a\r\nAuthorization: Bearer b",
        "Host: y",
        "Transfer-Encoding : chunked",
    ],
)
async def test_a_request_that_two_readers_would_read_differently_is_refused(
    client: httpx2.AsyncClient, headers: str
) -> None:
    answer = await speak(
        base(client),
        f"POST /payments/webhook/ HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n"
        "0\r\n\r\nGET /v1/games HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    )

    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"service"' not in answer


@pytest.mark.parametrize("in_process", [False, True])
async def test_a_body_over_the_limit_is_refused_announced_or_not(
    start: Start, in_process: bool
) -> None:
    client = await start(in_process=in_process, body_limit=1000)

    async def pieces(count: int) -> object:
        for _ in range(count):
            yield b"x" * 100
            await asyncio.sleep(0.001)

    announced = await client.post("/v1/sessions", content=b"x" * 1001)
    streamed = await client.post("/v1/sessions", content=pieces(50))  # type: ignore[arg-type]
    fitting = await client.post("/v1/sessions", content=pieces(10))  # type: ignore[arg-type]

    assert announced.status_code == 413
    assert announced.json()["slug"] == "payload-too-large"
    assert streamed.status_code == 413
    assert streamed.json()["slug"] == "payload-too-large"
    assert fitting.status_code == 200
    assert len(fitting.json()["body"]) == 1000


async def test_a_body_that_stops_coming_is_not_waited_for(start: Start) -> None:
    client = await start(client_timeout=0.2)
    request = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"

    nothing = await speak(base(client), request)
    some = await speak(base(client), request + b"12345")

    assert nothing.startswith(b"HTTP/1.1 408")
    assert some.startswith(b"HTTP/1.1 408")
    assert b'"request-timeout"' in some


@pytest.mark.parametrize("in_process", [False, True])
async def test_a_body_that_trickles_in_has_one_deadline(
    start: Start, in_process: bool
) -> None:
    client = await start(in_process=in_process, client_timeout=0.3)

    host, port = base(client).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(2):
        answer = await reader.readline()
    dripping.cancel()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("path", ["/v1/games", "/openapi.json", "/health/live"])
async def test_a_head_request_answers_as_get_does_but_for_the_body(
    start: Start, in_process: bool, path: str
) -> None:
    client = await start(in_process=in_process)

    head, get = await client.head(path), await client.get(path)

    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    assert int(head.headers["content-length"]) > 0
    assert (await client.head("/v1/auth/login")).status_code == 405
    assert (await client.head("/nowhere")).status_code == 404


async def test_expectations_are_met_at_the_door(client: httpx2.AsyncClient) -> None:
    answer = await speak(
        base(client),
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    )

    _, _, rest = answer.partition(b"HTTP/1.1 200")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert "expect" not in dict(json.loads(rest.split(b"\r\n\r\n")[1])["headers"])


async def test_only_named_origins_may_read_answers(start: Start) -> None:
    client = await start(cors_origins=("https://app.example",))
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, idempotency-key",
    }

    ours = await client.options(
        "/v1/sessions", headers={"Origin": "https://app.example", **preflight}
    )
    theirs = await client.options(
        "/v1/sessions", headers={"Origin": "https://evil.example", **preflight}
    )
    refusal = await client.get("/nowhere", headers={"Origin": "https://app.example"})
    stranger = await client.get("/v1/games", headers={"Origin": "https://evil.example"})

    assert ours.status_code == 200
    assert ours.headers["access-control-allow-origin"] == "https://app.example"
    assert ours.headers["access-control-allow-credentials"] == "true"
    assert "x-request-id" in ours.headers
    assert "access-control-allow-origin" not in theirs.headers
    assert refusal.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in stranger.headers


async def test_a_mistake_of_a_service_in_this_process_is_an_internal_error(
    start: Start,
) -> None:
    async def broken(*_: object) -> None:
        raise LookupError

    client = await start(in_process=True, apps={"coaches": broken})

    response = await client.get("/v1/games")

    assert response.status_code == 500
    assert response.json()["slug"] == "internal-error"
