"""Work that a service does by itself: send events, call vendors, emit ticks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

LONGEST_PAUSE = 5.0

Note = Callable[[str, str], None]
"""Told the name of a worker and how its step ended: done, idle or failed."""


@dataclass(frozen=True)
class Worker:
    """`step` does what is due and returns how much that was; it is called for ever.

    It is called again at once while it finds work, after the `wake` event, or after
    `interval` seconds. What it raises is logged; it is then tried again after a pause
    that doubles up to five seconds.
    """

    name: str
    step: Callable[[], Awaitable[int]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    interval: float = 1.0

    async def run(self, note: Note) -> None:
        pause = self.interval
        while True:
            self.wake.clear()
            try:
                done = await self.step()
            except Exception:
                log.exception("worker.failed", worker=self.name)
                note(self.name, "failed")
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = self.interval
            note(self.name, "done" if done else "idle")
            if not done:
                # not wait_for: until Python 3.12 it can swallow a cancellation
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.interval):
                        await self.wake.wait()


@contextlib.asynccontextmanager
async def running(
    workers: Sequence[Worker], note: Note = lambda *_: None
) -> AsyncIterator[None]:
    """Run the workers while the block lasts; at its end they are cancelled and gone."""
    tasks = [asyncio.create_task(each.run(note), name=each.name) for each in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
