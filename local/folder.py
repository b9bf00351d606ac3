"""The folder that a house keeps its data in: one house at a time, until forgotten."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local.postgres import forget_dead_postmaster, kept_folder
from local.processes import unprivileged

LOCK = "lock"
POSTGRES = "postgres"
KEPT = ("clock*", "keys*", "*.sqlite*", "servers")
"""What there is besides the database."""


@contextmanager
def held(data: Path, url: str) -> Iterator[None]:
    """Keep others out while the block lasts, or while we live.

    Raises RuntimeError that says where it answers when another process has it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise RuntimeError(
                f"{data.absolute()} is in use by {lock.read()}: stop that first, "
                "or name another folder in DATA"
            ) from error
        lock.truncate(0)
        lock.write(url)
        lock.flush()
        yield


def forget(data: Path) -> None:
    """Remove what houses keep in the folder, also where root's database really lies.

    To be called while it is `held`. What is not ours stays.
    """
    database = kept_folder(data / POSTGRES, unprivileged("postgres"))
    forget_dead_postmaster(database / "data")
    for folder in (database, data / POSTGRES):
        shutil.rmtree(folder, ignore_errors=True)
    for pattern in KEPT:
        for entry in data.glob(pattern):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def reset(data: Path) -> None:
    """Forget all that a house keeps there; RuntimeError while one does."""
    with held(data, "`make reset`"):
        forget(data)
        (data / LOCK).unlink()
    with suppress(OSError):  # something else is in there
        data.rmdir()
