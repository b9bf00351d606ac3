from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.notifications.given import World, a_world


@pytest.fixture
async def world(
    database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[World]:
    async with a_world(await database("notifications")) as world:
        yield world
