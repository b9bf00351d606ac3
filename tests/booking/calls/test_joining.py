"""Who enters which call, and when."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlmodel import select

from services.booking.actions import attendance
from services.booking.models import Attendance
from shared.ids import new_id
from tests.booking import given
from tests.booking.calls.given import House, coach_of
from tests.booking.conftest import opened
from tests.booking.test_cancellation_api import cancel
from tests.given import bearer

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("before", "status"),
    [
        (15 * MINUTE + timedelta(seconds=1), 409),
        (15 * MINUTE, 200),
        (timedelta(), 200),
        (-90 * MINUTE, 200),
        (-90 * MINUTE - timedelta(seconds=1), 409),
    ],
)
async def test_a_call_is_open_from_15_minutes_before_to_30_after(
    house: House, before: timedelta, status: int
) -> None:
    session = await house.a_session("jitsi")
    house.at(before)

    for who in (None, coach_of(session)):
        answer = await house.join(session, who)

        assert answer.status_code == status, answer.text
        if status == 409:
            assert answer.json()["slug"] == "call-not-open"
            assert answer.json()["opens_at"] == "2026-06-17T11:45:00Z"
            assert answer.json()["closes_at"] == "2026-06-17T13:30:00Z"
            early = before > timedelta()
            assert answer.headers.get("Retry-After") == ("1" if early else None)


async def test_only_its_people_join_a_call(house: House) -> None:
    session = await house.a_session("jitsi")
    house.at(timedelta())
    path = f"/v1/sessions/{session['id']}/join"

    assert (await house.service.http.post(path)).status_code == 401
    for stranger in (given.student(), given.coach(new_id()), given.admin()):
        answer = await house.join(session, stranger)
        assert (answer.status_code, answer.json()["slug"]) == (404, "not-found")
    unknown = {**session, "id": str(new_id())}
    assert (await house.join(unknown)).status_code == 404
    assert [await house.rooms(), await kinds(house)] == [[], []]


async def test_a_seat_that_is_not_confirmed_has_no_call(house: House) -> None:
    held = await given.a_hold(house.service, start=given.START)
    cancelled = await house.a_session("jitsi")
    await house.service.http.post(
        f"/v1/sessions/{cancelled['id']}/cancel",
        json={},
        headers=given.student(UUID(cancelled["student_id"])),
    )
    house.at(timedelta())

    for session in (held, cancelled):
        answer = await house.join(session)
        assert (answer.status_code, answer.json()["slug"]) == (409, "wrong-status")
    assert await kinds(house) == []


async def test_joining_shows_that_both_came_once(house: House) -> None:
    session = await house.a_session("jitsi")
    house.at(timedelta())

    for _ in range(2):
        await house.joined(session)
        await house.joined(session, coach_of(session))

    assert sorted(await kinds(house)) == [("coach", "joined"), ("student", "joined")]


async def test_who_is_just_coming_is_not_said_to_be_missing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the tick that decides comes before that is written down."""
    session = await house.a_session("custom", meeting_url="https://meet.example/kim")
    house.at(-timedelta(minutes=14))
    written, goes_on, note = asyncio.Event(), asyncio.Event(), attendance.note_evidence

    async def slowly(*args: Any) -> bool:
        counts = await note(*args)
        written.set()
        await goes_on.wait()
        return counts

    monkeypatch.setattr(attendance, "note_evidence", slowly)
    coming = asyncio.create_task(house.join(session))
    await written.wait()
    house.at(-timedelta(minutes=15))
    await house.tick()
    goes_on.set()
    assert (await coming).status_code == 200
    house.at(-timedelta(minutes=16))
    await house.tick()

    seat = await given.shown(house.service, session)
    assert (seat["status"], seat["no_show"]) == ("no_show", "coach")


async def test_joining_after_the_end_shows_nothing(house: House) -> None:
    session = await house.a_session("jitsi")
    house.at(-61 * MINUTE)

    await house.joined(session)

    assert await kinds(house) == []


async def test_a_session_names_our_own_link_while_there_is_a_call(house: House) -> None:
    held = await given.a_hold(house.service)
    session = await house.a_session("jitsi")

    assert held["join_url"] is None
    assert session["join_url"] == f"/v1/sessions/{session['id']}/join"


async def test_a_room_without_keys_has_a_name_nobody_guesses(house: House) -> None:
    session = await house.a_session("jitsi")
    house.at(timedelta())

    ada = await house.joined(session)
    kim = await house.joined(session, coach_of(session))

    room = await house.room()
    assert len(room.name.removeprefix("scrimline-")) == 32
    assert room.name not in session.values()
    assert ada == {
        "url": f"https://jitsi.example/{room.name}#userInfo.displayName=%22Ada%22",
        "provider": "jitsi",
        "fallback": False,
    }
    assert kim["url"].partition("#")[0] == ada["url"].partition("#")[0]


async def test_with_an_app_id_jitsi_knows_who_comes(database, vendors) -> None:  # type: ignore[no-untyped-def]
    secret = "a secret of some length, shared with Prosody"
    async with opened(
        await database("booking"),
        jitsi_url="https://Jitsi.example/",
        jitsi_app_id="scrimline",
        jitsi_app_secret=secret,
    ) as service:
        house = House(service, vendors)
        session = await house.a_session("jitsi")
        house.at(timedelta())
        urls = [
            (await house.joined(session, who))["url"]
            for who in (None, coach_of(session))
        ]
        room = await house.room()

    [ada, kim] = [
        jwt.decode(url.partition("?jwt=")[2], OctKey.import_key(secret)).claims
        for url in urls
    ]
    assert urls[0].startswith(f"https://Jitsi.example/{room.name}?jwt=")
    assert ada == {
        "aud": "jitsi",
        "iss": "scrimline",
        "sub": "jitsi.example",
        "room": room.name,
        "nbf": int((given.START - 15 * MINUTE).timestamp()),
        "exp": int((given.START + 90 * MINUTE).timestamp()),
        "context": {"user": {"id": session["student_id"], "name": "Ada"}},
    }
    assert kim["context"]["user"] == {
        "id": session["coach_id"],
        "name": "Kim",
        "moderator": "true",
        "affiliation": "owner",
    }


async def test_a_coach_may_bring_a_link_of_its_own(house: House) -> None:
    url = "https://meet.example/kim"
    session = await house.a_session("custom", meeting_url=url)
    house.at(timedelta())

    ticket = await house.joined(session)

    assert ticket == {"url": url, "provider": "custom", "fallback": False}


async def test_a_booked_session_keeps_the_meeting_it_was_booked_with(
    house: House,
) -> None:
    url = "https://meet.example/kim"
    session = await house.a_session("custom", meeting_url=url)
    await given.put(
        house.service, UUID(session["coach_id"]), "booking-policy", {"meeting": "jitsi"}
    )
    house.at(timedelta())

    assert (await house.joined(session))["url"] == url


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"meeting": "daily"}, "body.meeting"),
        ({"meeting": "whereby"}, "body.meeting"),
        (
            {"meeting": "custom", "meeting_url": "https://evil.example/x"},
            "body.meeting_url",
        ),
        (
            {"meeting": "custom", "meeting_url": "https://notmeet.example/x"},
            "body.meeting_url",
        ),
        (
            {"meeting": "jitsi", "meeting_url": "https://meet.example.evil/x"},
            "body.meeting_url",
        ),
    ],
)
async def test_a_meeting_that_is_not_offered_here_is_refused(
    service: given.Service, policy: dict[str, str], field: str
) -> None:
    coach_id = await given.a_coach(service)

    answer = await service.http.put(
        f"/v1/coaches/{coach_id}/booking-policy",
        json=policy,
        headers=given.coach(coach_id),
    )

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_hosts_below_a_listed_one_are_fine(service: given.Service) -> None:
    url = "https://eu.meet.example/kim"
    await given.a_coach(service, policy={"meeting": "custom", "meeting_url": url})


async def test_a_coach_who_is_also_a_student_elsewhere_joins_as_what_it_is(
    house: House,
) -> None:
    session = await house.a_session("whereby")
    house.at(timedelta())
    both = bearer(UUID(session["student_id"]), "student", "coach")

    assert "roomKey" not in (await house.joined(session, both))["url"]


async def kinds(house: House) -> list[tuple[str, str]]:
    async with house.service.sessions() as session:
        rows = (await session.exec(select(Attendance))).all()
    return [(row.party, row.kind.value) for row in rows]


@pytest.mark.parametrize("meeting", ["daily", "whereby", "jitsi"])
async def test_a_group_that_a_late_payment_brings_back_has_a_room_again(
    house: House, meeting: str
) -> None:
    service = house.service
    coach_id = await given.a_coach_of_groups(service, policy={"meeting": meeting})
    first = await given.a_hold(service, coach_id, kind="group")
    await service.hear(given.a_payment(first))
    house.at(1200 * MINUTE)
    late = await given.a_hold(service, coach_id, kind="group")
    await house.tick()
    await cancel(service, first)
    for _ in range(2):
        await house.tick()
    closed = await house.room()

    await service.hear(given.a_payment(late))
    house.at(15 * MINUTE)
    url = (await house.joined(late))["url"]

    assert closed.state == "closed"
    room = await house.room()
    assert (room.state, room.id) == ("ready", closed.id)
    assert room.name != closed.name
    assert url.startswith(room.url or "nowhere")
