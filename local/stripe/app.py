import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from local.stripe import api, contract, controls, page
from local.stripe.account import ProductTime
from local.stripe.double import Double
from local.stripe.settings import DoubleSettings
from shared.web import answer_with_problems
from shared.workers import Worker, running


class DoubleApp(FastAPI):
    """Lets routes reach the connection, which a lost answer has to cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


def create_app(settings: DoubleSettings, clock: ProductTime) -> FastAPI:
    """The double as a web app, to be served by uvicorn.

    `app.state.sweep()` does what fell due when the clock moved; `app.state.pending()`
    counts webhooks still to be delivered and refunds that will still change.
    """
    double = Double(settings, clock)

    async def sweep() -> int:
        double.sweep()
        return 0

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(contract.operations)  # reads files for a quarter second
        workers = [Worker("stripe.sweep", sweep, interval=1.0)]
        async with running(workers), double.webhooks.running():
            yield
        double.store.close()

    app = DoubleApp(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.double = double
    app.state.sweep = double.sweep
    app.state.pending = double.pending
    app.include_router(controls.router)
    app.include_router(page.router)
    app.include_router(api.router)
    answer_with_problems(app)
    return app
