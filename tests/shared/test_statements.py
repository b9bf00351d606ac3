import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    MetaData,
    Table,
    bindparam,
    column,
    func,
    literal,
    select,
    text,
    values,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared import db
from shared.db import Sessions, enum_column, make_sessions
from shared.errors import Outage
from shared.statements import Statement, a_row_of, connected, in_transaction

Database = Callable[[str], Awaitable[str]]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


NUMBERS = values(
    column("number", Integer),
    column("colour", enum_column(Colour)),
    name="numbers",
    literal_binds=True,
).data([(1, Colour.RED), (2, Colour.BLUE), (3, Colour.RED)])
RED_ONES = Statement(
    select(NUMBERS.c.number)
    .where(
        NUMBERS.c.number >= bindparam("least"),
        NUMBERS.c.colour.in_([Colour.RED]),
        bindparam("least") > literal(-1),
    )
    .order_by(NUMBERS.c.number)
)
SLEEP = Statement(select(func.pg_sleep(60)))
END = text("SELECT pg_terminate_backend(:pid)")


@pytest.fixture
async def sessions(database: Database) -> Any:
    sessions = make_sessions(await database("scheduler"), 1)
    yield sessions
    await db.engine_of(sessions).dispose()


async def end(sessions: Sessions, pid: int) -> None:
    """End that connection, over one of our own, as a server that stops does."""
    other = make_sessions(str(db.engine_of(sessions).url.render_as_string(False)), 1)
    async with other() as session:
        await session.exec(END, params={"pid": pid})  # type: ignore[call-overload]
    await db.engine_of(other).dispose()


async def test_a_statement_takes_its_arguments_by_name_and_others_too(
    sessions: Sessions,
) -> None:
    async with connected(sessions) as connection:
        rows = await RED_ONES.fetch(connection, least=2, most=7)

    assert [tuple(row) for row in rows] == [(3,)]


def test_a_statement_shows_the_planner_all_that_does_not_vary() -> None:
    assert "IN ('red')" in RED_ONES.text
    assert "> -1" in RED_ONES.text
    assert RED_ONES.text.count("$1") == 2
    assert "$2" not in RED_ONES.text


async def test_an_argument_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="least"):
        await RED_ONES.fetch(None)


async def test_rows_are_written_as_the_types_of_their_columns_say(
    sessions: Sessions,
) -> None:
    kept = Table(
        "kept",
        MetaData(),
        Column("id", BigInteger, Identity()),
        Column("colour", enum_column(Colour)),
        Column("more", JSONB),
    )
    row = Statement(a_row_of(kept))
    async with sessions() as session:
        connection = await in_transaction(session)
        await (await session.connection()).run_sync(kept.metadata.create_all)
        await row.execute(
            connection,
            [{"colour": Colour.RED, "more": [1]}, {"colour": Colour.BLUE, "more": {}}],
        )
        rows = await connection.fetch("SELECT id, colour, more FROM kept ORDER BY id")

    assert [tuple(each) for each in rows] == [(1, "red", [1]), (2, "blue", {})]


async def test_what_is_read_is_in_no_transaction(sessions: Sessions) -> None:
    async with connected(sessions) as connection:
        assert not connection.is_in_transaction()


async def test_a_connection_that_was_closed_while_it_rested_is_not_used(
    sessions: Sessions,
) -> None:
    async with connected(sessions) as connection:
        pid = connection.get_server_pid()
    async with connected(sessions) as connection:
        assert connection.get_server_pid() == pid
    await end(sessions, pid)
    async with asyncio.timeout(10):
        while not connection.is_closed():  # noqa: ASYNC110 - it is told by the server
            await asyncio.sleep(0.01)

    async with connected(sessions) as connection:
        assert connection.get_server_pid() != pid
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_server_that_goes_while_it_is_asked_is_an_outage(
    sessions: Sessions,
) -> None:
    async def ask() -> None:
        async with connected(sessions) as connection:
            pids.append(connection.get_server_pid())
            await SLEEP.fetch(connection)

    pids: list[int] = []
    asking = asyncio.create_task(ask())
    while not pids:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await end(sessions, pids[0])

    with pytest.raises(Outage):
        await asking
    async with connected(sessions) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_mistake_in_a_statement_is_no_outage(sessions: Sessions) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with connected(sessions) as connection:
            await connection.execute("SELECT * FROM nothing")


async def test_statements_see_what_their_transaction_wrote(sessions: Sessions) -> None:
    async with sessions() as session:
        connection = await in_transaction(session)
        assert connection.is_in_transaction()
        await connection.execute("CREATE TABLE drawn (number int)")
        await session.exec(text("INSERT INTO drawn VALUES (7)"))  # type: ignore[call-overload]
        connection = await in_transaction(session)
        assert await connection.fetchval("SELECT number FROM drawn") == 7
        await session.rollback()

    async with connected(sessions) as connection:
        assert await connection.fetchval("SELECT to_regclass('drawn')") is None
