"""Statements of the hot paths, past SQLAlchemy and straight to asyncpg.

Its layers cost a short statement several times what the database does. They still write
the SQL, once; what each execution needs is a list of arguments.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import BindParameter, PoolProxiedConnection, bindparam
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import ClauseElement, visitors
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.db import Sessions, engine_of
from shared.errors import Outage

DIALECT = dialect()  # type: ignore[no-untyped-call]


class Statement:
    """One statement as PostgreSQL gets it; `bindparam("name")` is what varies.

    All other values stand in its text, where the planner sees them. Arguments and rows
    are as asyncpg has them, not as the columns' types would make them.
    """

    def __init__(self, query: ClauseElement) -> None:
        fixed = cast(ClauseElement, visitors.replacement_traverse(query, {}, _inlined))
        compiled = fixed.compile(
            dialect=DIALECT, compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self._names: list[str] = compiled.positiontup or []  # type: ignore[attr-defined]

    async def fetch(
        self, connection: asyncpg.Connection, **arguments: Any
    ) -> list[asyncpg.Record]:
        """All rows. Arguments that the statement does not use are left out."""
        values = [arguments[name] for name in self._names]
        rows: list[asyncpg.Record] = await connection.fetch(self.text, *values)
        return rows


def _inlined(element: Any, **_: Any) -> ClauseElement | None:
    if not isinstance(element, BindParameter):
        return None
    if element.required:
        # to be written without a value, which a required one is not
        return bindparam(element.key, type_=element.type, required=False)
    return element.render_literal_execute()


@asynccontextmanager
async def reading(sessions: Sessions) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool outside of any transaction, to read with.

    Each statement sees what is committed when it begins. Raises Outage when the server
    has gone.
    """
    engine = engine_of(sessions)
    held = await engine.raw_connection()
    while _driver(held).is_closed():  # by a server that was stopped since
        held.invalidate()
        held = await engine.raw_connection()
    connection = _driver(held)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if connection.is_closed():
            raise Outage("The database closed the connection.") from error
        raise
    finally:
        held.close()


def _driver(held: PoolProxiedConnection) -> asyncpg.Connection:
    assert held.driver_connection is not None
    return held.driver_connection


async def in_transaction(session: AsyncSession) -> asyncpg.Connection:
    """The connection of the session's transaction, which a statement has begun.

    What the session has not flushed is not seen, and what it has read stays as it was.
    """
    connection = await session.connection()
    driver = _driver(await connection.get_raw_connection())
    assert driver.is_in_transaction(), "SQLAlchemy begins with the first statement"
    return driver
