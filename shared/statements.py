"""Statements of the hot paths, past SQLAlchemy and straight to asyncpg.

Its layers cost a short statement several times what the database does. They still write
the SQL, once; what each execution needs is a list of arguments.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import BindParameter, PoolProxiedConnection, Table, bindparam, inspect
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.util import greenlet_spawn
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.db import Sessions, engine_of
from shared.errors import Outage

DIALECT = dialect()  # type: ignore[no-untyped-call]


class Statement:
    """One statement as PostgreSQL gets it; `bindparam("name")` is what varies.

    All other values stand in its text, where the planner sees them. Arguments are of
    the columns' types; rows are as asyncpg has them. Raises Outage when the server has
    gone.
    """

    def __init__(self, query: ClauseElement) -> None:
        fixed = cast(ClauseElement, visitors.replacement_traverse(query, {}, _inlined))
        compiled = fixed.compile(
            dialect=DIALECT, compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self._arguments = [
            (name, _encoder(compiled.binds[name]))  # type: ignore[attr-defined]
            for name in compiled.positiontup or []  # type: ignore[attr-defined]
        ]

    async def fetch(
        self, connection: asyncpg.Connection, **arguments: Any
    ) -> list[asyncpg.Record]:
        """All rows. Arguments that the statement does not use are left out."""
        values = self._values(arguments)
        with _outages(connection):
            rows: list[asyncpg.Record] = await connection.fetch(self.text, *values)
        return rows

    async def execute(
        self, connection: asyncpg.Connection, arguments: Iterable[Mapping[str, Any]]
    ) -> None:
        """Once for each of the `arguments`, in one round trip."""
        with _outages(connection):
            await connection.executemany(
                self.text, [self._values(each) for each in arguments]
            )

    def _values(self, arguments: Mapping[str, Any]) -> list[Any]:
        return [
            arguments[name] if encode is None else encode(arguments[name])
            for name, encode in self._arguments
        ]


def _encoder(parameter: BindParameter[Any]) -> Callable[[Any], Any] | None:
    encode: Callable[[Any], Any] | None = parameter.type.dialect_impl(
        DIALECT
    ).bind_processor(DIALECT)
    return encode


@contextmanager
def _outages(connection: asyncpg.Connection) -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if connection.is_closed():
            raise Outage("The database closed the connection.") from error
        raise


def a_row_of(table: type[SQLModel] | Table) -> Insert:
    """To insert a row of all columns, each an argument of its name.

    Those that the database counts up are left to it.
    """
    columns = inspect(table).columns if isinstance(table, type) else table.columns
    return insert(table).values(
        {
            each.name: bindparam(each.name, type_=each.type)
            for each in columns
            if each.identity is None
        }
    )


def _inlined(element: Any, **_: Any) -> ClauseElement | None:
    if not isinstance(element, BindParameter):
        return None
    if element.required:
        # to be written without a value, which a required one is not
        return bindparam(element.key, type_=element.type, required=False)
    return element.render_literal_execute()


@asynccontextmanager
async def connected(sessions: Sessions) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool, in no transaction but those that the block opens.

    Outside of them each statement sees what is committed when it begins.
    """
    engine = engine_of(sessions)
    held = await engine.raw_connection()
    while _driver(held).is_closed():  # by a server that was stopped since
        await greenlet_spawn(held.invalidate)
        held = await engine.raw_connection()
    try:
        yield _driver(held)
    finally:
        # where the pool is full, this ends the connection, for which SQLAlchemy waits
        await greenlet_spawn(held.close)


def _driver(held: PoolProxiedConnection) -> asyncpg.Connection:
    assert held.driver_connection is not None
    return held.driver_connection


async def in_transaction(session: AsyncSession) -> asyncpg.Connection:
    """The connection of the session's transaction, for statements that belong to it.

    What the session has added is flushed; what it has read stays as it was.
    """
    await session.flush()
    connection = await session.connection()
    driver = _driver(await connection.get_raw_connection())
    if not driver.is_in_transaction():
        # SQLAlchemy begins with the first statement it sends itself
        await connection.exec_driver_sql("SELECT 1")
    return driver
