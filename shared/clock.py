"""Product time: the one clock that holds, ticks and reminders live by.

Tokens, signatures, retry delays and rate limits follow real time instead: they must
not run out because a demonstration looked a month ahead.
"""

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where `now` comes from. Given to `create_app`, then passed on as an argument."""

    def now(self) -> datetime:
        """The present instant of the product, in UTC."""
        ...

    async def until(self, instant: datetime) -> None:
        """Return once product time has reached `instant`."""
        ...


class SystemClock:
    """Product time is real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def until(self, instant: datetime) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110
            # in pieces, because the host's clock may be set meanwhile
            await asyncio.sleep(min(left, 60))
