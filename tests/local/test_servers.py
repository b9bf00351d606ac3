"""The fleet of processes on real servers, and what counts as work that is left."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url
from sqlmodel.ext.asyncio.session import AsyncSession

from local import seeds
from local.databases import connect, create_databases
from local.doors import free_base, reserve, serving
from local.processes import descendants, free_port
from local.servers import Servers, ServersSettings, home_in
from local.servers.backlog import Backlog, Deliveries, add_report
from local.servers.fleet import NAMES, ROOT
from local.servers.settings import OWNERS
from local.settings import SERVICES
from shared.broker import declare_topology, events_exchange, make_broker
from shared.contracts.booking import SeatExpiredV1
from shared.ids import new_id
from tests.given import NOW
from tests.shared.sample import Sample

Database = Callable[[str], Awaitable[str]]

QUEUE = "sample.on_seat_expired"
UNSET = (
    "DATABASE_URL",
    "AMQP_URL",
    *(f"{each.upper()}_DATABASE_URL" for each in OWNERS),
)


@pytest.fixture
async def given(database: Database, amqp_vhost: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a fleet with a folder, ports, databases and queues of its own."""
    urls = {f"{each.upper()}_DATABASE_URL": await database(each) for each in OWNERS}
    return urls | {
        "AMQP_URL": amqp_vhost,
        "DATA": str(tmp_path / "fleet"),
        "PORT_BASE": str(free_base()),
    }


def settings_of(given: dict[str, str]) -> ServersSettings:
    return ServersSettings.model_validate({k.lower(): v for k, v in given.items()})


def backlog_of(servers: Servers) -> Backlog:
    services = {name: f"http://127.0.0.1:{servers.ports[name]}" for name in SERVICES}
    amqp_url = servers.settings.amqp_url.get_secret_value()
    return Backlog(services, servers.stripe_url, amqp_url)


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_servers_it_says_what_to_set(
    nothing_set: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError, match="DATABASE_URL and AMQP_URL must be set"):
        ServersSettings()
    nothing_set.setenv("AMQP_URL", "amqp://somewhere/")
    with pytest.raises(
        ValidationError, match=r"error, DATABASE_URL must be set.*15 or newer"
    ):
        ServersSettings()


def test_a_database_that_was_forgotten_is_named(
    nothing_set: pytest.MonkeyPatch,
) -> None:
    for owner in set(OWNERS) - {"booking", "gateway"}:
        nothing_set.setenv(f"{owner.upper()}_DATABASE_URL", f"postgresql://db/{owner}")
    nothing_set.setenv("AMQP_URL", "amqp://somewhere/")

    with pytest.raises(
        ValidationError, match="BOOKING_DATABASE_URL and GATEWAY_DATABASE_URL must be"
    ):
        ServersSettings()
    nothing_set.setenv("DATABASE_URL", "postgresql://server/postgres")
    own = ServersSettings().own_databases()

    assert own["coaches"] == "postgresql+asyncpg://db/coaches"
    assert "booking" not in own


def test_production_is_refused(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("ENVIRONMENT", "production")
    with pytest.raises(ValidationError, match="local"):
        ServersSettings(
            amqp_url=SecretStr("amqp://somewhere"),
            database_url=SecretStr("postgresql://"),
        )


def test_the_command_explains_itself_without_a_trace(
    nothing_set: pytest.MonkeyPatch,
) -> None:
    assert nothing_set
    run = subprocess.run(
        [sys.executable, "-m", "local.servers"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stderr.startswith("DATABASE_URL and AMQP_URL must be set.")
    assert "Traceback" not in run.stderr


async def test_databases_are_made_by_a_role_that_is_no_superuser(
    postgres_server: str,
) -> None:
    """Twice: the second time keeps the data and sets new passwords."""
    run = new_id().hex[-8:]
    maker, names = f"maker_{run}", [f"one_{run}", f"two_{run}"]
    async with connect(postgres_server) as server:
        await server.execute(
            f"CREATE ROLE {maker} LOGIN CREATEDB CREATEROLE PASSWORD 'made'"
        )
        place = make_url(postgres_server).set(username=maker, password="made")
        url = place.render_as_string(hide_password=False)
        try:
            first = await create_databases(url, names)
            async with connect(first[names[0]]) as own:
                await own.execute("CREATE TABLE kept (id int)")
            second = await create_databases(url, names)

            assert first[names[0]] != second[names[0]]
            async with connect(second[names[0]]) as own:
                assert await own.fetchval("SELECT count(*) FROM kept") == 0
            stranger = make_url(second[names[0]]).set(database=names[1])
            with pytest.raises(Exception, match="permission denied for database"):
                async with connect(stranger.render_as_string(hide_password=False)):
                    pass
        finally:
            for name in names:
                await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            for role in (*names, maker):
                await server.execute(f"DROP ROLE IF EXISTS {role}")


class Slow(Sample):
    """Its handler waits until it is let go, and says nothing."""

    def __init__(self, database_url: str, amqp_url: str) -> None:
        self.let_go = asyncio.Event()
        self.deliveries = Deliveries()
        broker = make_broker(amqp_url)
        broker.add_middleware(self.deliveries)
        super().__init__(database_url, broker)
        add_report(self.app, self.deliveries)

    async def on_seat_expired(
        self, event: SeatExpiredV1, _session: AsyncSession, _now: datetime
    ) -> None:
        await self.let_go.wait()
        if self.fail_with:
            raise self.fail_with.pop(0)
        self.handled.append(event)


@asynccontextmanager
async def running(
    database_url: str, amqp_url: str
) -> AsyncIterator[tuple[Slow, Backlog]]:
    """The slow service, served, with the backlog of a fleet that has no other."""
    slow, port = Slow(database_url, amqp_url), free_port()
    async with make_broker(amqp_url) as declarer:
        await declare_topology(declarer, slow.handlers)
    backlog = Backlog(
        {"sample": f"http://127.0.0.1:{port}"}, "http://127.0.0.1:1", amqp_url
    )
    async with (
        slow.app.router.lifespan_context(slow.app),
        serving(slow.app, reserve(port)),
    ):
        while not slow.app.state.joined:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        yield slow, backlog
        slow.let_go.set()
        await backlog.close()


async def until(
    backlog: Backlog, good: Callable[[dict[str, int]], bool]
) -> dict[str, int]:
    async with asyncio.timeout(15):
        while not good(counts := await backlog.pending()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return counts


async def send(slow: Slow) -> None:
    await slow.parts.broker.publish(
        SeatExpiredV1(occurred_at=NOW, seat_id=new_id()),
        exchange=events_exchange(),
        routing_key=SeatExpiredV1.name,
    )


async def test_a_message_in_the_hands_of_a_handler_is_still_to_be_done(
    database: Database, amqp_vhost: str
) -> None:
    async with running(await database("scheduler"), amqp_vhost) as (slow, backlog):
        await until(backlog, lambda counts: not counts["moving"])
        await send(slow)
        busy = await until(
            backlog, lambda counts: bool(counts[QUEUE]) and not counts["moving"]
        )
        slow.let_go.set()
        calm = await until(backlog, lambda counts: not counts[QUEUE])

    assert busy[QUEUE] == 1
    # The double of this fleet does not exist, which counts as work.
    assert calm["stripe.webhooks"] == 1
    assert calm["moving"] == 1


async def test_a_message_that_waits_for_its_retry_is_still_to_be_done(
    database: Database, amqp_vhost: str
) -> None:
    async with running(await database("scheduler"), amqp_vhost) as (slow, backlog):
        slow.let_go.set()
        slow.fail_with = [RuntimeError("once")]
        await send(slow)
        await until(backlog, lambda counts: counts["retry.1s"] == 1)
        await until(backlog, lambda counts: counts["retry.1s"] == 0)
        await until(
            backlog,
            lambda counts: (
                not any(n for name, n in counts.items() if name != "stripe.webhooks")
            ),
        )

        assert len(slow.handled) == 1


async def test_whoever_cannot_be_asked_counts_as_work(amqp_vhost: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    amqp_url = make_url(amqp_vhost).set(port=free_port())
    backlog = Backlog(
        {"booking": nobody, "scheduler": nobody},
        nobody,
        amqp_url.render_as_string(hide_password=False),
    )

    counts = await backlog.pending()
    ticks = await backlog.tick_consequences()
    await backlog.close()

    unknown = {"booking.down": 1, "scheduler.down": 1, "moving": 1}
    assert counts == unknown | {"rabbitmq.down": 1, "stripe.webhooks": 1}
    assert ticks.items() >= unknown.items()


async def register(servers: Servers) -> None:
    body = {
        "email": f"{new_id().hex}@example.com",
        "password": "correct horse battery",
        "display_name": "Sam",
        "timezone": "Europe/Berlin",
        "roles": ["student"],
    }
    async with httpx2.AsyncClient(base_url=servers.url) as gateway:
        answer = await gateway.post("/v1/auth/register", json=body)
    assert answer.status_code == 201, answer.text


@pytest.mark.timeout(300)
async def test_a_fleet_is_killed_in_part_goes_on_and_dies_as_a_whole(
    given: dict[str, str],
) -> None:
    async with Servers(settings_of(given)) as servers:
        async with home_in(servers) as home:
            await seeds.basics(home)
        await servers.idle()
        await a_killed_service_is_missed_and_comes_back(servers)
        await all_share_the_time(servers)
    assert servers.ended() == {}

    await asyncio.to_thread(the_command_ends_all_when_one_dies, given)


async def a_killed_service_is_missed_and_comes_back(servers: Servers) -> None:
    backlog = backlog_of(servers)
    servers.kill9("notifications")
    await register(servers)
    missed = await until(backlog, lambda counts: not counts["moving"])
    assert missed["notifications.down"] == 1
    assert list(servers.ended()) == ["notifications"]

    await servers.restart("notifications")
    await servers.idle()
    after = await backlog.pending()
    await backlog.close()

    assert servers.ended() == {}
    assert "notifications.down" not in after
    async with httpx2.AsyncClient(base_url=servers.mailbox_url) as mailbox:
        mails = (await mailbox.get("/api/messages")).json()
    assert len(mails) >= 1


async def all_share_the_time(servers: Servers) -> None:
    async with httpx2.AsyncClient(base_url=servers.url) as gateway:
        before = (await gateway.get("/local/clock")).json()["now"]
    after = await servers.advance(timedelta(hours=2))
    moved = after - datetime.fromisoformat(before)
    assert timedelta(hours=2) <= moved < timedelta(hours=2, minutes=1)
    async with connect(servers.databases["scheduler"]) as ticks:
        newest = await ticks.fetchval("SELECT max(due_at) FROM ticks")
    assert timedelta(0) <= after - newest < timedelta(minutes=2)


def the_command_ends_all_when_one_dies(given: dict[str, str]) -> None:
    """There are people, so that nothing is planted and it is up at once."""
    run = subprocess.Popen(
        [sys.executable, "-m", "local.servers"],
        cwd=ROOT,
        env=os.environ | given,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    try:
        said = ""
        while "make demo" not in said:
            line = run.stdout.readline()
            assert line, said
            said += line
        family = descendants(run.pid)
        assert len(family) >= 2 * len(NAMES)
        os.kill(process_of("booking", family), signal.SIGKILL)
        rest, _ = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 1
    assert "booking ended, so everything stops" in rest
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline, family
        time.sleep(0.05)


def process_of(name: str, family: list[int]) -> int:
    wanted = f"local.servers.process\0{name}\0"
    [pid] = [
        pid
        for pid in family
        if Path(f"/proc/{pid}/cmdline").read_text().endswith(wanted)
    ]
    return pid


async def test_a_taken_port_is_refused(given: dict[str, str]) -> None:
    settings = settings_of(given)
    server = await asyncio.start_server(
        lambda _, __: None, "127.0.0.1", settings.mailbox_port
    )
    async with server:
        with pytest.raises(OSError, match=f"port {settings.mailbox_port} is taken"):
            await Servers(settings).start()
