"""Many people who all want something of the one process that serves them."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

AT_ONCE = 4
"""More would not be served any sooner, and everybody would wait longer."""


async def in_turn(wishes: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What each of them comes to, a few at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(wish: Coroutine[Any, Any, T]) -> T:
        async with places:
            return await wish

    return await asyncio.gather(*map(one, wishes))
