"""A program as a person at a terminal meets it: what it says and what it leaves."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.processes import descendants

ROOT = Path(__file__).parents[2]


class Program:
    """`python -m <module> [arguments]`, started at once, with `env` besides our own.

    What it says on both streams goes to a file of its own in `folder`.
    """

    def __init__(self, folder: Path, *command: str, **env: str) -> None:
        self.output = folder / f"{time.monotonic_ns()}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.family: set[int] = set()

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, patience: float = 90) -> None:
        """Return once it has said the text."""
        deadline = time.monotonic() + patience
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Remember whom it has started by now, then signal it alone."""
        self.family.update(descendants(self.process.pid))
        self.process.send_signal(number)

    def end(self, patience: float = 60) -> int:
        """Its exit status, once it has ended and all that it started is gone."""
        status = self.process.wait(patience)
        deadline = time.monotonic() + patience
        while left := [pid for pid in self.family if alive(pid)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)
        return status

    def kill(self) -> None:
        """Whatever became of it, it and its family end."""
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self.end()


def alive(pid: int) -> bool:
    """A zombie whose parent has not looked yet is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def assert_no_errors(said: str) -> None:
    """The program told of no exception; if it did, show all it said about it."""
    found = re.search(r"(?:.*\n){0,4}.*(?:Traceback|Error\b)(?:.*\n?){0,60}", said)
    if found:
        pytest.fail(found[0])
