import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from tests.gateway.conftest import Start
from tests.gateway.services import read_head, scripted, speak

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = 1024 * 1024


async def test_an_answer_streams_while_it_is_made(start: Start) -> None:
    seen = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"5\r\nfirst\r\n")
        await seen.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        await reader.read()

    async with scripted(script) as url:
        client = await start(coaches_url=url)
        async with client.stream("GET", "/v1/games") as response:
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"first"
            seen.set()
            assert await anext(pieces) == b"second"


async def test_a_body_streams_while_it_is_sent(start: Start) -> None:
    seen = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        head = await read_head(reader)
        assert b"transfer-encoding: chunked" in head.lower()
        assert await reader.readexactly(10) == b"5\r\nfirst\r\n"
        seen.set()
        assert await reader.readexactly(16) == b"6\r\nsecond\r\n0\r\n\r\n"
        writer.write(OK)
        await reader.read()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await seen.wait()
        yield b"second"

    async with scripted(script) as url:
        client = await start(booking_url=url)
        response = await client.post("/v1/sessions", content=body())

    assert response.text == "ok"


async def test_an_early_answer_reaches_a_client_that_is_still_sending(
    start: Start,
) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()

    async with scripted(script) as url:
        client = await start(booking_url=url)
        answer = await speak(
            str(client.base_url).rstrip("/"),
            b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart",
        )

    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"no")


async def test_a_client_that_leaves_takes_its_request_along(start: Start) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def script(reader: Reader, _: Writer) -> None:
        await read_head(reader)
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        left.set()

    async with scripted(script) as url:
        client = await start(coaches_url=url)
        request = asyncio.create_task(client.get("/v1/games"))
        await asked.wait()
        request.cancel()
        await asyncio.wait_for(left.wait(), 2)


async def test_a_slow_client_slows_the_service_instead_of_filling_our_memory(
    start: Start,
) -> None:
    total = 64 * MEGABYTE
    sent = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(b"x" * MEGABYTE)
            await writer.drain()
            sent += MEGABYTE
        await reader.read()

    async with scripted(script) as url:
        client = await start(coaches_url=url, read_timeout=1)
        async with client.stream("GET", "/v1/games") as response:
            pieces = response.aiter_raw()
            got = len(await anext(pieces))
            await asyncio.sleep(1.5)
            while_waiting = sent
            async for piece in pieces:
                got += len(piece)

    assert while_waiting < total / 2
    assert got == total


async def test_a_slow_service_slows_the_client_instead_of_filling_our_memory(
    start: Start,
) -> None:
    total = 64 * MEGABYTE
    reading = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        await reading.wait()
        await reader.readexactly(total)
        writer.write(OK)
        await reader.read()

    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            yield b"x" * MEGABYTE
            sent += MEGABYTE

    async with scripted(script) as url:
        client = await start(booking_url=url, body_limit=total)
        headers = {"Content-Length": str(total)}
        request = asyncio.create_task(
            client.post("/v1/sessions", content=body(), headers=headers)
        )
        await asyncio.sleep(1)
        while_waiting = sent
        reading.set()
        response = await request

    assert while_waiting < total / 2
    assert response.text == "ok"
