"""The frame around each HTTP request: its ids, its log context, its trace."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import logs, traces
from shared.ids import new_id
from shared.metrics import Metrics, observe

WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and WELL_FORMED.fullmatch(value):
            return bytes(value).decode()
    return str(new_id())


class RequestContext:
    """Gives each request an id that its logs, its events and its answer carry."""

    def __init__(
        self, app: ASGIApp, service: str, metrics: Metrics, tracer: traces.Tracer
    ) -> None:
        self.app = observe(app, metrics)
        self.service = service
        self.tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = request_id(scope)

        with (
            logs.context(
                service=self.service, request_id=identity, correlation_id=identity
            ),
            traces.server_span(self.tracer, scope) as span,
        ):

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [
                        *message.get("headers", ()),
                        (b"x-request-id", identity.encode()),
                    ]
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, answer)
