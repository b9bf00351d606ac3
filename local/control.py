"""What local mode adds at the gateway: a clock to move, a question whether all is done.

None of these routes exists when the gateway runs outside local mode.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

from fastapi import FastAPI, Header
from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from local import pages
from local.clock import MovableClock
from local.settings import LocalSettings
from shared import web
from shared.errors import Unavailable
from shared.inputs import Input, Instant, Int, Output

Key = Annotated[str | None, Header(max_length=255)]

Pending = Callable[[], Awaitable[dict[str, int]]]

LONGEST_MOVE = timedelta(days=31)
PATIENCE = 30.0
GLANCE = 0.05


class Move(Input):
    advance_seconds: Annotated[Int, Field(ge=0, le=LONGEST_MOVE.total_seconds())]


class Time(Output):
    now: Instant


class StillBusy(Unavailable):
    slug = "still-busy"
    title = "Something is still to be done"


class MovingIn(Unavailable):
    slug = "moving-in"
    title = "The demo data is still being planted"


async def until_empty(pending: Pending, patience: float) -> dict[str, int]:
    """Wait until nothing is pending, `patience` seconds at most; return what is left.

    Two looks in a row must find nothing: a message may be between two places.
    """
    calm = 0
    left: dict[str, int] = {}
    deadline = asyncio.get_running_loop().time() + patience
    while asyncio.get_running_loop().time() < deadline:
        left = {name: count for name, count in (await pending()).items() if count}
        calm = 0 if left else calm + 1
        if calm > 1:
            break
        await asyncio.sleep(GLANCE)
    return left


def create_app(
    settings: LocalSettings,
    clock: MovableClock,
    advance: Callable[[timedelta], Awaitable[None]],
    pending: Pending,
    tick_consequences: Pending,
) -> FastAPI:
    """The local routes; everything else is the gateway's.

    `advance` moves time. `pending` counts all work that is not done yet, by name;
    `tick_consequences` only the ticks that are due and the messages that carry them.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    moved: deque[str | None] = deque(maxlen=100)
    web.answer_with_problems(app)

    @app.get("/local/clock")
    async def read_clock() -> Time:
        _refuse_in_the_past(clock)
        return Time(now=clock.now())

    @app.post("/local/clock")
    async def move_clock(move: Move, idempotency_key: Key = None) -> Time:
        """Asked again under the same key, it does not move again."""
        _refuse_in_the_past(clock)
        if idempotency_key is None or idempotency_key not in moved:
            moved.append(idempotency_key)
            await advance(timedelta(seconds=move.advance_seconds))
        await _require_nothing(tick_consequences, "Ticks are still being handled.")
        return Time(now=clock.now())

    @app.get("/local/idle")
    async def idle() -> dict[str, str]:
        await _require_nothing(pending, "Not idle yet.")
        return {"status": "idle"}

    app.include_router(pages.make_router(settings, clock))
    return app


async def _require_nothing(pending: Pending, otherwise: str) -> None:
    if left := await until_empty(pending, PATIENCE):
        raise StillBusy(otherwise, retry_after=1, left=left)


def _refuse_in_the_past(clock: MovableClock) -> None:
    if clock.behind:
        raise MovingIn("People and sessions are being planted.", retry_after=1)


class Door:
    """Sends local mode's own paths to its app and all others to the gateway."""

    def __init__(self, own: ASGIApp, gateway: ASGIApp) -> None:
        self._own = own
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        own = path == "/" or path.startswith(("/local/", "/checkout/"))
        await (self._own if own else self._gateway)(scope, receive, send)


__all__ = ["Door", "create_app", "until_empty"]
