"""What an operator watches of the gateway."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """On a registry of its own: several applications may share the process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "gateway_request_seconds",
            "Time from a request's head to the end of its answer, by who answered.",
            ["service", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, int], Histogram] = {}

    def observe(self, service: str, status: int, seconds: float) -> None:
        """Count one request; `status` is 0 when the client left before the answer."""
        key = (service, status)
        child = self._children.get(key)
        if child is None:
            child = self._requests.labels(service, str(status))
            self._children[key] = child
        child.observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
