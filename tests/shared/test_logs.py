import asyncio
import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from shared import logs, traces

log = structlog.get_logger()

LIBRARIES = ["uvicorn.error", "sqlalchemy.pool", "faststream", "aio_pika.connection"]

SECRET_NAMES = [
    "password",
    "new_password",
    "password_hash",
    "token",
    "tokens",
    "refresh_token",
    "accessToken",
    "authorization",
    "Authorization",
    "cookie",
    "Set-Cookie",
    "card_number",
    "cvc",
    "secret",
    "client_secret",
    "signature",
    "stripe-signature",
    "Stripe-Signature",
]


class Output:
    """What was printed so far."""

    def __init__(self) -> None:
        self._stream = io.StringIO()

    def configure(
        self, service: str, level: str = "INFO", *, json: bool = True
    ) -> None:
        with redirect_stdout(self._stream):
            logs.configure(service, level, json=json)

    def text(self) -> str:
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.text().splitlines()]

    def line(self) -> dict[str, Any]:
        (only,) = self.lines()
        return only


@pytest.fixture
def output() -> Iterator[Output]:
    """What the booking service logs."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    printed = Output()
    printed.configure("booking")
    yield printed
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def test_a_line_says_what_when_where_and_for_whom(output: Output) -> None:
    with logs.context(request_id="r-1", correlation_id="c-1"):
        log.info("seat.held", seat=UUID(int=7))

    line = output.line()
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {
        "event": "seat.held",
        "level": "info",
        "logger": __name__,
        "service": "booking",
        "request_id": "r-1",
        "correlation_id": "c-1",
        "seat": "00000000-0000-0000-0000-000000000007",
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_logs_through_the_same_pipeline(output: Output, library: str) -> None:
    with logs.context(request_id="r-1"):
        logging.getLogger(library).warning("%d of %d", 1, 2, extra={"pool": "main"})

    line = output.line()
    assert line["event"] == "1 of 2"
    assert line["logger"] == library
    assert (line["level"], line["pool"]) == ("warning", "main")
    assert (line["service"], line["request_id"]) == ("booking", "r-1")


def test_a_library_that_prints_by_itself_is_logged_once(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    itself = io.StringIO()
    faststream = logging.getLogger("faststream")
    faststream.addHandler(logging.StreamHandler(itself))
    monkeypatch.setattr(faststream, "propagate", False)

    output.configure("booking")
    faststream.warning("heard")

    assert output.line()["event"] == "heard"
    assert itself.getvalue() == ""


@pytest.mark.parametrize("library", logs.TALKATIVE)
def test_the_urls_that_a_client_calls_are_not_logged(
    output: Output, library: str
) -> None:
    logging.getLogger(library).info("GET https://example.test/?token=hidden")

    assert output.lines() == []


def test_a_line_below_the_level_is_not_logged(output: Output) -> None:
    log.debug("seat.looked_at")
    logging.getLogger("uvicorn.error").debug("detail")

    assert output.lines() == []


def test_an_unknown_level_stops_the_start(output: Output) -> None:
    with pytest.raises(ValueError, match="CHATTY"):
        output.configure("booking", "chatty")


def test_configuring_again_does_not_print_twice(output: Output) -> None:
    output.configure("payments", "info")

    log.info("paid")

    assert output.line()["service"] == "payments"


async def test_two_services_in_one_process_keep_their_names(output: Output) -> None:
    both = asyncio.Barrier(2)

    async def serve(service: str) -> None:
        with logs.context(service=service, correlation_id=f"of-{service}"):
            await both.wait()
            log.info("served")

    await asyncio.gather(serve("booking"), serve("payments"))
    log.info("idle")

    named = [(line["service"], line.get("correlation_id")) for line in output.lines()]
    assert sorted(named[:2]) == [
        ("booking", "of-booking"),
        ("payments", "of-payments"),
    ]
    assert named[2] == ("booking", None)


def test_a_context_inside_another_ends_alone() -> None:
    assert logs.correlation_id() is None
    with logs.context(correlation_id="outer"):
        with logs.context(correlation_id="inner"):
            assert logs.correlation_id() == "inner"
        assert logs.correlation_id() == "outer"
    assert logs.correlation_id() is None


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_is_never_logged_at_any_depth(output: Output, name: str) -> None:
    log.info("asked", **{name: "hidden"})
    log.info("asked", body={"user": {"name": "Ada", name: "hidden"}})
    log.info("asked", items=({"id": 1, name: ["hidden"]},))
    log.info("asked", headers=[(name.encode(), b"hidden"), (b"accept", b"*/*")])
    logging.getLogger("uvicorn.error").info("asked", extra={name: "hidden"})

    text = output.text()
    assert "hidden" not in text
    assert "Ada" in text
    assert "accept" in text


def test_a_secret_inside_an_object_is_not_logged(output: Output) -> None:
    class Login(BaseModel):
        email: str
        password: str
        pin: SecretStr

    @dataclass
    class Card:
        cvc: str
        brand: str

    @dataclass(slots=True)
    class Sealed:
        token: str

    log.info(
        "asked",
        login=Login(email="ada@example.test", password="hidden", pin=SecretStr("hid")),
        card=Card(cvc="hidden", brand="visa"),
        sealed=Sealed("hidden"),
    )

    line = output.line()
    assert line["login"] == {"email": "ada@example.test", "pin": "**********"}
    assert line["card"] == {"brand": "visa"}
    assert "hidden" not in json.dumps(line)


def test_what_merely_resembles_a_secret_is_logged(output: Output) -> None:
    log.info("asked", token_expires_in=900, signature_age=3, secretary="Ada")

    line = output.line()
    assert line["token_expires_in"] == 900
    assert line["signature_age"] == 3
    assert line["secretary"] == "Ada"


def fail(_whom: str) -> None:
    raise ValueError("no seat")


def test_an_exception_is_logged_as_fields_without_local_variables(
    output: Output,
) -> None:
    try:
        fail("".join(["hid", "den"]))
    except ValueError:
        log.exception("worker.failed")

    line = output.line()
    (raised,) = line["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == (
        "ValueError",
        "no seat",
    )
    assert raised["frames"][-1]["name"] == "fail"
    assert line["level"] == "error"
    assert "hidden" not in json.dumps(line)


def test_an_exception_given_as_a_value_keeps_its_type(output: Output) -> None:
    log.warning("outbox.not_confirmed", error=TimeoutError("10 s"))

    assert output.line()["error"] == "TimeoutError('10 s')"


def test_a_value_without_end_is_cut(output: Output) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    log.info("asked", endless=endless)

    assert "..." in json.dumps(output.line())


def test_a_line_break_in_a_value_does_not_forge_a_line(output: Output) -> None:
    log.info("asked", name='Ada\n{"event": "payout"}')

    assert output.line()["name"] == 'Ada\n{"event": "payout"}'


def test_a_line_names_the_span_it_was_logged_in(output: Output) -> None:
    tracer = traces.configure("booking", None)
    with traces.consumer_span(tracer, {}, "booking.on_paid"):
        log.info("inside")
        _, trace_id, span_id, _ = traces.current_headers()["traceparent"].split("-")
    log.info("outside")

    inside, outside = output.lines()
    assert (inside["trace_id"], inside["span_id"]) == (trace_id, span_id)
    assert "trace_id" not in outside


def test_people_get_text_with_the_same_fields_and_no_secrets(
    output: Output,
) -> None:
    output.configure("local", json=False)
    with logs.context(service="booking"):
        log.info("seat.held", seats=2, token="hidden")
    try:
        fail("".join(["hid", "den"]))
    except ValueError:
        log.exception("worker.failed")

    text = output.text()
    assert "seat.held" in text
    assert "booking" in text
    assert "ValueError: no seat" in text
    assert "hidden" not in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.splitlines()[0])


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner),
)


@given(anything)
def test_no_value_breaks_a_line(value: object) -> None:
    line = logs.drop_secrets(None, "info", {"value": value, "password": "hidden"})

    rendered = structlog.processors.JSONRenderer(default=str)(None, "info", line)
    assert list(json.loads(rendered)) == ["value"]
