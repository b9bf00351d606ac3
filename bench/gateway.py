"""What the gateway adds to a request, beside nginx.

One small service, asked directly, through nginx and through the gateway, in turns. The
gateway does its whole work: it verifies a bearer, takes from a limit kept in a
PostgreSQL, checks the path and rewrites headers; nginx only forwards.
"""

import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

from bench import answers
from bench.effort import Effort, interleaved
from bench.figures import Figure, typical
from bench.load import closed, paced, request
from bench.servers import Servers, database, listening, service, uvicorn
from local.processes import free_port

MOST = 4.0
CONNECTIONS = 32
SHARE = 0.3
"""Of what the gateway can do at most: the load at which its users wait."""

UNLIMITED = str(10**9)
PLACES = ("direct", "nginx", "gateway")

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

Measured = dict[str, list[float]]


@dataclass(frozen=True)
class Ports:
    direct: int
    nginx: int
    gateway: int


@contextmanager
def nginx(folder: Path, config: Path) -> Iterator[None]:
    command: list[str | Path] = ["nginx", "-c", config, "-p", folder]
    with subprocess.Popen(command) as running:  # noqa: S603
        try:
            yield
        finally:
            running.terminate()


@contextmanager
def servers_on(ports: Ports, database_url: str) -> Iterator[None]:
    """The service, nginx and the gateway in front of it, each a process of its own."""
    address = f"http://127.0.0.1:{ports.direct}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        config = folder / "nginx.conf"
        config.write_text(
            NGINX.format(folder=folder, service=ports.direct, port=ports.nginx)
        )
        for started in (
            uvicorn("bench.answers:app", ports.direct, **answers.environment()),
            nginx(folder, config),
            service(
                *("gateway", ports.gateway, database_url),
                ACCOUNTS_URL=address,
                COACHES_URL=address,
                USER_PER_MINUTE=UNLIMITED,
            ),
        ):
            stack.enter_context(started)
        yield


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    ports = Ports(free_port(), free_port(), free_port())
    async with database(servers.postgres, "gateway") as url:
        with servers_on(ports, url):
            await listening(ports.direct, ports.nginx, ports.gateway)
            bearer = answers.bearer(UUID(int=7), "student")
            return await _compared(ports, request("GET", "/v1/games", bearer), effort)


async def _compared(ports: Ports, asked: bytes, effort: Effort) -> list[Figure]:
    async def alone(port: int) -> float:
        return (await closed(port, asked, 1, effort.seconds)).p50

    async def flooded(port: int) -> float:
        return (await closed(port, asked, CONNECTIONS, effort.seconds)).per_second

    await _at_each(ports, 1, alone)
    one = await _at_each(ports, effort.pairs, alone)
    capacity = await _at_each(ports, effort.pairs, flooded)
    rate = SHARE * median(capacity["gateway"])

    async def at_a_rate(port: int) -> float:
        load = await paced(port, asked, CONNECTIONS, effort.seconds, rate)
        return load.p50

    loaded = await _at_each(ports, effort.pairs, at_a_rate)
    return [
        *_added(one, "1 connection"),
        *_added(loaded, f"{rate:,.0f} req/s over {CONNECTIONS}"),
        *_most(capacity),
    ]


async def _at_each(
    ports: Ports, pairs: int, measured: Callable[[int], Awaitable[float]]
) -> Measured:
    def at(port: int) -> Callable[[], Awaitable[float]]:
        async def taken() -> float:
            return await measured(port)

        return taken

    measures = {place: at(getattr(ports, place)) for place in PLACES}
    return await interleaved(pairs, measures)


def _added(raw: Measured, label: str) -> list[Figure]:
    """A ratio of medians: what nginx adds in one pair may be next to nothing."""
    added = {
        place: [
            through - direct
            for through, direct in zip(raw[place], raw["direct"], strict=True)
        ]
        for place in ("nginx", "gateway")
    }
    middle = {place: median(values) for place, values in added.items()}
    return [
        typical(f"nginx adds, {label}", added["nginx"], "ms p50"),
        typical(f"gateway adds, {label}", added["gateway"], "ms p50"),
        Figure(
            f"added by gateway : nginx, {label}",
            middle["gateway"] / middle["nginx"],
            "x",
            MOST,
            raw=raw,
        ),
    ]


def _most(capacity: Measured) -> list[Figure]:
    """With every connection always waiting, one sees how much goes through."""
    figures = [
        typical(f"{place}, {CONNECTIONS} connections that never pause", each, "req/s")
        for place, each in capacity.items()
    ]
    shares = [
        through / direct
        for through, direct in zip(capacity["gateway"], capacity["direct"], strict=True)
    ]
    share = typical("gateway : direct, requests a second", shares, "x")
    return [*figures, share]
