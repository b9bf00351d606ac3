"""Services to stand behind a gateway under test, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.given import signing_key
from tests.serving import address, listening, serving

JWKS = {"keys": [signing_key().as_dict(private=False)]}


async def read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answer_json(send: Send, value: object, status: int = 200) -> None:
    body = json.dumps(value).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"keep-alive", b"timeout=5"),
        (b"x-request-id", b"the-service's-own"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Echo:
    """A service that answers with what it was asked. Counts its requests."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/.well-known/jwks.json":
            await answer_json(send, JWKS)
            return
        self.requests += 1
        body = await read_body(receive)
        asked = {
            "service": self.name,
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [(k.decode(), v.decode("latin-1")) for k, v in scope["headers"]],
            "body": body.decode("latin-1"),
        }
        await answer_json(send, asked)


@asynccontextmanager
async def served_together(apps: Mapping[str, ASGIApp]) -> AsyncIterator[dict[str, str]]:
    """Each application on a port of its own, all behind one quick server."""
    listeners = {name: listening() for name in apps}
    by_port = {each.getsockname()[1]: apps[name] for name, each in listeners.items()}

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await by_port[scope["server"][1]](scope, receive, send)

    async with serving(dispatch, *listeners.values()):
        yield {name: address(listener) for name, listener in listeners.items()}


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """A server that speaks as the script says, down to the bytes."""
    tasks: set[asyncio.Task[Any]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await server.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def speak(url: str, data: bytes) -> bytes:
    """Send these bytes on a connection; what comes back until it is closed or silent."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = b""
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(1 if answer else 10):
                piece = await reader.read(65536)
            if not piece:
                break
            answer += piece
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer
