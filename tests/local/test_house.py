"""The house in one process: its clock, its rest, its pages and its memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sqlmodel import col, select

from gateway.app import create_app
from gateway.settings import GatewaySettings
from local import control, folder, seeds
from local.demo.client import Json, call, until
from local.demo.walk import Walk
from local.doors import free_base, reserve
from local.house import House
from local.processes import temporary_folder, unprivileged
from local.settings import LocalSettings
from services.scheduler.models import EmittedTick
from shared.contracts.scheduler import HourTickV1
from shared.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOCK = "/local/clock"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with opened(LocalSettings(port_base=free_base()), kept=False) as house:
        yield house


@asynccontextmanager
async def opened(settings: LocalSettings, *, kept: bool) -> AsyncIterator[House]:
    async with House(settings, kept=kept).open() as house:
        await seeds.basics(house)
        yield house


async def moved(house: House, by: timedelta) -> datetime:
    if not by:
        answer = await call(house.gateway, "GET", CLOCK)
    else:
        body = {"advance_seconds": int(by.total_seconds())}
        answer = await call(house.gateway, "POST", CLOCK, json=body)
    return datetime.fromisoformat(answer["now"])


def minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


@asynccontextmanager
async def a_shop(house: House) -> AsyncIterator[tuple[Walk, list[Json]]]:
    """A coach, a student, and the slots that the student sees."""
    url = house.settings.mailbox_url
    async with httpx2.AsyncClient(base_url=url) as mailbox:
        walk = Walk(house.gateway, mailbox, lambda by: moved(house, by))
        await walk.a_coach_opens_shop()
        await walk.an_admin_verifies()
        yield walk, await walk.a_student_finds_a_slot()


async def test_the_clock_moves_forward_for_everybody(house: House) -> None:
    before = await moved(house, timedelta())

    after = await moved(house, timedelta(hours=1))

    assert timedelta(hours=1) <= after - before < timedelta(hours=1, minutes=1)
    assert house.clock.now() - after < timedelta(minutes=1)
    assert await moved(house, timedelta()) >= after


async def test_a_move_that_is_asked_for_again_under_its_key_is_made_once(
    house: House,
) -> None:
    before = await moved(house, timedelta())
    key = {"Idempotency-Key": str(new_id())}

    for _ in range(2):
        body = {"advance_seconds": 3600}
        answer = await house.gateway.post(CLOCK, json=body, headers=key)
        assert answer.status_code == 200, answer.text

    after = await moved(house, timedelta())
    assert timedelta(hours=1) <= after - before < timedelta(hours=1, minutes=1)


@pytest.mark.parametrize(
    "body",
    [
        {"advance_seconds": -1},
        {"advance_seconds": 31 * 86_400 + 1},
        {"advance_seconds": 1.5},
        {"advance_seconds": 60.0},
        {"advance_seconds": "60"},
        {"advance_seconds": True},
        {"advance_seconds": None},
        {"advance_seconds": 60, "backwards": True},
        {},
    ],
)
async def test_a_wrong_move_is_refused_and_moves_nothing(
    house: House, body: Json
) -> None:
    before = house.clock.now()

    refused = await house.gateway.post(CLOCK, json=body)

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert house.clock.now() - before < timedelta(seconds=30)


async def test_the_longest_move_is_31_days(house: House) -> None:
    before = house.clock.now()
    await moved(house, timedelta(days=31))
    assert house.clock.now() - before >= timedelta(days=31)


async def test_each_of_forty_moves_answers_when_its_ticks_are_handled(
    house: House,
) -> None:
    begin = await moved(house, timedelta())
    for _ in range(40):
        asked = house.clock.now() + timedelta(hours=1)
        now = await moved(house, timedelta(hours=1))
        left = await house.tick_consequences()
        # A minute that began meanwhile has a tick of its own, which no move promised.
        assert not any(left.values()) or minute(house.clock.now()) > minute(asked)

    query = select(EmittedTick.due_at).where(
        col(EmittedTick.name) == HourTickV1.name, col(EmittedTick.due_at) > begin
    )
    async with house.apps["scheduler"].state.sessions() as session:
        ticks = set((await session.exec(query)).all())
    last = now.replace(minute=0, second=0, microsecond=0)
    assert ticks >= {last - timedelta(hours=n) for n in range(39)}


async def test_a_held_session_and_its_checkout_run_out_when_the_clock_moves(
    house: House,
) -> None:
    async with a_shop(house) as (walk, slots):
        session = await walk.hold(slots[0])
        payment = await walk.payment(session)
        path = f"/v1/sessions/{session['id']}"

        await moved(house, timedelta(minutes=16))
        assert (await walk.student.get(path))["status"] == "expired"

        await moved(house, timedelta(days=1))
        async with httpx2.AsyncClient() as browser:
            page = await browser.get(payment["checkout_url"])
        assert "expired" in page.text
        paid = await until(
            "the end of the payment",
            lambda: walk.student.get(f"/v1/payments/{payment['id']}"),
            lambda seen: seen["status"] != "pending",
        )
        assert paid["status"] == "expired"


async def test_a_house_at_rest_says_so(house: House) -> None:
    answer = await house.gateway.get("/local/idle")
    assert (answer.status_code, answer.json()) == (200, {"status": "idle"})


async def test_a_house_with_work_left_says_which(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.idle()
    house.bus.declare_queue("nobody", True, {"x-message-ttl": 1_500})
    monkeypatch.setattr(control, "PATIENCE", 0.2)

    began = minute(house.clock.now())
    house.bus.publish("", "nobody", b"", b"for nobody")
    busy = await house.gateway.get("/local/idle")

    assert busy.status_code == 503
    assert int(busy.headers["retry-after"]) > 0
    assert busy.json()["slug"] == "still-busy"
    left = busy.json()["left"]
    assert left.pop("nobody") == 1
    # A minute that began meanwhile has a tick of its own.
    assert not left or minute(house.clock.now()) > began
    monkeypatch.undo()
    assert (await house.gateway.get("/local/idle")).status_code == 200


async def test_dead_letters_disturb_no_rest(house: House) -> None:
    assert house.bus.publish("", "booking.on_minute_tick.dead", b"", b"{}")
    assert (await house.gateway.get("/local/idle")).status_code == 200


async def test_while_the_past_is_planted_the_clock_is_not_to_be_had(
    house: House,
) -> None:
    back = house.clock.now() - datetime.now(UTC) + timedelta(hours=1)
    await house.advance(-back)
    try:
        read = await house.gateway.get(CLOCK)
        move = await house.gateway.post(CLOCK, json={"advance_seconds": 60})
        with pytest.raises(RuntimeError, match="planted only in part"):
            await seeds.plant(house)
    finally:
        await house.advance(back)

    assert [each.status_code for each in (read, move)] == [503, 503]
    assert read.json()["slug"] == "moving-in"


@pytest.mark.parametrize("path", ["/", "/checkout/success", "/checkout/cancel"])
async def test_pages_load_nothing_from_elsewhere(house: House, path: str) -> None:
    page = await house.gateway.get(path)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_there_is_no_third_way_out_of_checkout(house: House) -> None:
    assert (await house.gateway.get("/checkout/elsewhere")).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CLOCK),
        ("POST", CLOCK),
        ("GET", "/local/idle"),
        ("GET", "/"),
        ("GET", "/checkout/success"),
        ("GET", "/local/style.css"),
    ],
)
async def test_a_gateway_outside_local_mode_has_none_of_it(
    house: House, method: str, path: str
) -> None:
    nowhere: Any = "postgresql+asyncpg://nobody:nothing@127.0.0.1:1/nothing"
    settings = GatewaySettings(environment="production", database_url=nowhere)
    gateway = create_app(settings, house.apps)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(gateway), base_url="http://gateway"
    ) as http:
        answer = await http.request(method, path, json={"advance_seconds": 1})
    assert (answer.status_code, answer.json()["slug"]) == (404, "not-found")


async def test_a_head_that_never_ends_is_cut_off(house: House) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.settings.gateway_port
    )
    writer.write(b"GET / HTTP/1.1\r\nx-long: " + b"x" * 40_000)
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_taken_port_is_named_and_nothing_starts(tmp_path: Path) -> None:
    settings = LocalSettings(port_base=free_base(), data=tmp_path)
    with (
        reserve(settings.mailbox_port),
        pytest.raises(OSError, match=f"port {settings.mailbox_port} is taken"),
    ):
        async with House(settings).open():
            pass
    assert not (tmp_path / folder.POSTGRES).exists()
    reserve(settings.gateway_port).close()


@pytest.fixture
def kept() -> Iterator[LocalSettings]:
    """A house's folder that is forgotten afterwards."""
    data = temporary_folder(unprivileged("postgres"))
    yield LocalSettings(data=data, port_base=free_base())
    folder.reset(data)
    assert not data.exists()


async def test_a_house_remembers_over_a_restart(kept: LocalSettings) -> None:
    async with opened(kept, kept=True) as house:
        async with a_shop(house) as (walk, slots):
            session = await walk.hold(slots[0])
        await moved(house, timedelta(hours=3))
        await house.idle()
        assert house.bus.publish("", "retry.10m", b"", b"later")
        now, mails = house.clock.now(), house.mails.messages()

    async with opened(kept, kept=True) as house:
        assert house.clock.now() >= now
        assert house.bus.pending()["retry.10m"] == 1
        assert [each.id for each in house.mails.messages()] == [
            each.id for each in mails
        ]
        walk.student.http = house.gateway
        seen = await walk.student.get(f"/v1/sessions/{session['id']}")
        assert seen["status"] == "expired"
        await walk.student.sign_in("scrimline-demo")
