"""The stand-in for a Jitsi server: joining a session leads into it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import aiohttp
import httpx2
import pytest
import pytest_asyncio

from local import seeds
from local.demo.walk import Walk
from local.doors import free_base
from local.house import House
from local.rooms import APP_ID, Rooms
from local.settings import LocalSettings
from services.booking.clients.rooms import Jitsi
from services.booking.domain.calls import Door, Guest, hours
from shared.errors import Forbidden
from shared.ids import new_id
from tests.given import NOW
from tests.local.test_house import a_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "a secret of thirty-two characters or more"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    settings = LocalSettings(port_base=free_base())
    async with House(settings, kept=False).open() as house:
        await seeds.basics(house)
        yield house


async def in_a_call(house: House, walk: Walk, slot: dict[str, str]) -> str:
    """The path of a paid session that begins now."""
    session = await walk.hold(slot)
    payment = await walk.payment(session)
    card = {"card_number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123"}
    async with httpx2.AsyncClient() as browser:
        await browser.post(payment["checkout_url"], data={**card, "action": "pay"})
    await house.idle()
    start = datetime.fromisoformat(slot["start"])
    await house.advance(start - house.clock.now())
    await house.idle()
    return f"/v1/sessions/{session['id']}"


async def test_who_joins_a_session_is_in_its_room_and_seen_there(house: House) -> None:
    async with a_shop(house) as (walk, slots):
        path = await in_a_call(house, walk, slots[0])
        links = [
            (await who.post(f"{path}/join", {}))["url"]
            for who in (walk.student, walk.coach)
        ]
        names = [
            (await who.get("/v1/me"))["display_name"]
            for who in (walk.student, walk.coach)
        ]

    async with httpx2.AsyncClient() as browser:
        alone = await browser.get(links[0])
        both = await browser.get(links[1])
        stranger = await browser.get(links[0].partition("?")[0])

    assert links[0].startswith(f"{house.settings.gateway_url}/local/rooms/scrimline-")
    assert [alone.status_code, both.status_code, stranger.status_code] == [
        200,
        200,
        422,
    ]
    assert names[0] in alone.text
    assert names[1] not in alone.text
    assert all(name in both.text for name in names)
    assert "default-src 'none'" in both.headers["content-security-policy"]


async def a_token(room: str, secret: str = SECRET, app_id: str = APP_ID) -> str:
    jitsi = Jitsi("http://here", app_id, secret)
    guest = Guest(new_id(), "Ada", "student")
    door, open_ = Door(f"http://here/{room}"), hours(NOW, NOW + timedelta(hours=1))
    async with aiohttp.ClientSession() as http:
        url = await jitsi.ticket(http, room, door, guest, open_)
    return url.partition("?jwt=")[2]


async def test_a_token_is_good_for_one_room_and_its_time() -> None:
    rooms = Rooms(SECRET)
    token = await a_token("one")

    for room, bearer, now in (
        ("two", token, NOW),
        ("one", await a_token("one", "another secret, as long as the first one"), NOW),
        ("one", await a_token("one", app_id="another"), NOW),
        ("one", "x.y.z", NOW),
        ("one", token, NOW - timedelta(minutes=16)),
        ("one", token, NOW + timedelta(minutes=91)),
    ):
        with pytest.raises(Forbidden):
            rooms.enter(room, bearer, now)
    assert not any(rooms.visits.values())


async def test_who_comes_again_is_there_once() -> None:
    rooms = Rooms(SECRET)
    token = await a_token("one")
    for minutes in (0, 5):
        there = rooms.enter("one", token, NOW + timedelta(minutes=minutes))
    assert [(each.name, each.host, each.at) for each in there] == [("Ada", False, NOW)]


async def test_a_calendar_is_read_at_the_gateway_without_a_bearer(house: House) -> None:
    async with a_shop(house) as (walk, slots):
        path = await in_a_call(house, walk, slots[1])
        made = await walk.student.post("/v1/me/calendar-token", {})
        single = await house.gateway.get(
            f"{path}/calendar.ics", headers=walk.student.headers
        )

    feed = await house.gateway.get(made["url"])
    known = {"If-None-Match": feed.headers["etag"]}
    unchanged = await house.gateway.get(made["url"], headers=known)
    unknown = await house.gateway.get(made["url"].replace(".ics", "x.ics"))

    for answer in (single, feed):
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert "SUMMARY:Coaching with" in answer.text
    assert made["url"].startswith(f"{house.settings.gateway_url}/v1/calendars/")
    assert [unchanged.status_code, unknown.status_code] == [304, 404]
