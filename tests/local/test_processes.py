import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from local import processes
from local.processes import Process, descendants, free_port, temporary_folder

SLEEPER = ["/bin/sh", "-c", "sleep 1000 & echo $! > child; exec sleep 1000"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo up > child; while :; do sleep 1; done"]
OWNER = """
import sys, time
from pathlib import Path
from local.processes import Process
folder = Path(sys.argv[1])
process = Process("server", sys.argv[2:], folder, temporary=True)
process.start((folder / "child").exists)
print("up", flush=True)
time.sleep(1000)
"""
# Where there are so few that two who look for themselves meet.
SEEKER = """
import sys
from local import doors, processes
from local.settings import LocalSettings
processes.PORTS = 600
bases = [doors.free_base() for _ in range(20)]
print(*[port for base in bases for port in LocalSettings(port_base=base).ports])
sys.stdout.flush()
sys.stdin.read()
"""


def alive(pid: int) -> bool:
    """A zombie whose parent has not looked yet is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(*pids: int, folder: Path | None = None) -> None:
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) or (folder and folder.exists()):
        assert time.monotonic() < deadline, (pids, folder)
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = temporary_folder(None)
    yield folder
    with contextlib.suppress(FileNotFoundError):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_what_is_temporary_is_in_memory_where_there_is_room_and_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def home() -> Path:
        made = temporary_folder(None)
        made.rmdir()
        return made.parent

    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    disk.mkdir()
    monkeypatch.setattr(processes, "MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.delenv("TMPDIR", raising=False)
    assert home() == memory

    monkeypatch.setattr(processes, "ROOM", shutil.disk_usage(memory).total + 1)
    assert home() == disk

    monkeypatch.setattr(processes, "ROOM", 0)
    monkeypatch.setenv("TMPDIR", str(disk))
    assert home() == disk


def sleeper(folder: Path) -> Process:
    return Process("sleeper", SLEEPER, folder, temporary=True)


def says_who_is_its_child(file: Path) -> bool:
    """The shell makes the file before it writes into it."""
    return file.exists() and bool(file.read_text())


def start(process: Process, folder: Path) -> list[int]:
    """The process ids of the sleeper and those around it, once it has its child."""
    (folder / "child").unlink(missing_ok=True)
    process.start(lambda: says_who_is_its_child(folder / "child"))
    [guardian] = filter(partial(is_told_of, folder), descendants(os.getpid()))
    return [guardian, *descendants(guardian)]


def is_told_of(folder: Path, pid: int) -> bool:
    """Whether the folder is among the arguments of the process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return str(folder) in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return False


def test_closing_ends_the_whole_family_and_removes_the_folder(folder: Path) -> None:
    process = sleeper(folder)
    family = start(process, folder)
    assert len(family) >= 3
    process.close()
    wait_until_gone(*family, folder=folder)
    process.close()


def test_a_killed_server_can_be_started_again(folder: Path) -> None:
    with contextlib.closing(sleeper(folder)) as process:
        start(process, folder)
        child = int((folder / "child").read_text())
        process.kill9()
        assert not process.running
        wait_until_gone(child)
        start(process, folder)
        assert process.running


def test_a_paused_server_stands_still_and_can_be_stopped(folder: Path) -> None:
    with contextlib.closing(sleeper(folder)) as process:
        start(process, folder)
        child = int((folder / "child").read_text())
        process.pause()
        deadline = time.monotonic() + 5
        while Path(f"/proc/{child}/stat").read_text().split()[2] != "T":
            assert time.monotonic() < deadline
        process.resume()
        process.pause()
        process.stop()
        assert not process.running


def test_a_server_deaf_to_the_gentle_signal_is_killed(folder: Path) -> None:
    process = Process("deaf", STUBBORN, folder, patience=0.2, temporary=True)
    with contextlib.closing(process):
        start(process, folder)
        process.stop()
        assert not process.running


def test_a_server_that_ends_while_starting_says_why(folder: Path) -> None:
    command = ["/bin/sh", "-c", "echo no such disk; exit 3"]
    process = Process("broken", command, folder, temporary=True)
    with contextlib.closing(process), pytest.raises(RuntimeError, match="no such disk"):
        process.start(lambda: False)


def test_a_server_that_is_never_ready_is_given_up(folder: Path) -> None:
    with contextlib.closing(sleeper(folder)) as process, pytest.raises(TimeoutError):
        process.start(lambda: False, patience=0.1)


def test_a_command_that_is_not_there_is_an_error(folder: Path) -> None:
    process = Process("absent", ["/nowhere/server"], folder, temporary=True)
    with contextlib.closing(process), pytest.raises(RuntimeError, match="nowhere"):
        process.start(lambda: True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_when_the_owner_ends(folder: Path, how: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", OWNER, str(folder), *SLEEPER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        family = descendants(owner.pid)
        assert len(family) >= 3
        owner.send_signal(how)
    wait_until_gone(*family, folder=folder)


def test_the_kernel_ends_a_server_whose_guardian_is_killed(folder: Path) -> None:
    process = sleeper(folder)
    guardian, server, *_ = start(process, folder)
    child = int((folder / "child").read_text())
    os.kill(guardian, signal.SIGKILL)
    wait_until_gone(server)
    with pytest.raises(RuntimeError, match="guardian of sleeper is gone"):
        process.stop()
    os.kill(child, signal.SIGKILL)
    process.close()


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


def test_no_port_is_given_twice_also_not_by_two_processes() -> None:
    with contextlib.ExitStack() as stack:
        seekers = [stack.enter_context(seeker()) for _ in range(2)]
        said = [each.stdout.readline() for each in seekers if each.stdout]

    ports = [int(port) for line in said for port in line.split()]
    assert len(ports) == len(set(ports)) == 2 * 20 * 3


def seeker() -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SEEKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
