"""Metrics of one service, in a registry of its own: services may share a process."""

from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "unmatched"


class Metrics:
    """What operators watch. Labels come from routes and handlers, so they are few."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "http_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["method", "route"],
            registry=self.registry,
        )
        self._events = Counter(
            "events_handled_total",
            "Messages by what became of them: ok, duplicate, retried, outage, dead.",
            ["handler", "outcome"],
            registry=self.registry,
        )
        self._event_seconds = Histogram(
            "event_seconds",
            "Time in a handler, its transaction included.",
            ["handler"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "outbox_waiting", "Events not sent yet.", registry=self.registry
        )
        self._oldest = Gauge(
            "outbox_oldest_seconds",
            "How long the oldest of them has waited.",
            registry=self.registry,
        )

    def request_answered(
        self, method: str, route: str, status: int, seconds: float
    ) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def event_handled(self, handler: str, outcome: str, seconds: float) -> None:
        self._events.labels(handler, outcome).inc()
        self._event_seconds.labels(handler).observe(seconds)

    def outbox_waiting(self, count: int, oldest: datetime | None) -> None:
        self._waiting.set(count)
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0
        self._oldest.set(age)

    def render(self) -> tuple[bytes, str]:
        """The text Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def observe(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """`app`, with each request measured under its route's template.

    A path that no route matched counts as `unmatched`: strangers must not be able to
    fill the registry with paths of their own.
    """

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status = 500
        started = perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            metrics.request_answered(
                scope["method"], route, status, perf_counter() - started
            )

    return measured
