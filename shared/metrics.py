"""What Prometheus reads from a service: requests, events, outbox and workers."""

from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

UNMATCHED = "unmatched"


class Metrics:
    """The measurements of one service, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests answered; a request that broke off counts as 500.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "http_request_seconds",
            "From the head of a request to the last byte of its answer.",
            ["method", "route"],
            registry=self.registry,
        )
        self._events = Counter(
            "events_handled",
            "Deliveries: ok, duplicate, retried, dead or outage.",
            ["handler", "outcome"],
            registry=self.registry,
        )
        self._event_seconds = Histogram(
            "event_seconds",
            "From a delivery to its acknowledgement, whatever the outcome.",
            ["handler"],
            registry=self.registry,
        )
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._watch_work()

    def _watch_work(self) -> None:
        self._outbox_rows = Gauge(
            "outbox_waiting",
            "Events committed and not yet on the broker.",
            registry=self.registry,
        )
        self._outbox_age = Gauge(
            "outbox_oldest_seconds",
            "Age of the oldest event that waits; 0 when none does.",
            registry=self.registry,
        )
        self._worker_runs = Counter(
            "worker_runs",
            "Steps of the service's own workers: done, idle or failed.",
            ["worker", "outcome"],
            registry=self.registry,
        )

    def request_answered(
        self, method: str, route: str, status: int, seconds: float
    ) -> None:
        """Count a request; `route` is a template, never a path somebody sent."""
        kept = self._answered.get((method, route, status))
        if kept is None:
            kept = self._answered[method, route, status] = (
                self._requests.labels(method, route, str(status)),
                self._request_seconds.labels(method, route),
            )
        count, duration = kept
        count.inc()
        duration.observe(seconds)

    def event_handled(self, handler: str, outcome: str, seconds: float) -> None:
        """Count a delivery; `outcome` is ok, duplicate, retried, dead or outage."""
        self._events.labels(handler, outcome).inc()
        self._event_seconds.labels(handler).observe(seconds)

    def outbox_waiting(self, rows: int, oldest: datetime | None) -> None:
        """Set how many events wait, the oldest since `oldest` (real time)."""
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        self._outbox_rows.set(rows)
        self._outbox_age.set(max(age, 0.0))

    def worker_ran(self, worker: str, outcome: str) -> None:
        """Count a step of a worker; `outcome` is ok or failed."""
        self._worker_runs.labels(worker, outcome).inc()

    def render(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def method(scope: Scope) -> str:
    """The request's method; OTHER for one that a client made up."""
    return scope["method"] if scope["method"] in METHODS else "OTHER"


def route_template(scope: Scope) -> str:
    """`/v1/sessions/{session_id}` of a routed request, with the routers' prefixes.

    To be asked after the application was called; "unmatched" if no route was found.
    """
    # FastAPI keeps what `include_router` added to a route beside the route
    included = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(included or scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED


def observe(app: ASGIApp, metrics: Metrics) -> ASGIApp:
    """Measure every HTTP request of `app`, up to the last byte of its answer."""

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started, ended, status = perf_counter(), None, 500

        async def watch(message: Message) -> None:
            nonlocal ended, status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body":
                ended = None if message.get("more_body") else perf_counter()

        try:
            await app(scope, receive, watch)
        except Exception:
            if ended is None:  # the client has nothing, or half of an answer
                status = 500
            raise
        finally:
            seconds = (ended or perf_counter()) - started
            metrics.request_answered(
                method(scope), route_template(scope), status, seconds
            )

    return measured
