"""What the gateway adds to a request, beside nginx: `python -m bench.gateway`.

One small service, asked directly, through nginx and through the gateway, in turns. The
gateway does its whole work: it verifies a bearer, takes from a limit kept in a private
PostgreSQL, checks the path and rewrites headers; nginx only forwards.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.types import Receive, Scope, Send
from uvicorn.loops.auto import auto_loop_factory

from local.postgres import Postgres
from local.processes import free_port
from shared.auth import AUDIENCE, ISSUER
from shared.db import migrate

PAIRS = 9
SECONDS = 1.5
MOST = 4.0
UNLIMITED = str(10**9)
JWKS = "BENCH_JWKS"

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    upstream service {{ server 127.0.0.1:{service}; keepalive 64;
        keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Request-Id $request_id;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
"""


async def service(scope: Scope, _: Receive, send: Send) -> None:
    """Answers 200 bytes of JSON, or its keys; uvicorn runs it in its own process."""
    if scope["type"] != "http":
        return
    keys = scope["path"] == "/.well-known/jwks.json"
    body = os.environ[JWKS].encode() if keys else json.dumps({"x": "y" * 190}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Ports:
    direct: int
    nginx: int
    gateway: int


class Client(asyncio.Protocol):
    """Asks again as soon as it is answered, and notes how long each answer took."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._answer = b""
        self.seconds: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        if b"y" * 190 not in body or not body.endswith(b"}"):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(head.decode()))
        self.seconds.append(now - self._asked)
        if now < self._until:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            message = f"closed early: {self._answer!r}"
            self.done.set_exception(exc or ConnectionError(message))

    def _ask(self) -> None:
        self._answer = b""
        self._asked = time.perf_counter()
        self._transport.write(self._request)


async def median_seconds(port: int, bearer: str, connections: int) -> float:
    """The median time of an answer while so many connections ask without a pause."""
    loop = asyncio.get_running_loop()
    request = f"GET /v1/games HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n"
    until = time.perf_counter() + SECONDS
    clients = [Client(request.encode(), until) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda each=client: each, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    return statistics.median(each for client in clients for each in client.seconds)


async def compare(ports: Ports, bearer: str, connections: int) -> list[dict[str, Any]]:
    """The added medians over all pairs, and how the gateway's compares with nginx's."""
    added: dict[str, list[float]] = {"nginx": [], "gateway": []}
    for _ in range(PAIRS):
        order = ["direct", "nginx", "gateway"]
        random.shuffle(order)
        took = {
            name: await median_seconds(getattr(ports, name), bearer, connections)
            for name in order
        }
        for name, values in added.items():
            values.append((took[name] - took["direct"]) * 1000)
    nginx, gateway = (statistics.median(values) for values in added.values())
    label = f"{connections} connection{'s' if connections > 1 else ''}"
    return [
        {"name": f"nginx adds, {label}", "value": nginx, "unit": "ms p50"},
        {"name": f"gateway adds, {label}", "value": gateway, "unit": "ms p50"},
        {
            "name": f"gateway : nginx, {label}",
            "value": gateway / nginx,
            "unit": "x",
            "limit": MOST,
            "pairs": PAIRS,
        },
    ]


def a_token(key: ECKey) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(UUID(int=7)),
        "roles": ["student"],
        "exp": int(time.time()) + 3600,
    }
    return jwt.encode({"alg": "ES256", "kid": "bench"}, claims, key)


@contextmanager
def process(*command: str, **environment: str) -> Iterator[None]:
    """A process that ends with the block."""
    running = subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603
    try:
        yield
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(10)
        running.kill()
        running.wait()


@contextmanager
def servers(database_url: str, key: ECKey) -> Iterator[Ports]:
    """The service, nginx and the gateway in front of it, each a process of its own."""
    ports = Ports(free_port(), free_port(), free_port())
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    address = f"http://127.0.0.1:{ports.direct}"
    uvicorn = (
        f"-m uvicorn bench.gateway:service --port {ports.direct} --log-level error"
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        config = folder / "nginx.conf"
        config.write_text(
            NGINX.format(folder=folder, service=ports.direct, port=ports.nginx)
        )
        stack.enter_context(
            process(sys.executable, *uvicorn.split(), **{JWKS: keys}),
        )
        stack.enter_context(process("nginx", "-c", str(config), "-p", str(folder)))
        stack.enter_context(
            process(
                *(sys.executable, "-m", "gateway.app", "serve"),
                DATABASE_URL=database_url,
                PORT=str(ports.gateway),
                ACCOUNTS_URL=address,
                COACHES_URL=address,
                USER_PER_MINUTE=UNLIMITED,
                LOG_LEVEL="WARNING",
            )
        )
        yield ports


async def answering(port: int) -> None:
    """Return once the port takes connections, within ten seconds."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def measure() -> list[dict[str, Any]]:
    """The figures, each `{name, value, unit}` and, where one is set, `limit`."""
    key = ECKey.generate_key("P-256", {"kid": "bench"})
    database = Postgres(system_first=True)
    try:
        database.start()
        url = database.url.replace("postgresql://", "postgresql+asyncpg://")
        await migrate(url, "gateway")
        with servers(url, key) as ports:
            for port in (ports.direct, ports.nginx, ports.gateway):
                await answering(port)
            bearer = f"Bearer {a_token(key)}"
            return [
                *await compare(ports, bearer, 1),
                *await compare(ports, bearer, 32),
            ]
    finally:
        database.close()


def run() -> list[dict[str, Any]]:
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(measure())


if __name__ == "__main__":
    for figure in run():
        print(json.dumps(figure))
