"""What every test gets: the servers of `tests.servers`, and a guard over its loop."""

import gc
import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

pytest_plugins = ["tests.servers.run", "tests.servers.fixtures"]

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

EXAMPLES = 100 * int(os.environ.get("THOROUGH", "1"))

settings.register_profile("here", deadline=None, max_examples=EXAMPLES)
settings.register_profile("ci", deadline=None, max_examples=EXAMPLES, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


TOGETHER = (
    "tests/flows/test_killed.py",
    "tests/flows",
    "tests/races",
    "tests/browser",
    "tests/local/test_demo.py",
    "tests/local/test_house.py",
    "tests/local/test_rooms.py",
)
"""Whose tests share a marketplace, which takes longer to start than most tests."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """One worker gets all that share something; every other test goes by itself.

    The mark `xdist_group` has no effect with pytest 9.2 (pytest-xdist #1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, TOGETHER), nodeid)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadScopeScheduling:
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long begins first: no worker is alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


gc.disable()


def pytest_collection_finish() -> None:
    """What is imported by now stays: no collection of garbage looks through it."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # tests make much, and most of it is forgotten
    gc.enable()


class LoopErrors(logging.Handler):
    """Keeps what event loops complain about."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def loop_errors() -> Iterator[list[str]]:
    """Fails a test whose loop complains: an exception nobody retrieved, a lost task.

    A test that provokes such a complaint asks for this list and clears it.
    """
    handler = LoopErrors()
    logging.getLogger("asyncio").addHandler(handler)
    yield handler.messages
    logging.getLogger("asyncio").removeHandler(handler)
    assert not handler.messages
