"""Rooms at vendors: made once, made again, closed, and done without."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import col

from services.booking.actions import claims, rooms
from services.booking.domain.calls import Door, Order, Provider, pause_after
from services.booking.models import Room, Session
from tests.booking import given
from tests.booking.calls.given import House, coach_of
from tests.booking.calls.vendors import DAILY_KEY, Vendors
from tests.booking.conftest import opened

HOUR = timedelta(hours=1)


async def due_now(house: House) -> None:
    """What waits for its next try is due."""
    async with house.service.sessions.begin() as session:
        await session.exec(
            update(Room)
            .where(col(Room.due_at).is_not(None))
            .values(due_at=claims.soon())
        )


@pytest.mark.parametrize("meeting", ["daily", "whereby"])
async def test_a_room_is_made_a_day_ahead_and_once(house: House, meeting: str) -> None:
    await house.a_session(meeting)
    house.at(25 * HOUR)
    await house.tick()
    assert await house.rooms() == []

    house.at(24 * HOUR)
    for _ in range(3):
        await house.tick()

    room = await house.room()
    assert (room.state, room.due_at) == ("ready", None)
    assert len(house.vendors.asked) == 1


async def test_a_daily_room_is_private_and_each_gets_a_token(house: House) -> None:
    session = await house.a_session("daily")
    house.at(timedelta())
    await house.tick()

    ada = await house.joined(session)
    kim = await house.joined(session, coach_of(session))

    room = await house.room()
    made = house.vendors.rooms[room.name]
    assert made["privacy"] == "private"
    opens = int((given.START - timedelta(minutes=15)).timestamp())
    closes = int((given.START + timedelta(minutes=90)).timestamp())
    assert made["config"] == {"nbf": opens, "exp": closes, "eject_at_room_exp": True}
    for ticket, who in ((ada, "student_id"), (kim, "coach_id")):
        token = f"token-{room.name}.{session[who]}"
        url = f"https://scrimline.daily.co/{room.name}?t={token}"
        assert ticket == {"url": url, "provider": "daily", "fallback": False}
    owners = [
        body["properties"]["is_owner"]
        for _, path, body in house.vendors.asked
        if path.endswith("meeting-tokens")
    ]
    assert owners == [False, True]


async def test_whereby_has_one_door_for_the_coach_and_one_for_students(
    house: House,
) -> None:
    session = await house.a_session("whereby")
    house.at(timedelta())

    ada = await house.joined(session)
    kim = await house.joined(session, coach_of(session))

    assert ada["url"] == "https://scrimline.whereby.com/1?displayName=Ada"
    assert kim["url"] == (
        "https://scrimline.whereby.com/1?roomKey=host-only&displayName=Kim"
    )
    assert len(house.vendors.meetings) == 1


async def test_who_joins_before_the_tick_has_the_room_made(house: House) -> None:
    session = await house.a_session("daily")
    house.at(timedelta())

    assert (await house.joined(session))["provider"] == "daily"
    await house.tick()

    assert len(await house.rooms()) == 1
    assert house.vendors.count("POST", "/daily/rooms") == 1


@pytest.mark.parametrize("meeting", ["daily", "whereby"])
async def test_all_who_join_at_once_meet_in_one_room(
    house: House, meeting: str
) -> None:
    session = await house.a_session(meeting)
    house.at(timedelta())
    house.vendors.delay = 0.2

    tickets = await asyncio.gather(
        house.joined(session),
        house.joined(session, coach_of(session)),
        house.work(),
        house.joined(session),
    )

    urls = {each["url"].partition("?")[0] for each in tickets if isinstance(each, dict)}
    assert len(urls) == 1
    assert len(house.vendors.rooms) + len(house.vendors.meetings) == 1


@pytest.mark.parametrize("fault", ["fail", "throttle", "refuse"])
async def test_a_vendor_that_fails_is_asked_again_later(
    house: House, fault: str
) -> None:
    await house.a_session("daily")
    house.at(HOUR)
    house.vendors.faults = [fault]
    await house.tick()
    room = await house.room()
    assert room.state == ("failed" if fault == "refuse" else "wanted")
    assert (room.failures, room.claimed_until) == (1, None)
    assert room.last_error
    assert await house.work() == 0

    await due_now(house)
    await house.work()

    assert (await house.room()).state == "ready"


async def test_a_daily_room_whose_answer_was_lost_is_found_again(house: House) -> None:
    await house.a_session("daily")
    house.at(HOUR)
    house.vendors.faults = ["lose"]
    await house.tick()
    assert (await house.room()).state == "wanted"
    await due_now(house)
    await house.work()

    assert (await house.room()).state == "ready"
    assert len(house.vendors.rooms) == 1


async def test_a_refused_key_is_no_room_that_exists(
    database: Any, vendors: Vendors
) -> None:
    async with opened(
        await database("booking"),
        daily_api_key="wrong",
        daily_api_base=f"{vendors.url}/daily",
    ) as service:
        house = House(service, vendors)
        await house.a_session("daily")
        house.at(HOUR)
        await house.tick()
        room = await house.room()

    assert (room.state, vendors.asked) == ("failed", [])
    assert "401" in (room.last_error or "")
    assert "wrong" not in (room.last_error or "")


async def test_while_a_vendor_is_down_the_session_takes_place_at_jitsi(
    house: House,
) -> None:
    session = await house.a_session("daily")
    house.at(timedelta())
    house.vendors.faults = ["fail"]

    ada = await house.joined(session)
    kim = await house.joined(session, coach_of(session))

    assert (ada["provider"], ada["fallback"]) == ("jitsi", True)
    assert kim["url"].partition("#")[0] == ada["url"].partition("#")[0]
    await due_now(house)
    await house.tick()
    assert (await house.room()).provider == "jitsi"
    assert len(house.vendors.asked) == 1


async def test_a_room_made_at_the_last_moment_is_where_the_session_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await house.a_session("daily")
    house.at(timedelta())
    house.vendors.faults = ["fail"]
    hosts = house.service.app.state.doorman.rooms
    ensure_room = hosts.ensure_room

    async def meanwhile(provider: Provider, order: Order) -> Door:
        if provider is Provider.JITSI:
            await due_now(house)
            await house.work()
        door: Door = await ensure_room(provider, order)
        return door

    monkeypatch.setattr(hosts, "ensure_room", meanwhile)

    ticket = await house.joined(session)

    assert (ticket["provider"], ticket["fallback"]) == ("daily", False)


async def test_without_a_fallback_one_is_told_to_come_back(
    database: Any, vendors: Vendors
) -> None:
    async with opened(
        await database("booking"),
        daily_api_key=DAILY_KEY,
        daily_api_base=f"{vendors.url}/daily",
        room_fallback=False,
    ) as service:
        house = House(service, vendors)
        session = await house.a_session("daily")
        house.at(timedelta())
        vendors.faults = ["fail"]
        refused = await house.join(session)
        again = await house.joined(session)

    assert (refused.status_code, refused.json()["slug"]) == (503, "room-unavailable")
    assert refused.headers["Retry-After"] == "15"
    assert again["provider"] == "daily"


async def test_where_somebody_may_be_inside_nobody_is_sent_elsewhere(
    house: House,
) -> None:
    session = await house.a_session("daily")
    house.at(timedelta())
    await house.joined(session)
    house.vendors.faults = ["fail"]

    refused = await house.join(session, coach_of(session))

    assert (refused.status_code, refused.json()["slug"]) == (503, "room-unavailable")
    assert (await house.joined(session, coach_of(session)))["provider"] == "daily"


@pytest.mark.parametrize("meeting", ["daily", "whereby", "jitsi", "custom"])
async def test_a_cancelled_session_has_its_room_closed(
    house: House, meeting: str
) -> None:
    extra = {"meeting_url": "https://meet.example/kim"} if meeting == "custom" else {}
    session = await house.a_session(meeting, **extra)
    house.at(HOUR)
    await house.tick()
    await house.service.http.post(
        f"/v1/sessions/{session['id']}/cancel",
        json={"reason": "ill"},
        headers=coach_of(session),
    )

    await house.tick()
    await house.tick()

    assert (await house.room()).state == "closed"
    assert not house.vendors.rooms
    assert not any(each["open"] for each in house.vendors.meetings.values())


async def test_a_room_that_cannot_be_closed_is_tried_again(house: House) -> None:
    session = await house.a_session("daily")
    house.at(HOUR)
    await house.tick()
    await house.service.http.post(
        f"/v1/sessions/{session['id']}/cancel",
        json={},
        headers=given.student(UUID(session["student_id"])),
    )
    house.vendors.faults = ["fail", "lose"]
    await house.tick()
    room = await house.room()
    assert (room.state, room.failures) == ("closing", 1)

    for _ in range(2):
        await due_now(house)
        await house.work()

    # the second try deleted it and its answer was lost: gone is gone
    assert (await house.room()).state == "closed"
    assert not house.vendors.rooms


async def test_a_room_is_closed_half_an_hour_after_the_end(house: House) -> None:
    await house.a_session("daily")
    house.at(HOUR)
    await house.tick()

    house.at(-timedelta(minutes=91))
    await house.tick()

    assert (await house.room()).state == "closed"
    assert not house.vendors.rooms


async def test_a_session_that_was_moved_has_another_room(house: House) -> None:
    session = await house.a_session("daily")
    house.at(HOUR)
    await house.tick()
    async with house.service.sessions.begin() as transaction:
        booked = await transaction.get_one(Session, UUID(session["id"]))
        booked.start_version += 1

    await house.tick()

    old, new = await house.rooms()
    assert (old.state, new.state) == ("closed", "ready")
    assert list(house.vendors.rooms) == [new.name] != [old.name]


async def made_by_two(house: House) -> None:
    """The first is so slow that its claim runs out and a second asks as well."""
    house.at(HOUR)
    house.vendors.delay = 0.3
    ticking = asyncio.create_task(house.tick())
    while not house.vendors.asked:  # noqa: ASYNC110 - the fake tells nobody
        await asyncio.sleep(0.01)
    async with house.service.sessions.begin() as session:
        await session.exec(update(Room).values(claimed_until=None))
    await house.work()
    await ticking


async def test_a_room_that_two_were_told_of_stays(house: House) -> None:
    await house.a_session("daily")

    await made_by_two(house)

    room = await house.room()
    assert room.state == "ready"
    assert list(house.vendors.rooms) == [room.name]


async def test_who_made_one_room_too_many_closes_its_own(house: House) -> None:
    await house.a_session("whereby")

    await made_by_two(house)

    room = await house.room()
    left = [each for each in house.vendors.meetings.values() if each["open"]]
    assert [each["meetingId"] for each in left] == [room.external_id]
    assert len(house.vendors.meetings) == 2


async def test_many_rooms_cost_a_tick_no_more_questions(house: House) -> None:
    counts = []
    for sessions in (1, 4):
        for _ in range(sessions):
            await house.a_session("jitsi", notice_minutes=0)
        now = given.START - HOUR
        async with house.service.sessions.begin() as session:
            with given.counted_queries(house.service) as queries:
                assert await rooms.prepare(session, now) == sessions
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 2), (2, 4), (5, 32), (9, 512), (10, 600), (99, 600)]
)
def test_the_pauses_grow_to_ten_minutes(failures: int, seconds: int) -> None:
    assert pause_after(failures) == timedelta(seconds=seconds)
