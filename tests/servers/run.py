"""One server of each kind for a run: the controller starts it on first demand.

Workers ask over a loopback connection whose address they inherit in the environment.
"""

import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from threading import Lock, Thread
from typing import Any

import pytest

from tests.servers.sources import find_postgres, find_rabbitmq

ADDRESS = "SCRIMLINE_TEST_SERVERS"
FIXTURES = {"postgres_server": "postgres", "rabbitmq_server": "rabbitmq"}
"""The fixtures that need a server, and which one."""


class Servers:
    """Starts what is asked for, once, and ends it all on `close`."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []
        self._run, self._key = secrets.token_hex(4), secrets.token_hex(16)
        self._finders: dict[str, Callable[[], Any]] = {
            "postgres": lambda: find_postgres(self._run, self._ends.append),
            "rabbitmq": lambda: find_rabbitmq(self._ends.append),
        }
        self._found: dict[str, Future[Any]] = {}
        self._one_start = Lock()
        self._starters = ThreadPoolExecutor(len(self._finders))
        self._listener = Listener(("127.0.0.1", 0))
        self._open = True
        Thread(target=self._listen, daemon=True).start()

    @property
    def address(self) -> str:
        """What `ask` needs to know."""
        return f"{self._listener.address[1]}:{self._key}:{self._run}"

    def close(self) -> None:
        """End all servers, also one that is about to start."""
        self._end_all()
        self._starters.shutdown()
        self._end_all()
        self._open = False
        self._listener.close()

    def _end_all(self) -> None:
        for end in self._ends:
            end()

    def _listen(self) -> None:
        while self._open:
            with suppress(OSError):
                asked = self._listener.accept()
                Thread(target=self._answer, args=[asked], daemon=True).start()

    def _answer(self, asked: "Connection[Any, Any]") -> None:
        with asked, suppress(AuthenticationError, EOFError, OSError):
            # Not left to `accept`: there, a silent stranger would keep all waiting.
            deliver_challenge(asked, self._key.encode())
            answer_challenge(asked, self._key.encode())
            kind, wait = asked.recv()
            found = self._find(kind)
            if wait:
                error = found.exception()
                asked.send((None if error else found.result(), error and str(error)))

    def _find(self, kind: str) -> "Future[Any]":
        with self._one_start:
            if kind not in self._found:
                self._found[kind] = self._starters.submit(self._finders[kind])
            return self._found[kind]


def run_id() -> str:
    """Eight hexadecimal digits, the same in all workers of this run."""
    return os.environ[ADDRESS].split(":")[2]


def ask(kind: str, *, wait: bool = True) -> Any:
    """What `sources` found for `kind`; without `wait` only have it started.

    Raises RuntimeError that says what to install when there is none.
    """
    port, key, _ = os.environ[ADDRESS].split(":")
    with Client(("127.0.0.1", int(port)), authkey=key.encode()) as servers:
        servers.send((kind, wait))
        if not wait:
            return None
        found, error = servers.recv()
    if error:
        raise RuntimeError(error)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """In the controller, before it starts its workers."""
    if not hasattr(config, "workerinput"):
        servers = Servers()
        os.environ[ADDRESS] = servers.address
        config.add_cleanup(servers.close)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the servers start now that a later test will wait for."""
    wanted = {
        name for item in session.items for name in getattr(item, "fixturenames", ())
    }
    if not session.config.option.collectonly:
        for fixture in FIXTURES.keys() & wanted:
            ask(FIXTURES[fixture], wait=False)
