import asyncio

import httpx2
import pytest

from gateway.domain import UpstreamFailed, UpstreamTimeout, UpstreamUnavailable
from gateway.pool import HttpUpstream
from tests.gateway.conftest import Start
from tests.gateway.services import Script, read_head, scripted

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = 1024 * 1024


def upstream(
    url: str, limit: int = 10, connect_timeout: float = 5, read_timeout: float = 5
) -> HttpUpstream:
    host, port = url.removeprefix("http://").split(":")
    return HttpUpstream(
        host,
        int(port),
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        limit=limit,
    )


async def ask(
    app: HttpUpstream, method: str = "GET", **options: object
) -> httpx2.Response:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://service"
    ) as client:
        return await client.request(method, "/", **options)  # type: ignore[arg-type]


def always(answer: bytes, *, close: bool = False) -> Script:
    """Gives this answer to every request on a connection."""

    async def script(reader: Reader, writer: Writer) -> None:
        while True:
            await read_head(reader)
            writer.write(answer)
            await writer.drain()
            if close:
                return

    return script


class Counted:
    """A script whose connections are counted."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        await self.script(reader, writer)


async def test_requests_one_after_the_other_share_a_connection() -> None:
    script = Counted(always(OK))
    async with scripted(script) as url:
        app = upstream(url)
        for _ in range(20):
            assert (await ask(app)).text == "ok"
        app.close()

    assert script.connections == 1


@pytest.mark.parametrize(
    ("method", "answer", "status", "body"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', 304, b""),
        ("GET", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, 200, b"ok"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n",
            200,
            b"abc",
        ),
    ],
)
async def test_an_answer_ends_where_its_kind_says_and_the_connection_goes_on(
    method: str, answer: bytes, status: int, body: bytes
) -> None:
    script = Counted(always(answer))
    async with scripted(script) as url:
        app = upstream(url)
        responses = [await ask(app, method) for _ in range(3)]
        app.close()

    assert [(each.status_code, each.content) for each in responses] == [
        (status, body)
    ] * 3
    assert "link" not in responses[0].headers
    assert script.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_of_untold_length_ends_with_the_connection(version: bytes) -> None:
    answer = b"HTTP/" + version + b" 200 OK\r\n\r\nuntil the end"
    script = Counted(always(answer, close=True))
    async with scripted(script) as url:
        app = upstream(url)
        assert [(await ask(app)).text for _ in range(2)] == ["until the end"] * 2

    assert script.connections == 2


async def test_bytes_nobody_asked_for_spoil_a_connection() -> None:
    script = Counted(always(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    async with scripted(script) as url:
        app = upstream(url)
        assert [(await ask(app)).text for _ in range(3)] == ["ok"] * 3

    assert script.connections == 3


def forgetful() -> Counted:
    """Answers one request, takes the next without a word, and closes."""

    async def script(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        writer.write(OK)
        await read_head(reader)

    return Counted(script)


async def test_a_stale_connection_is_replaced_once_for_what_may_be_repeated() -> None:
    script = forgetful()
    async with scripted(script) as url:
        app = upstream(url)
        await ask(app)
        assert (await ask(app)).text == "ok"
        app.close()

    assert script.connections == 2


async def test_what_may_have_had_an_effect_is_not_sent_again() -> None:
    script = forgetful()
    async with scripted(script) as url:
        app = upstream(url)
        await ask(app)
        with pytest.raises(UpstreamFailed):
            await ask(app, "POST", content=b"pay")

    assert script.connections == 1


async def test_a_fresh_connection_that_is_closed_is_not_retried() -> None:
    async def script(reader: Reader, _: Writer) -> None:
        await read_head(reader)

    counted = Counted(script)
    async with scripted(counted) as url:
        with pytest.raises(UpstreamFailed):
            await ask(upstream(url))

    assert counted.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA",
    ],
)
async def test_an_answer_that_is_no_http_is_a_failure(answer: bytes) -> None:
    async with scripted(always(answer, close=True)) as url:
        with pytest.raises(UpstreamFailed):
            await ask(upstream(url))


async def test_more_requests_than_connections_wait_and_then_give_up() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        asked.set()
        await release.wait()
        writer.write(OK)
        await reader.read()

    counted = Counted(script)
    async with scripted(counted) as url, asyncio.timeout(20):
        app = upstream(url, limit=1, read_timeout=1)
        slow = asyncio.create_task(ask(app))
        await asked.wait()
        late = asyncio.create_task(ask(app))
        while not app._slots._waiters:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)
        release.set()
        assert (await slow).text == "ok"
        with pytest.raises(UpstreamTimeout):
            await late
        app.close()

    assert counted.connections == 1


async def test_a_service_that_is_full_is_unavailable() -> None:
    asked = asyncio.Event()

    async def script(reader: Reader, _: Writer) -> None:
        await read_head(reader)
        asked.set()
        await reader.read()

    async with scripted(script) as url, asyncio.timeout(20):
        app = upstream(url, limit=1, connect_timeout=1)
        first = asyncio.create_task(ask(app))
        await asked.wait()
        with pytest.raises(UpstreamUnavailable):
            await ask(app)
        first.cancel()


# Through the whole gateway


async def test_a_service_that_is_down_is_answered_with_503(start: Start) -> None:
    client = await start(coaches_url="http://127.0.0.1:9")

    response = await client.get("/v1/games")

    assert response.status_code == 503
    assert response.json()["slug"] == "upstream-unavailable"
    assert int(response.headers["retry-after"]) >= 1


async def test_a_silent_service_is_answered_with_504(start: Start) -> None:
    async def silent(reader: Reader, _: Writer) -> None:
        await read_head(reader)
        await reader.read()

    async with scripted(silent) as url:
        client = await start(coaches_url=url, read_timeout=0.2)
        response = await client.get("/v1/games")

    assert response.status_code == 504
    assert response.json()["slug"] == "upstream-timeout"


async def test_a_broken_service_is_answered_with_502(start: Start) -> None:
    async with scripted(always(b"nonsense\r\n\r\n", close=True)) as url:
        client = await start(coaches_url=url)
        response = await client.get("/v1/games")

    assert response.status_code == 502
    assert response.json()["slug"] == "upstream-failed"


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100", b"Transfer-Encoding: chunked"],
)
async def test_an_answer_that_breaks_off_never_looks_whole(
    start: Start, head: bytes
) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nabcde\r\n"
    async with scripted(always(answer, close=True)) as url:
        client = await start(coaches_url=url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/v1/games")
