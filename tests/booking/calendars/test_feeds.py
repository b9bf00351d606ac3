"""What calendar programs read of us."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from sqlmodel import select

from services.booking.models import CalendarToken
from shared.idempotency import ANSWERS
from shared.ids import new_id
from tests.booking import given
from tests.booking.calendars.given import House, events
from tests.booking.calls.given import a_user
from tests.booking.given import START


async def a_seat(house: House, **options: Any) -> dict[str, Any]:
    """Ada's with Kim."""
    coach_id = await given.a_coach(
        house.service, policy={"horizon_days": 365, "notice_minutes": 0}
    )
    student_id = new_id()
    await house.service.hear(
        a_user(coach_id, "Kim", roles=["coach"]), a_user(student_id, "Ada")
    )
    return await given.a_confirmed_seat(
        house.service, coach_id=coach_id, student_id=student_id, **options
    )


def people(seat: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    return given.student(UUID(seat["student_id"])), given.coach(UUID(seat["coach_id"]))


async def a_feed(house: House, headers: dict[str, str]) -> str:
    """The path of a new feed."""
    made = await house.service.http.post("/v1/me/calendar-token", headers=headers)
    assert made.status_code == 201, made.text
    url: str = made.json()["url"]
    assert made.headers["Location"] == url
    assert url.startswith("https://play.example/v1/calendars/")
    return url.removeprefix("https://play.example")


async def test_an_entry_is_the_one_of_the_mails(house: House) -> None:
    seat = await a_seat(house)
    path = f"/v1/sessions/{seat['id']}/calendar.ics"

    for headers, other in zip(people(seat), ("Kim", "Ada"), strict=True):
        answer = await house.service.http.get(path, headers=headers)
        [entry] = events(answer)

        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert str(entry["UID"]) == f"{seat['seat_id']}@scrimline"
        assert str(entry["SUMMARY"]) == f"Coaching with {other}"
        assert (entry["SEQUENCE"], str(entry["STATUS"])) == (0, "CONFIRMED")
        assert entry.decoded("DTSTART") == START
        assert entry.decoded("DTEND") == START + timedelta(hours=1)
        assert b"DTSTART:20260617T120000Z\r\n" in answer.content
        assert str(entry["URL"]) == f"https://play.example/sessions/{seat['id']}"
        assert "mail.example" not in answer.text
        assert "ATTENDEE" not in entry
        assert "ORGANIZER" not in entry


async def test_a_cancelled_session_is_told_as_cancelled(house: House) -> None:
    seat = await a_seat(house)
    ada, _ = people(seat)
    feed = await a_feed(house, ada)
    await house.service.http.post(
        f"/v1/sessions/{seat['id']}/cancel", json={}, headers=ada
    )

    single = await house.service.http.get(
        f"/v1/sessions/{seat['id']}/calendar.ics", headers=ada
    )
    all_of_them = await house.service.http.get(feed)

    for answer in (single, all_of_them):
        [entry] = events(answer)
        assert (entry["SEQUENCE"], str(entry["STATUS"])) == (1, "CANCELLED")


async def test_only_its_people_get_the_entry_of_a_session(house: House) -> None:
    seat = await a_seat(house)
    held = await given.a_hold(house.service, start=START + timedelta(days=1))
    http, path = house.service.http, f"/v1/sessions/{seat['id']}/calendar.ics"

    assert (await http.get(path)).status_code == 401
    for stranger in (given.student(), given.coach(new_id()), given.admin()):
        assert (await http.get(path, headers=stranger)).status_code == 404
    early = await http.get(
        f"/v1/sessions/{held['id']}/calendar.ics",
        headers=given.student(UUID(held["student_id"])),
    )
    assert (early.status_code, early.json()["slug"]) == (409, "wrong-status")


@pytest.mark.parametrize(
    ("start", "written"),
    [
        # the last hour of summer time, the doubled hour, and the first of winter time
        (datetime(2026, 10, 24, 23, tzinfo=UTC), "20261024T230000Z"),
        (datetime(2026, 10, 25, 0, tzinfo=UTC), "20261025T000000Z"),
        (datetime(2026, 10, 25, 1, tzinfo=UTC), "20261025T010000Z"),
        (datetime(2027, 3, 28, 1, tzinfo=UTC), "20270328T010000Z"),
    ],
)
async def test_instants_are_in_utc_when_the_clocks_change(
    house: House, start: datetime, written: str
) -> None:
    seat = await a_seat(house, start=start)
    answer = await house.service.http.get(await a_feed(house, people(seat)[0]))

    [entry] = events(answer)
    assert entry.decoded("DTSTART") == start
    assert entry.decoded("DTEND") - start == timedelta(hours=1)
    assert f"DTSTART:{written}\r\n" in answer.text
    assert "VTIMEZONE" not in answer.text


async def test_a_feed_needs_its_token_and_no_bearer(house: House) -> None:
    seat = await a_seat(house)
    ada, kim = people(seat)

    for headers, other in ((ada, "Kim"), (kim, "Ada")):
        answer = await house.service.http.get(await a_feed(house, headers))
        [entry] = events(answer)
        assert str(entry["SUMMARY"]) == f"Coaching with {other}"
        calendar = Calendar.from_ical(answer.content)
        assert (calendar["METHOD"], calendar["VERSION"]) == ("PUBLISH", "2.0")
        assert answer.headers["cache-control"] == "private, max-age=300"


async def test_lines_are_folded_and_names_add_no_lines(house: House) -> None:
    seat = await a_seat(house)
    sly = "Zoë, 王芳; \\n" + "long " * 30 + "\r\nATTENDEE:mailto:x@evil.example"
    await house.service.hear(a_user(UUID(seat["coach_id"]), sly, version=2))

    answer = await house.service.http.get(await a_feed(house, people(seat)[0]))

    [entry] = events(answer)
    assert str(entry["SUMMARY"]) == f"Coaching with {' '.join(sly.split())}"
    assert "ATTENDEE" not in entry
    lines = answer.content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not any(b"\n" in line for line in lines)


async def test_an_older_name_does_not_undo_a_newer_one(house: House) -> None:
    seat = await a_seat(house)
    coach_id = UUID(seat["coach_id"])
    newest = a_user(coach_id, "Kimberly", version=3)
    await house.service.hear(newest, a_user(coach_id, "Kimmy", version=2))

    answer = await house.service.http.get(await a_feed(house, people(seat)[0]))

    assert [str(each["SUMMARY"]) for each in events(answer)] == [
        "Coaching with Kimberly"
    ]


async def test_a_new_token_ends_the_one_before_and_revoking_ends_all(
    house: House,
) -> None:
    http = house.service.http
    ada = given.student()
    first = await a_feed(house, ada)
    second = await a_feed(house, ada)

    assert [(await http.get(p)).status_code for p in (first, second)] == [404, 200]
    for _ in range(2):
        revoked = await http.delete("/v1/me/calendar-token", headers=ada)
        assert revoked.status_code == 204
    assert (await http.get(second)).status_code == 404
    assert (await http.post("/v1/me/calendar-token")).status_code == 401
    assert (await http.delete("/v1/me/calendar-token")).status_code == 401


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00", "x" * 100, "ü"])
async def test_an_unknown_token_is_not_found(house: House, token: str) -> None:
    answer = await house.service.http.get(f"/v1/calendars/{token}.ics")
    assert (answer.status_code, answer.json()["slug"]) == (404, "not-found")


async def test_the_token_is_kept_nowhere(house: House) -> None:
    headers = given.student() | {"Idempotency-Key": "once"}
    feed = await a_feed(house, headers)
    again = await a_feed(house, headers)
    token = feed.rpartition("/")[2].removesuffix(".ics")

    assert feed != again
    async with house.service.sessions() as session:
        [kept] = (await session.exec(select(CalendarToken))).all()
        answers = (await session.exec(select(ANSWERS.c.body))).all()
    assert token.encode() not in kept.digest
    assert len(kept.digest) == 32
    assert answers == [None]


async def test_a_program_that_knows_it_is_answered_304(house: House) -> None:
    seat = await a_seat(house)
    ada, _ = people(seat)
    feed = await a_feed(house, ada)
    first = await house.service.http.get(feed)
    known = {"If-None-Match": f'"other", {first.headers["ETag"]}'}

    same = await house.service.http.get(feed, headers=known)
    await house.service.http.post(
        f"/v1/sessions/{seat['id']}/cancel", json={}, headers=ada
    )
    changed = await house.service.http.get(feed, headers=known)

    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


async def test_a_feed_reaches_thirty_days_back(house: House) -> None:
    seat = await a_seat(house)
    feed = await a_feed(house, people(seat)[0])
    house.service.clock.advance(days=32)
    assert len(events(await house.service.http.get(feed))) == 1
    house.service.clock.advance(seconds=1)
    assert events(await house.service.http.get(feed)) == []


async def test_a_feed_holds_its_owners_sessions_only_at_the_same_cost(
    house: House,
) -> None:
    coach_id = await given.a_coach(house.service)
    feed = await a_feed(house, given.coach(coach_id))
    ada = new_id()
    mine = await a_feed(house, given.student(ada))
    await given.a_confirmed_seat(house.service, coach_id=coach_id, student_id=ada)
    with given.counted_queries(house.service) as few:
        await house.service.http.get(feed)
    for hours in (2, 4, 6):
        await given.a_confirmed_seat(
            house.service, coach_id=coach_id, start=START + timedelta(hours=hours)
        )
    await given.a_hold(house.service, coach_id, start=START + timedelta(hours=8))

    with given.counted_queries(house.service) as many:
        coachs = events(await house.service.http.get(feed))

    assert len(coachs) == 4
    assert str(coachs[0]["SUMMARY"]) == "Coaching with a student"
    assert len(events(await house.service.http.get(mine))) == 1
    assert len(many) == len(few)
