"""Rate limits that hold over all replicas and cost a request no query.

A replica leases a twentieth of a limit at a time from the gateway's database and spends
it in memory. The sum of all leases within a window never exceeds the limit; what a
replica leased and did not spend is lost until the window ends, so with many replicas a
subject may be refused up to a twentieth per replica too early. Windows start with a
subject's first request: at most twice the limit can fall around the end of one.
"""

import asyncio
import math
import time
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.errors import TooManyRequests
from shared.outages import is_outage

WINDOW = 60.0
LEASES_PER_WINDOW = 20
# While the database is down, each replica limits by itself and asks again after this.
PAUSE = 5.0
PATIENCE = 0.5
SUBJECTS = 100_000

LEASE = text("""
    INSERT INTO bucket AS held (key, used, granted, ends)
    VALUES (:key, :batch, :batch, now() + make_interval(secs => :window))
    ON CONFLICT (key) DO UPDATE SET
        used = CASE WHEN held.ends <= now() THEN :batch
                    ELSE LEAST(held.used + :batch, :limit) END,
        granted = CASE WHEN held.ends <= now() THEN :batch
                       ELSE LEAST(:batch, GREATEST(:limit - held.used, 0)) END,
        ends = CASE WHEN held.ends <= now() THEN excluded.ends ELSE held.ends END
    RETURNING granted, extract(epoch FROM held.ends - now())::float AS seconds
""")
SWEEP = text("DELETE FROM bucket WHERE ends < now()")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_window` requests within `window` seconds, for each subject."""

    name: str
    per_window: int
    window: float = WINDOW

    @property
    def batch(self) -> int:
        return max(1, self.per_window // LEASES_PER_WINDOW)


@dataclass(slots=True)
class Lease:
    """What this replica may still spend before `ends` (monotonic seconds).

    `exhausted` says that there is no more to be had until then.
    """

    left: int
    ends: float
    exhausted: bool


class Limits:
    """The limits of one replica."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._leases: dict[tuple[str, str], Lease] = {}
        self._leasing: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._down_until = 0.0

    async def take(self, limit: Limit, subject: str) -> None:
        """Count one request of the subject; raises TooManyRequests beyond the limit."""
        key = (limit.name, subject)
        while True:
            lease = self._leases.get(key)
            now = time.monotonic()
            if lease is not None and now < lease.ends:
                if lease.left:
                    lease.left -= 1
                    return
                if lease.exhausted:
                    raise TooManyRequests(
                        f"At most {limit.per_window} in {limit.window:g} seconds.",
                        retry_after=math.ceil(lease.ends - now),
                    )
            await self._renew(limit, key)

    async def sweep(self) -> int:
        """Forget windows that are over; answers how many."""
        try:
            async with self._engine.begin() as connection:
                return (await connection.execute(SWEEP)).rowcount
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("limits.not_swept", error=repr(error))
            return 0

    async def _renew(self, limit: Limit, key: tuple[str, str]) -> None:
        """Requests that arrive together share one lease; none spoils it by leaving."""
        task = self._leasing.get(key)
        if task is None:
            task = asyncio.create_task(self._lease(limit, key))
            self._leasing[key] = task
        await asyncio.shield(task)

    async def _lease(self, limit: Limit, key: tuple[str, str]) -> None:
        asked = time.monotonic()
        lease = Lease(limit.per_window, asked + limit.window, exhausted=True)
        try:
            if asked >= self._down_until:
                granted, seconds = await self._ask(limit, key)
                lease = Lease(granted, asked + seconds, exhausted=granted == 0)
        except Exception as error:  # whatever it is, requests go on
            log.warning("limits.database_down", error=repr(error))
            self._down_until = asked + PAUSE
        finally:
            del self._leasing[key]
        self._leases.pop(key, None)
        self._leases[key] = lease
        if len(self._leases) > SUBJECTS:
            del self._leases[next(iter(self._leases))]

    async def _ask(self, limit: Limit, key: tuple[str, str]) -> tuple[int, float]:
        parameters = {
            "key": " ".join(key),
            "batch": limit.batch,
            "limit": limit.per_window,
            "window": limit.window,
        }
        async with asyncio.timeout(PATIENCE), self._engine.begin() as connection:
            row = (await connection.execute(LEASE, parameters)).one()
        return row.granted, row.seconds
