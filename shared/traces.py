"""Traces that pass from a request through the outbox and a message to its handlers.

The context travels as W3C `traceparent` and `tracestate`, in HTTP headers and in
message headers. Each service has a tracer of its own and nothing is global, because
several services may share a process. Spans carry no path and no exception's message:
both may hold what is private. The log line with the span's id has the details.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from shared.metrics import UNMATCHED, method, route_template

W3C = TraceContextTextMapPropagator()


class Tracer:
    """Starts the spans of one service."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("scrimline")

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        headers: Mapping[str, str],
        attributes: Mapping[str, str],
    ) -> Iterator[Span]:
        """A span under the one that `headers` name; a new trace if they name none."""
        with self._tracer.start_as_current_span(
            name,
            W3C.extract(headers, Context()),
            kind,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__qualname__)
                raise

    def shutdown(self) -> None:
        """Send what is left and stop. Blocks, for 10 s if the collector is down."""
        self.provider.shutdown()


def configure(service: str, endpoint: str | None) -> Tracer:
    """A tracer whose spans go to the OTLP/HTTP collector at `endpoint`, in batches.

    `endpoint` is the collector's base URL, such as `http://collector:4318`. Without one
    nothing is sent, yet ids are made and passed on.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    if endpoint:
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracer(provider)


@contextmanager
def server_span(tracer: Tracer, scope: Scope) -> Iterator[Span]:
    """The span of one HTTP request, under the caller's; named after its route."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
    }
    verb = method(scope)
    attributes = {"http.request.method": verb}
    with tracer.span(verb, SpanKind.SERVER, _only_w3c(headers), attributes) as span:
        try:
            yield span
        finally:
            route = route_template(scope)
            if route != UNMATCHED:
                span.update_name(f"{verb} {route}")
                span.set_attribute("http.route", route)


@contextmanager
def consumer_span(
    tracer: Tracer, headers: Mapping[str, Any], name: str
) -> Iterator[Span]:
    """The span of one delivery to the queue `name`, under the publisher's span."""
    attributes = {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "process",
        "messaging.destination.name": name,
    }
    with tracer.span(name, SpanKind.CONSUMER, _only_w3c(headers), attributes) as span:
        yield span


def current_headers() -> dict[str, str]:
    """The present span as message headers; empty outside any span."""
    headers: dict[str, str] = {}
    W3C.inject(headers)
    return headers


def _only_w3c(headers: Mapping[str, Any]) -> dict[str, str]:
    """What may be parsed: foreign publishers put any type into any header."""
    given = {name: headers.get(name) for name in W3C.fields}
    return {name: text for name, text in given.items() if isinstance(text, str)}
