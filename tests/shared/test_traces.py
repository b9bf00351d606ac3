import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import traces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Recorded:
    """A service's tracer and the spans it has finished."""

    def __init__(self, service: str) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = traces.Tracer(service, SimpleSpanProcessor(self._exporter))

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def span(self) -> ReadableSpan:
        (only,) = self.spans()
        return only


@pytest.fixture
def booking() -> Recorded:
    return Recorded("booking")


@pytest.fixture
def payments() -> Recorded:
    return Recorded("payments")


def trace_id(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return trace.format_trace_id(context.trace_id)


def span_id(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return trace.format_span_id(context.span_id)


def parent_id(span: ReadableSpan) -> str | None:
    return trace.format_span_id(span.parent.span_id) if span.parent else None


def traced(app: ASGIApp, tracer: traces.Tracer) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        with traces.server_span(tracer, scope):
            await app(scope, receive, send)

    return call


@pytest.fixture
async def client(booking: Recorded) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()

    @app.get("/v1/sessions/{session_id}")
    async def one(session_id: str) -> dict[str, str]:
        if session_id == "broken":
            raise ValueError("private")
        return traces.current_headers()

    transport = httpx2.ASGITransport(
        traced(app, booking.tracer), raise_app_exceptions=False
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as each:
        yield each


async def test_a_request_continues_the_trace_of_its_caller(
    client: httpx2.AsyncClient, booking: Recorded
) -> None:
    headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1"}
    inside = (await client.get("/v1/sessions/7", headers=headers)).json()

    span = booking.span()
    assert (trace_id(span), parent_id(span)) == (TRACE, PARENT)
    assert span.kind is SpanKind.SERVER
    assert inside == {
        "traceparent": f"00-{TRACE}-{span_id(span)}-01",
        "tracestate": "vendor=1",
    }


async def test_a_request_is_named_after_its_route_and_holds_no_path(
    client: httpx2.AsyncClient, booking: Recorded
) -> None:
    await client.get("/v1/sessions/private")

    span = booking.span()
    assert span.name == "GET /v1/sessions/{session_id}"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/sessions/{session_id}",
    }
    assert span.resource.attributes["service.name"] == "booking"


async def test_a_request_that_no_route_serves_is_named_after_its_method(
    client: httpx2.AsyncClient, booking: Recorded
) -> None:
    await client.get("/private")

    assert booking.span().name == "GET"


async def test_a_request_that_fails_is_marked_without_what_the_exception_says(
    client: httpx2.AsyncClient, booking: Recorded
) -> None:
    await client.get("/v1/sessions/broken")

    span = booking.span()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert "private" not in span.to_json()


async def test_every_request_without_a_caller_is_a_trace_of_its_own(
    client: httpx2.AsyncClient, booking: Recorded
) -> None:
    await client.get("/v1/sessions/1")
    with traces.consumer_span(booking.tracer, {}, "booking.on_paid"):
        await client.get("/v1/sessions/2")

    spans = booking.spans()
    assert len({trace_id(each) for each in spans}) == len(spans) == 3
    assert [each.parent for each in spans] == [None, None, None]


async def test_one_trace_passes_from_a_request_through_messages_to_their_handlers(
    client: httpx2.AsyncClient, booking: Recorded, payments: Recorded
) -> None:
    stored = (await client.get("/v1/sessions/1")).json()
    with traces.consumer_span(payments.tracer, stored, "payments.on_seat_held"):
        published = traces.current_headers()
    with traces.consumer_span(booking.tracer, published, "booking.on_paid"):
        pass

    request, confirmed = booking.spans()
    held = payments.span()
    assert {trace_id(each) for each in (request, held, confirmed)} == {
        trace_id(request)
    }
    assert parent_id(held) == span_id(request)
    assert parent_id(confirmed) == span_id(held)
    assert (held.name, held.kind) == ("payments.on_seat_held", SpanKind.CONSUMER)
    assert held.resource.attributes["service.name"] == "payments"


def test_a_message_that_is_delivered_twice_has_two_spans_in_one_trace(
    booking: Recorded,
) -> None:
    for _ in range(2):
        headers = {"traceparent": TRACEPARENT, "x-attempt": 1}
        with traces.consumer_span(booking.tracer, headers, "booking.on_paid"):
            pass

    first, second = booking.spans()
    assert trace_id(first) == trace_id(second) == TRACE
    assert span_id(first) != span_id(second)


def test_a_handler_that_fails_is_marked_and_its_exception_goes_on(
    booking: Recorded,
) -> None:
    with (
        pytest.raises(TimeoutError),
        traces.consumer_span(booking.tracer, {}, "booking.on_paid"),
    ):
        raise TimeoutError("private")

    span = booking.span()
    assert span.status.status_code is StatusCode.ERROR
    assert "private" not in span.to_json()


def test_outside_any_span_nothing_is_carried() -> None:
    assert traces.current_headers() == {}


@pytest.mark.parametrize("flags", ["00", "01"])
def test_without_a_collector_a_trace_is_passed_on_as_it_came(flags: str) -> None:
    tracer = traces.configure("booking", None)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "tracestate": "vendor=1"}
    with traces.consumer_span(tracer, headers, "booking.on_paid") as span:
        carried = traces.current_headers()

    ours = trace.format_span_id(span.get_span_context().span_id)
    assert ours != PARENT
    assert carried == {
        "traceparent": f"00-{TRACE}-{ours}-{flags}",
        "tracestate": "vendor=1",
    }
    assert traces.current_headers() == {}


def test_without_a_collector_each_trace_has_ids_of_its_own() -> None:
    tracer = traces.configure("booking", None)
    carried = []
    for _ in range(2):
        with traces.consumer_span(tracer, {}, "booking.on_paid"):
            carried.append(traces.current_headers()["traceparent"])

    (_, one, inner, sampled), (_, other, outer, _) = (c.split("-") for c in carried)
    assert one != other
    assert inner != outer
    assert sampled == "01"


def test_a_caller_that_does_not_sample_is_obeyed(booking: Recorded) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    with traces.consumer_span(booking.tracer, headers, "booking.on_paid"):
        carried = traces.current_headers()["traceparent"]

    assert carried.startswith(f"00-{TRACE}-")
    assert carried.endswith("-00")
    assert booking.spans() == []


garbage = (
    st.text()
    | st.binary()
    | st.integers()
    | st.none()
    | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{30,33}-[0-9a-f]{15,17}-[0-9a-f]{2}")
)


@given(
    st.fixed_dictionaries({"traceparent": garbage | st.just(TRACEPARENT)}),
    st.fixed_dictionaries({"tracestate": garbage}),
)
def test_no_header_breaks_a_handler(
    traceparent: dict[str, Any], tracestate: dict[str, Any]
) -> None:
    tracer = traces.configure("booking", None)
    with traces.consumer_span(tracer, traceparent | tracestate, "booking.on_paid"):
        assert "traceparent" in traces.current_headers()


def test_no_tracer_is_registered_for_the_whole_process() -> None:
    before = trace.get_tracer_provider()
    traces.configure("booking", None).shutdown()

    assert trace.get_tracer_provider() is before


class Collector(ThreadingHTTPServer):
    """Receives spans as an OTLP/HTTP collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(
            (self.requestline, ExportTraceServiceRequest.FromString(body))
        )
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_shutdown_sends_what_is_left_to_the_collector(ending: str) -> None:
    with collecting() as collector:
        tracer = traces.configure("booking", collector.url + ending)
        with traces.consumer_span(tracer, {}, "booking.on_paid"):
            pass
        assert collector.received == []
        tracer.shutdown()

        ((line, request),) = collector.received
    assert line == "POST /v1/traces HTTP/1.1"
    (resource,) = request.resource_spans
    names = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert names["service.name"] == "booking"
    (scope,) = resource.scope_spans
    assert [each.name for each in scope.spans] == ["booking.on_paid"]
