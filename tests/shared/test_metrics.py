import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from prometheus_client.parser import text_string_to_metric_families
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from shared.metrics import Metrics, observe

SLOW = 0.05

router = APIRouter(prefix="/v1/sessions")


@router.get("/refused")
async def refused() -> None:
    raise HTTPException(409, "Taken")


@router.get("/broken")
async def broken() -> None:
    raise ValueError("a mistake")


@router.get("/streamed")
async def streamed() -> Response:
    return StreamingResponse(_chunks(fail=False))


@router.get("/cut")
async def cut() -> Response:
    return StreamingResponse(_chunks(fail=True))


@router.get("/followed")
async def followed() -> Response:
    return JSONResponse({}, background=BackgroundTask(asyncio.sleep, SLOW))


@router.get("/{session_id}")
async def one(session_id: str) -> str:
    return session_id


async def _chunks(fail: bool) -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.sleep(SLOW)
    if fail:
        raise ValueError("a mistake")
    yield b"last"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(router)
    everything = APIRouter()
    everything.include_router(router, prefix="/inner")
    app.include_router(everything, prefix="/outer")
    transport = httpx2.ASGITransport(observe(app, metrics), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as each:
        yield each


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def requests(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    """How many requests were counted, by method, route and status."""
    return {
        (each.labels["method"], each.labels["route"], each.labels["status"]): each.value
        for family in metrics.registry.collect()
        for each in family.samples
        if each.name == "http_requests_total"
    }


async def test_requests_are_counted_by_the_template_of_their_route(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    await client.get("/v1/sessions/1")
    await client.get("/v1/sessions/2")
    await client.get("/v1/sessions/refused")

    assert requests(metrics) == {
        ("GET", "/v1/sessions/{session_id}", "200"): 2,
        ("GET", "/v1/sessions/refused", "409"): 1,
    }
    assert (
        value(
            metrics,
            "http_request_seconds_count",
            method="GET",
            route="/v1/sessions/{session_id}",
        )
        == 2
    )


async def test_a_template_has_the_prefixes_of_all_its_routers(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    await client.get("/outer/inner/v1/sessions/1")

    assert requests(metrics) == {
        ("GET", "/outer/inner/v1/sessions/{session_id}", "200"): 1
    }


async def test_paths_that_nobody_serves_share_one_label(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    for number in range(50):
        await client.get(f"/wp-admin/{number}.php")

    assert requests(metrics) == {("GET", "unmatched", "404"): 50}


async def test_methods_that_a_client_made_up_share_one_label(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    for number in range(5):
        await client.request(f"BREW{number}", "/v1/sessions/1")

    assert requests(metrics) == {("OTHER", "/v1/sessions/{session_id}", "405"): 5}


async def test_a_route_that_raises_counts_as_500(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    assert (await client.get("/v1/sessions/broken")).status_code == 500

    assert requests(metrics) == {("GET", "/v1/sessions/broken", "500"): 1}


async def test_an_exception_that_nobody_answers_counts_as_500_and_goes_on(
    metrics: Metrics,
) -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise ValueError("a mistake")

    transport = httpx2.ASGITransport(observe(app, metrics))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as each:
        with pytest.raises(ValueError, match="a mistake"):
            await each.get("/")

    assert requests(metrics) == {("GET", "unmatched", "500"): 1}


async def test_an_exception_after_the_whole_answer_leaves_its_status(
    metrics: Metrics,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({}, 503)(scope, receive, send)
        raise ValueError("a mistake")

    transport = httpx2.ASGITransport(observe(app, metrics), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as each:
        await each.get("/")

    assert requests(metrics) == {("GET", "unmatched", "503"): 1}


async def test_a_stream_is_measured_to_its_last_byte(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    assert (await client.get("/v1/sessions/streamed")).content == b"firstlast"

    seconds = value(
        metrics,
        "http_request_seconds_sum",
        method="GET",
        route="/v1/sessions/streamed",
    )
    assert seconds is not None
    assert seconds >= SLOW
    assert requests(metrics) == {("GET", "/v1/sessions/streamed", "200"): 1}


async def test_work_after_the_answer_is_not_part_of_the_time(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    await client.get("/v1/sessions/followed")

    seconds = value(
        metrics,
        "http_request_seconds_sum",
        method="GET",
        route="/v1/sessions/followed",
    )
    assert seconds is not None
    assert seconds < SLOW


async def test_a_stream_that_breaks_half_way_counts_as_500(
    client: httpx2.AsyncClient, metrics: Metrics
) -> None:
    assert (await client.get("/v1/sessions/cut")).status_code == 200

    assert requests(metrics) == {("GET", "/v1/sessions/cut", "500"): 1}


async def test_what_is_not_http_passes_unmeasured(metrics: Metrics) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    await observe(app, metrics)({"type": "lifespan"}, receive, send)

    assert seen == ["lifespan"]
    assert requests(metrics) == {}


def test_deliveries_are_counted_by_handler_and_outcome(metrics: Metrics) -> None:
    metrics.event_handled("booking.on_paid", "ok", 0.01)
    metrics.event_handled("booking.on_paid", "ok", 0.02)
    metrics.event_handled("booking.on_paid", "retried", 0.5)

    handler = "booking.on_paid"
    counted = "events_handled_total"
    assert value(metrics, counted, handler=handler, outcome="ok") == 2
    assert value(metrics, counted, handler=handler, outcome="retried") == 1
    assert value(metrics, counted, handler=handler, outcome="dead") is None
    assert value(metrics, "event_seconds_sum", handler=handler) == pytest.approx(0.53)


def test_the_outbox_shows_how_much_waits_and_how_long(metrics: Metrics) -> None:
    metrics.outbox_waiting(3, datetime.now(UTC) - timedelta(seconds=90))
    age = value(metrics, "outbox_oldest_seconds")
    assert value(metrics, "outbox_waiting") == 3
    assert age is not None
    assert 90 <= age < 100

    metrics.outbox_waiting(0, None)
    assert value(metrics, "outbox_waiting") == 0
    assert value(metrics, "outbox_oldest_seconds") == 0


def test_an_event_dated_ahead_by_a_wrong_clock_has_no_negative_age(
    metrics: Metrics,
) -> None:
    metrics.outbox_waiting(1, datetime.now(UTC) + timedelta(seconds=90))

    assert value(metrics, "outbox_oldest_seconds") == 0


def test_runs_of_workers_are_counted(metrics: Metrics) -> None:
    metrics.worker_ran("booking.outbox", "ok")
    metrics.worker_ran("booking.outbox", "failed")
    metrics.worker_ran("booking.outbox", "failed")

    runs = "worker_runs_total"
    assert value(metrics, runs, worker="booking.outbox", outcome="ok") == 1
    assert value(metrics, runs, worker="booking.outbox", outcome="failed") == 2


def test_two_services_in_one_process_do_not_share_numbers() -> None:
    booking, payments = Metrics(), Metrics()

    booking.worker_ran("outbox", "ok")

    assert b'worker="outbox"' in booking.render()[0]
    assert b'worker="outbox"' not in payments.render()[0]


def test_what_is_rendered_is_what_prometheus_reads(metrics: Metrics) -> None:
    metrics.request_answered("GET", "/v1/sessions/{session_id}", 200, 0.01)

    body, content_type = metrics.render()

    assert content_type.startswith("text/plain")
    families = {each.name for each in text_string_to_metric_families(body.decode())}
    assert {
        "http_requests",
        "http_request_seconds",
        "events_handled",
        "event_seconds",
        "outbox_waiting",
        "outbox_oldest_seconds",
        "worker_runs",
    } <= families
