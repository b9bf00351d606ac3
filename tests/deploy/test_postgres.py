"""The script that PostgreSQL's container runs, on a real PostgreSQL."""

import os
import re
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from local.databases import connect
from local.postgres import SYSTEM, Postgres
from local.settings import SERVICES
from shared import db
from tests.servers.private import private_postgres

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres-databases.sh"
OWNERS = (*SERVICES, "gateway")
PASSWORDS = {name: f'{name}\'s "quoted" pass\\word' for name in OWNERS}

pytestmark = pytest.mark.skipif(
    not [*SYSTEM.glob("*/bin/psql")], reason="the script needs PostgreSQL's own psql"
)


def run(
    server: Postgres, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """As the container's entry point does, but over TCP."""
    url = make_url(server.url)
    binaries = sorted(SYSTEM.glob("*/bin/psql"))[-1].parent
    connection = {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGPASSWORD": str(url.password),
        "POSTGRES_USER": str(url.username),
        "POSTGRES_DB": "postgres",
    }
    return subprocess.run(  # noqa: S603
        [SCRIPT],
        env=connection | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def url(server: Postgres, role: str, database: str) -> str:
    return (
        make_url(server.url)
        .set(username=role, password=PASSWORDS[role], database=database)
        .set(drivername="postgresql+asyncpg")
        .render_as_string(hide_password=False)
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with private_postgres() as server:
        environment = {
            f"{name.upper()}_DATABASE_PASSWORD": password
            for name, password in PASSWORDS.items()
        }
        done = run(server, environment)
        assert done.returncode == 0, done.stderr
        yield server


@pytest.mark.parametrize("name", OWNERS)
async def test_a_service_can_migrate_its_own_database(
    server: Postgres, name: str
) -> None:
    package = name if name == "gateway" else f"services.{name}"
    await db.migrate(url(server, name, name), package)

    async with connect(url(server, name, name)) as own:
        assert await own.fetchval("SELECT count(*) FROM alembic_version") == 1


async def test_nobody_connects_to_the_database_of_another(server: Postgres) -> None:
    doors = [*permutations(OWNERS, 2), *((name, "postgres") for name in OWNERS)]
    for role, database in doors:
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match="permission denied for database"
        ):
            async with connect(url(server, role, database)):
                pass


async def test_a_role_can_do_nothing_outside_its_database(server: Postgres) -> None:
    async with connect(url(server, "booking", "booking")) as own:
        for forbidden in (
            "CREATE DATABASE another",
            "CREATE ROLE another",
            "ALTER ROLE payments PASSWORD 'mine'",
            "COPY (SELECT 1) TO PROGRAM 'cat'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await own.execute(forbidden)


def test_a_missing_password_stops_it(server: Postgres) -> None:
    done = run(server, {"ACCOUNTS_DATABASE_PASSWORD": ""})

    assert done.returncode == 1
    assert done.stderr == "ACCOUNTS_DATABASE_PASSWORD must be set\n"


def test_it_makes_a_database_for_everybody_who_has_migrations() -> None:
    [made] = re.findall(r"^for service in (.*); do$", SCRIPT.read_text(), re.MULTILINE)

    assert made.split() == list(OWNERS)
