"""Server processes that end when we do, also when we are killed with -9.

Each server is the child of a guardian, a small Python process of its own that reads our
orders from a pipe. The end of the pipe is our end: the guardian then stops the server
and everything it has started, removes the folder if that was temporary, and goes.

This file is both sides: `Process` for us, `Guardian` when it is run as a script. The
guardian runs without site-packages, so that nothing here may import more than the
standard library.
"""

import contextlib
import ctypes
import json
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FIRST_PORT, PORTS = 20_000, 12_000
"""Below the range from which systems take ports for outgoing connections: a server that
is down for a moment finds its port still free."""

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is nobody else's
ROOM = 2 * 1024**3

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def unprivileged(*names: str) -> str | None:
    """The user that a server runs as: the first of `names` that exists, for root only.

    `initdb`, `postgres` and RabbitMQ refuse root. None: stay who we are.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in (*names, "nobody") if name in known)


def identity(user: str | None) -> dict[str, Any]:
    """What makes `subprocess` run as `user`."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def reaches(user: str | None, path: Path) -> bool:
    """Whether `user` can run or enter `path`; a parent folder may be closed to it."""
    probe = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", 'test -x "$0"', path],
        cwd="/",
        check=False,
        start_new_session=True,  # a Ctrl-C is for us, not for a no
        **identity(user),
    )
    return probe.returncode == 0


def temporary_folder(user: str | None) -> Path:
    """An empty folder for `user` alone, which a temporary process removes.

    In memory where there is `ROOM`, unless TMPDIR names a place: a disk pays for each
    of the thousand files of a database that comes and goes, and ext4 even looks for a
    number that no file of the last minute had.
    """
    wanted = Path(tempfile.gettempdir())
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        wanted = MEMORY
    parent = wanted if reaches(user, wanted) else Path("/var/tmp")  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="scrimline-", dir=parent))
    give(folder, user)
    return folder


def has_room(folder: Path) -> bool:
    """Whether it is there, may be written to, and has `ROOM` left."""
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= ROOM


def give(path: Path, user: str | None) -> None:
    """Make `path` belong to `user`."""
    if user is not None:
        os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)


def free_port() -> int:
    """A loopback port that nobody listens on now and that nobody else is given."""
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with contextlib.suppress(OSError):
            claim(port)
            return port


def claim(port: int) -> None:
    """Keep others who look for a free port from this one, for as long as we live.

    Raises OSError when it is taken or claimed. The sign is the UDP port of its number:
    the servers want TCP, and the kernel takes the sign down, however we end.
    """
    with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as sign:
        probe.bind(("127.0.0.1", port))
        sign.bind(("127.0.0.1", port))
        sign.detach()  # so that nothing but our end closes it


class Process:
    """One server process. Blocking; call it through `asyncio.to_thread` from a loop.

    `temporary`: when it is closed, or we die, it gets `end_signal` and `folder` is
    removed; otherwise it gets `stop_signal`. Killed is what is left after `patience` s.
    What it says goes to `<folder>/<name>.log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        end_signal: signal.Signals = signal.SIGKILL,
        patience: float = 20,
        temporary: bool = False,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._env = env
        self._spec = {
            "command": [str(part) for part in command],
            "folder": str(folder),
            "user": user,
            "stop_signal": int(stop_signal),
            "end_signal": int(end_signal),
            "patience": patience,
            "temporary": temporary,
        }
        self._guardian: subprocess.Popen[str] | None = None
        self._one_order = threading.Lock()

    def start(self, ready: Callable[[], bool], patience: float = 60) -> None:
        """Start the server and wait until `ready` says so.

        Raises RuntimeError with the end of its log when it ends first.
        """
        if self._guardian is None:
            self._guardian = self._appoint()
        if (answer := self._order("start")) != "started":
            raise RuntimeError(f"{self.name} cannot be started: {answer}")
        deadline = time.monotonic() + patience
        while not ready():
            if not self.running:
                raise RuntimeError(f"{self.name} did not start:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not ready:\n{self.last_words()}")
            time.sleep(0.02)

    @property
    def running(self) -> bool:
        """Whether the server process is there, ready or not, paused or not."""
        return self._guardian is not None and self._order("status") == "running"

    def stop(self) -> None:
        """Stop it in good order. It can be started again."""
        self._order("stop")

    def kill9(self) -> None:
        """Kill it and all it has started, at once. It can be started again."""
        self._order("kill")

    def pause(self) -> None:
        """Freeze it: connections stay open and nobody answers."""
        self._order("pause")

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._order("resume")

    def close(self) -> None:
        """End it for good. Nothing happens when it is closed twice."""
        guardian, self._guardian = self._guardian, None
        if guardian is None:
            if self._spec["temporary"]:
                shutil.rmtree(str(self._spec["folder"]), ignore_errors=True)
            return
        guardian.terminate()
        guardian.wait()
        with self._one_order:
            for pipe in (guardian.stdin, guardian.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close() if pipe else None

    def last_words(self) -> str:
        """The end of its log."""
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_text(errors="replace")[-2_000:]
        return ""

    def _appoint(self) -> "subprocess.Popen[str]":
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", __file__, json.dumps(self._spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                cwd="/",
                text=True,
                start_new_session=True,
            )

    def _order(self, order: str) -> str:
        guardian = self._guardian
        if guardian is None:
            raise RuntimeError(f"{self.name} was not started, or was closed")
        assert guardian.stdin is not None
        assert guardian.stdout is not None
        with self._one_order, contextlib.suppress(BrokenPipeError, ValueError):
            guardian.stdin.write(f"{order}\n")
            guardian.stdin.flush()
            if answer := guardian.stdout.readline().strip():
                return answer
        raise RuntimeError(f"the guardian of {self.name} is gone")


class Guardian:
    """Runs the server, does what it is told, and outlives neither duty."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.server: subprocess.Popen[bytes] | None = None
        self.libc = ctypes.CDLL(None)

    def serve(self) -> None:
        """Obey until the pipe ends, our parent is another one, or SIGTERM comes."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._prctl(PR_SET_CHILD_SUBREAPER, 1)
        parent = os.getppid()
        try:
            while os.getppid() == parent:
                # A fork of our parent may hold the pipe open: look at the parent, too.
                if select.select([0], [], [], 1)[0]:
                    order = os.read(0, 100).decode().strip()
                    if not order:
                        break
                    os.write(1, f"{getattr(self, f'obey_{order}')()}\n".encode())
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.finish()

    def obey_start(self) -> str:
        try:
            self.server = self._spawn()
        except OSError as error:
            return str(error)
        return "started"

    def obey_status(self) -> str:
        running = self.server is not None and self.server.poll() is None
        return "running" if running else "ended"

    def obey_stop(self) -> str:
        return self._stop(self.spec["stop_signal"])

    def _stop(self, number: int) -> str:
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(number)
            self.obey_resume()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(self.spec["patience"])
        return self.obey_kill()

    def obey_kill(self) -> str:
        deadline = time.monotonic() + 10
        while self._signal(signal.SIGKILL) and time.monotonic() < deadline:
            if self.server is not None:
                self.server.poll()
            # Orphans of the server have become ours.
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.002)
        return "ended"

    def obey_pause(self) -> str:
        self._signal(signal.SIGSTOP)
        return "paused"

    def obey_resume(self) -> str:
        self._signal(signal.SIGCONT)
        return "running"

    def finish(self) -> None:
        if not self.spec["temporary"]:
            self.obey_stop()
            return
        self._stop(self.spec["end_signal"])
        shutil.rmtree(self.spec["folder"], ignore_errors=True)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603
            self.spec["command"],
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            cwd=self.spec["folder"],
            start_new_session=True,
            # When somebody kills the guardian itself, the kernel kills the server.
            preexec_fn=lambda: self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            **identity(self.spec["user"]),
        )

    def _signal(self, number: signal.Signals) -> bool:
        """To every process below us, oldest first; False when there is none."""
        family = descendants(os.getpid())
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(family)

    def _prctl(self, option: int, value: int) -> None:
        if sys.platform == "linux":
            self.libc.prctl(option, value, 0, 0, 0)


def descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`, parents first.

    A process group is not enough: PostgreSQL's backends and Erlang's ports leave it.
    """
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def _parents() -> list[tuple[int, int]]:
    if not Path("/proc/self/stat").exists():
        table = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, check=True
        )
        rows = [line.split() for line in table.stdout.splitlines()]
        return [(int(pid), int(parent)) for pid, parent in rows]
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace")
                # The command in parentheses may hold spaces and parentheses.
                parent = stat.rpartition(")")[2].split()[1]
                found.append((int(entry.name), int(parent)))
    return found


if __name__ == "__main__":
    Guardian(json.loads(sys.argv[1])).serve()
