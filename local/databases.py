"""A database of its own for each service, on any PostgreSQL server."""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import URL, make_url

EXTENSIONS = ("btree_gist",)

ONE_AT_A_TIME = 23617
"""The advisory lock under which databases are made."""


async def create_databases(
    server: str, names: Iterable[str], passwords: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A database and its owner of the same name for each name; returns their URLs.

    `server` is the URL of a role that may create databases and roles. The answer is
    `postgresql+asyncpg://name:password@host:port/name`. Only the owner, the superuser
    and whoever made it may connect. Called again it keeps the data and sets the
    password anew: the given one, else a random one.
    """
    place = make_url(server)
    given = passwords or {}
    urls = {}
    async with connect(server) as connection:
        await connection.execute(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
        for name in names:
            password = given.get(name) or secrets.token_urlsafe(24)
            await _create_owner(connection, name, password)
            await _create_database(connection, name, place.set(database=name))
            url = place.set(
                drivername="postgresql+asyncpg",
                username=name,
                password=password,
                database=name,
            )
            urls[name] = url.render_as_string(hide_password=False)
    return urls


async def _create_owner(
    connection: asyncpg.Connection, name: str, password: str
) -> None:
    known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    verb = "ALTER" if known else "CREATE"
    role = await connection.fetchval(
        "SELECT format('ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)",
        name,
        password,
    )
    await connection.execute(f"{verb} {role}")
    if not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", name):
        # Nobody but a superuser may give a database to a role it is no member of.
        quoted = await connection.fetchval("SELECT quote_ident($1)", name)
        await connection.execute(f"GRANT {quoted} TO CURRENT_USER")


async def _create_database(
    connection: asyncpg.Connection, name: str, inside_url: URL
) -> None:
    known = await connection.fetchval(
        "SELECT 1 FROM pg_database WHERE datname = $1", name
    )
    quoted = await connection.fetchval("SELECT quote_ident($1)", name)
    if not known:
        await connection.execute(f"CREATE DATABASE {quoted} OWNER {quoted}")
    await connection.execute(f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
    async with connect(inside_url.render_as_string(hide_password=False)) as inside:
        for extension in EXTENSIONS:
            await inside.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[asyncpg.Connection]:
    """One connection, closed at the end; the URL may name SQLAlchemy's driver."""
    plain = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()
