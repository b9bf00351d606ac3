"""Traces that pass from a request through the outbox and a message to its handlers.

The context travels as W3C `traceparent` and `tracestate`, in HTTP headers and in
message headers. Each service has a tracer of its own and nothing is global, because
several services may share a process. Spans carry no path and no exception's message:
both may hold what is private. The log line with the span's id has the details.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from shared.metrics import UNMATCHED, method, route_template

W3C = TraceContextTextMapPropagator()
W3C_FIELDS = frozenset(name.encode() for name in W3C.fields)
IDS = RandomIdGenerator()
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


class Tracer:
    """Starts the spans of one service; `processor` gets them when they end.

    Without one no span is recorded, which costs a tenth: ids are made and passed on.
    """

    def __init__(self, service: str, processor: SpanProcessor | None) -> None:
        self._provider: TracerProvider | None = None
        if processor is not None:
            self._provider = TracerProvider(
                resource=Resource.create({"service.name": service}),
                shutdown_on_exit=False,
            )
            self._provider.add_span_processor(processor)
            self._tracer = self._provider.get_tracer("scrimline")

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        headers: Mapping[str, str],
        attributes: Mapping[str, str],
    ) -> Iterator[Span]:
        """A span under the one that `headers` name; a new trace if they name none."""
        caller = W3C.extract(headers, Context()) if headers else Context()
        if self._provider is None:
            with _passed_on(caller) as unrecorded:
                yield unrecorded
            return
        with self._tracer.start_as_current_span(
            name,
            caller,
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
        if self._provider is not None:
            self._provider.shutdown()


@contextmanager
def _passed_on(caller: Context) -> Iterator[Span]:
    """A span of the caller's trace, sampled if that is, which nobody records."""
    above = trace.get_current_span(caller).get_span_context()
    span = trace.NonRecordingSpan(
        trace.SpanContext(
            above.trace_id if above.is_valid else IDS.generate_trace_id(),
            IDS.generate_span_id(),
            is_remote=False,
            trace_flags=above.trace_flags if above.is_valid else SAMPLED,
            trace_state=above.trace_state,
        )
    )
    token = context.attach(trace.set_span_in_context(span, caller))
    try:
        yield span
    finally:
        context.detach(token)


def configure(service: str, endpoint: str | None) -> Tracer:
    """A tracer whose spans go to the OTLP/HTTP collector at `endpoint`, in batches.

    `endpoint` is the collector's base URL, such as `http://collector:4318`. Without one
    nothing is sent, yet ids are made and passed on.
    """
    if not endpoint:
        return Tracer(service, None)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    return Tracer(service, BatchSpanProcessor(exporter))


@contextmanager
def server_span(tracer: Tracer, scope: Scope) -> Iterator[Span]:
    """The span of one HTTP request, under the caller's; named after its route."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in W3C_FIELDS
    }
    verb = method(scope)
    attributes = {"http.request.method": verb}
    with tracer.span(verb, SpanKind.SERVER, headers, attributes) as span:
        try:
            yield span
        finally:
            route = route_template(scope) if span.is_recording() else UNMATCHED
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
