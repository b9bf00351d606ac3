"""Traces: one tree from the client's request through outbox and messages to the mail.

Context travels as W3C `traceparent`: in HTTP headers, in outbox rows, in messages.
There is no global provider, because several services may share a process.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import (
    TraceContextTextMapPropagator,
)
from starlette.types import Scope

_propagator = TraceContextTextMapPropagator()


def make_provider(service: str, endpoint: str | None) -> TracerProvider:
    """Spans go to the OTLP/HTTP collector at `endpoint`; without one, only ids travel.

    `shutdown()` at the end sends what is left.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if endpoint is not None:
        exporter = OTLPSpanExporter(endpoint=endpoint)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


@contextlib.contextmanager
def server_span(tracer: Tracer, scope: Scope) -> Iterator[None]:
    """The span of one HTTP request, a child of the caller's if it sent one."""
    headers = {
        name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]
    }
    with tracer.start_as_current_span(
        scope["method"],
        context=_parent(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
    ) as span:
        yield
        if (route := getattr(scope.get("route"), "path", None)) is not None:
            span.update_name(f"{scope['method']} {route}")


@contextlib.contextmanager
def consumer_span(
    tracer: Tracer, headers: Mapping[str, Any], name: str
) -> Iterator[None]:
    """The span of one handled message, a child of what published it."""
    with tracer.start_as_current_span(
        name, context=_parent(headers), kind=SpanKind.CONSUMER
    ):
        yield


def current_headers() -> dict[str, str]:
    """The present trace as headers, for an outbox row to carry on."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers


def _parent(headers: Mapping[str, Any]) -> Context:
    known = {
        name: str(headers[name])
        for name in ("traceparent", "tracestate")
        if name in headers
    }
    return _propagator.extract(known)


__all__ = ["Tracer", "consumer_span", "current_headers", "make_provider", "server_span"]
