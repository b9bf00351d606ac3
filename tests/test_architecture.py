"""The walls of the house: who imports whom, and how big anything may grow."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "services", "shared", "local")
LONGEST_FILE = 400
LONGEST_FUNCTION = 40

BREACHES = {
    "services": ("services/coaches/domain.py", "import services.booking.settings"),
    "shared": ("shared/clock.py", "import services.booking.domain"),
    "inward": ("services/booking/app.py", "import local.clock"),
    "door": ("gateway/app.py", "import services.booking.app"),
    "rooms": ("services/coaches/models.py", "import services.coaches.api"),
    "pure": ("services/booking/domain/slots.py", "import sqlalchemy"),
    "stripe": ("services/booking/events.py", "import stripe"),
    "settings": ("services/accounts/api.py", "import services.accounts.settings"),
}


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(  # noqa: S603
        [program, "--no-cache", "--contract", contract],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that may be broken."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        only_code = shutil.ignore_patterns("__pycache__", "*.html", "*.sqlite*")
        shutil.copytree(ROOT / package, folder / package, ignore=only_code)
    return folder


@pytest.mark.parametrize("contract", sorted(BREACHES))
def test_a_planted_breach_of_an_import_contract_is_caught(
    contract: str, copy: Path
) -> None:
    place, line = BREACHES[contract]
    file = copy / place
    before = file.read_text()
    try:
        file.write_text(f"{before}\n{line}\n")
        broken = lint(copy, contract)
    finally:
        file.write_text(before)

    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout
    kept = lint(copy, contract)
    assert kept.returncode == 0, kept.stdout


@pytest.mark.parametrize("name", ["strange", "utils"])
def test_a_room_that_no_service_has_is_caught(name: str, copy: Path) -> None:
    room = copy / "services" / "coaches" / f"{name}.py"
    room.write_text("")
    try:
        broken = lint(copy, "rooms")
    finally:
        room.unlink()

    assert broken.returncode == 1, broken.stdout


def sources() -> list[Path]:
    """All Python files but migrations, which are history."""
    return [
        path
        for folder in (*PACKAGES, "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    ]


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := path.read_text().count("\n")) > LONGEST_FILE
    }

    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in sources():
        if path.is_relative_to(ROOT / "tests"):
            continue  # what an answer must be may take a page to say
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")

    assert long == []


def test_every_folder_of_code_is_a_package() -> None:
    homeless = {
        str(path.parent.relative_to(ROOT))
        for path in sources()
        if not (path.parent / "__init__.py").exists()
    }

    assert homeless == set()
