"""Whole runs of pytest in processes of their own, ended in every way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from local.processes import descendants, temporary_folder
from tests.servers import docker, sources
from tests.servers.run import ADDRESS, ask

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
OURS = ("TEST_DATABASE_URL", "TEST_AMQP_URL", "PYTEST_XDIST_WORKER", ADDRESS)

OPTIONS = (
    f"-q -c {ROOT}/pyproject.toml --rootdir {ROOT} -p tests.conftest "
    "-p no:cacheprovider"
).split(" ")

SAMPLE = """
import asyncio, os
from pathlib import Path
import pytest
import aio_pika
from local.postgres import connect

async def use(postgres_server, amqp_vhost):
    async with connect(postgres_server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    async with await aio_pika.connect(amqp_vhost):
        Path(os.environ["SEEN"]).mkdir(exist_ok=True)
        (Path(os.environ["SEEN"]) / str(os.getpid())).write_text(postgres_server)

async def test_first(postgres_server, amqp_vhost):
    await use(postgres_server, amqp_vhost)

async def test_second(postgres_server, amqp_vhost):
    await use(postgres_server, amqp_vhost)

@pytest.mark.skipif("HANG" not in os.environ, reason="only to be killed")
async def test_that_hangs(postgres_server, amqp_vhost):
    await use(postgres_server, amqp_vhost)
    await asyncio.sleep(1000)

def test_pure():
    assert True
"""


class Run:
    """A pytest process on the sample, its temporary folder and all it started."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.temporary = temporary_folder(None)
        # The servers' user must be able to enter it.
        self.temporary.chmod(0o711)
        self.seen = folder / "seen"
        self.output = folder / "output"
        sample = folder / "test_sample.py"
        sample.write_text(SAMPLE)
        inherited = {k: v for k, v in os.environ.items() if k not in OURS}
        inherited |= {"TMPDIR": f"{self.temporary}", "SEEN": f"{self.seen}"}
        # No pipe: workers that are about to end would hold it open.
        with self.output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "pytest", *OPTIONS, str(sample), *arguments],
                cwd=ROOT,
                env=inherited | environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.family: set[int] = set()

    def watch_until(self, tests: int) -> None:
        """Until so many test processes have used both servers."""
        deadline = time.monotonic() + 120
        while len(self.servers_seen()) < tests:
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.family |= set(descendants(self.process.pid))

    def servers_seen(self) -> list[str]:
        return [file.read_text() for file in self.seen.glob("*")]

    def folders(self) -> list[Path]:
        return list(self.temporary.glob("scrimline-*"))

    def finish(self) -> tuple[int, str]:
        code = self.process.wait(100)
        return code, self.output.read_text()

    def assert_nothing_stays(self) -> None:
        deadline = time.monotonic() + 60
        while alive(self.family) or self.folders():
            assert time.monotonic() < deadline, (alive(self.family), self.folders())
            time.sleep(0.1)


def alive(pids: set[int]) -> set[int]:
    """Those that run; a zombie waits only for its parent to look."""
    running = set()
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            running.add(pid)
    return running


@contextmanager
def a_run(folder: Path, *arguments: str, **environment: str) -> Iterator[Run]:
    run = Run(folder, *arguments, **environment)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        shutil.rmtree(run.temporary)


def test_a_run_shares_one_server_of_each_kind_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    with a_run(tmp_path, "-n", "2") as run:
        run.watch_until(1)
        code, output = run.finish()
        assert code == 0, output
        assert "3 passed, 1 skipped" in output
        assert len(set(run.servers_seen())) == 1
        assert len(run.family) >= 5
        run.assert_nothing_stays()


@pytest.mark.parametrize(
    ("how", "workers"), [(signal.SIGKILL, "2"), (signal.SIGTERM, "0")]
)
def test_a_killed_run_leaves_no_process_and_no_folder(
    tmp_path: Path, workers: str, how: signal.Signals
) -> None:
    with a_run(tmp_path, "-n", workers, "-k", "hangs", HANG="1") as run:
        run.watch_until(1)
        assert len(run.folders()) == 2
        run.process.send_signal(how)
        run.finish()
        run.assert_nothing_stays()


def test_a_unit_test_starts_no_server(tmp_path: Path) -> None:
    with a_run(tmp_path, "-n", "0", "-k", "pure") as run:
        seen: set[str] = set()
        while run.process.poll() is None:
            seen |= {folder.name for folder in run.folders()}
            time.sleep(0.01)
        code, output = run.finish()
        assert code == 0, output
        assert seen == set()


def test_a_given_server_is_used_and_left_as_it_was(
    tmp_path: Path, postgres_server: str, amqp_vhost: str
) -> None:
    given = {
        "TEST_DATABASE_URL": postgres_server.replace("://", "+asyncpg://"),
        "TEST_AMQP_URL": amqp_vhost,
    }
    with a_run(tmp_path, "-n", "2", **given) as run:
        run.watch_until(1)
        code, output = run.finish()
        assert code == 0, output
        assert set(run.servers_seen()) == {postgres_server}
        assert run.folders() == []


def test_a_stranger_gets_no_answer(postgres_server: str) -> None:
    assert postgres_server
    port = int(os.environ[ADDRESS].split(":")[0])
    with pytest.raises(Exception, match="digest"):
        Client(("127.0.0.1", port), authkey=b"guess")
    socket.create_connection(("127.0.0.1", port)).close()
    assert ask("postgres") == postgres_server


def test_without_any_server_the_failure_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TEST_AMQP_URL", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr("tests.servers.rabbitmq.SCRIPTS", "nowhere/*")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match=r"TEST_AMQP_URL.*tests\.servers\.install"):
        sources.find_rabbitmq(lambda _: None)


@pytest.mark.parametrize(
    ("status", "answers"),
    [("200 OK", True), ("503 Service Unavailable", False)],
)
def test_an_engine_is_believed_when_it_answers_a_ping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, answers: bool
) -> None:
    place = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    assert not docker.engine_answers()
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(place))
        engine.listen()

        def serve() -> None:
            asking, _ = engine.accept()
            with asking:
                assert asking.recv(100).startswith(b"GET /_ping ")
                asking.sendall(f"HTTP/1.1 {status}\r\n\r\nOK".encode())

        server = threading.Thread(target=serve)
        server.start()
        assert docker.engine_answers() == answers
        server.join()
