from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db import Sessions, engine_of, make_sessions
from shared.outages import is_outage
from shared.statements import Statement, connected


@pytest.fixture
async def sessions(
    database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[Sessions]:
    sessions = make_sessions(await database("scheduler"), 1)
    yield sessions
    await engine_of(sessions).dispose()


@pytest.mark.parametrize(
    ("sqlstate", "outage"),
    [
        ("08006", True),  # connection failure
        ("25006", True),  # read-only, as a primary is that became a standby
        ("53100", True),  # disk full
        ("53200", True),  # out of memory
        ("53300", True),  # too many connections
        ("53400", True),  # another limit that an operator set
        ("57P01", True),  # shut down by an admin
        ("57P02", True),  # shut down by a crash
        ("57P03", True),  # starting
        ("58030", True),  # I/O error
        ("22012", False),  # division by zero
        ("23505", False),  # not unique
        ("23P01", False),  # excluded
        ("25001", False),  # not allowed inside a transaction
        ("40P01", False),  # deadlock
        ("42P01", False),  # no such table
        ("55P03", False),  # a lock that was not to be waited for
        ("57014", False),  # cancelled, also by a time limit of our own
        ("58P01", False),  # no such file
        ("XX000", False),  # a bug of the server
    ],
)
async def test_the_state_that_the_database_tells_says_whether_it_is_down(
    sessions: Sessions, sqlstate: str, outage: bool
) -> None:
    failing = text(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$")

    with pytest.raises(asyncpg.PostgresError) as plain:
        async with connected(sessions) as connection:
            await Statement(failing).fetch(connection)
    with pytest.raises(DBAPIError) as wrapped:
        async with sessions() as session:
            await session.exec(failing)  # type: ignore[call-overload]

    assert is_outage(plain.value) is outage
    assert is_outage(wrapped.value) is outage
