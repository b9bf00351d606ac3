"""A coach's own calendar keeps it from being booked, and nothing else does."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.booking.domain.policy import LONGEST_HORIZON
from shared.ids import new_id
from tests.booking import given
from tests.booking.calendars.given import WEDNESDAY, House
from tests.booking.calendars.hosts import entries
from tests.booking.given import OPEN_ALL_DAY, START

AT_NOON = "DTSTART:20260617T120000Z\r\nDURATION:PT1H"
HOURLY = {"durations": [60], "increment": 60}


async def test_what_a_calendar_takes_is_not_offered(house: House) -> None:
    coach_id = await given.a_coach(house.service, policy=HOURLY)
    house.host.body = entries(AT_NOON)
    before = await house.starts(coach_id)

    await house.subscribe(coach_id)
    assert await house.work() == 1

    after = await house.starts(coach_id)
    assert set(before) - set(after) == {"12:00"}
    assert len(before) == 24


async def test_no_buffer_and_no_cap_counts_a_private_appointment(house: House) -> None:
    policy = {
        **HOURLY,
        "buffer_before": 30,
        "buffer_after": 30,
        "max_sessions_per_day": 1,
        "max_students_per_week": 1,
    }
    coach_id = await given.a_coach(house.service, policy=policy)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()

    starts = await house.starts(coach_id)

    assert len(starts) == 23
    assert {"11:00", "13:00"} < set(starts)


async def test_a_taken_time_cannot_be_booked_and_nobody_hears_why(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON + "\r\nSUMMARY:Dentist")
    await house.subscribe(coach_id)
    await house.work()

    answer = await given.book(house.service, coach_id)

    assert answer.status_code == 409, answer.text
    assert answer.json()["slug"] == "slot-taken"
    assert "Dentist" not in answer.text
    assert (
        await given.book(house.service, coach_id, start=START + timedelta(hours=1))
    ).status_code == 201


async def test_the_coach_reads_busy_and_everybody_else_unavailable(
    house: House,
) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()
    path = f"/v1/coaches/{coach_id}/slots/explain"
    asked = {"start": START.isoformat(), "duration": "60"}

    for headers, code in (
        (given.coach(coach_id), "busy"),
        (given.student(), "unavailable"),
        ({}, "unavailable"),
    ):
        answer = await house.service.http.get(path, params=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        assert [each["code"] for each in answer.json()["reasons"]] == [code]


async def test_listing_groups_sees_private_appointments_too(house: House) -> None:
    policy = HOURLY | {"group": {"enabled": True, "capacity": 3, "min_participants": 1}}
    coach_id = await given.a_coach(house.service, policy=policy, group_rate=2000)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()

    starts = await house.starts(coach_id)

    assert "12:00" not in starts
    assert len(starts) == 2 * 23


async def test_listing_still_asks_twice(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(
        *(f"DTSTART:202606{day}T120000Z\r\nDURATION:PT1H" for day in range(16, 30))
    )
    await house.subscribe(coach_id)
    await house.work()

    with given.counted_queries(house.service) as queries:
        await house.starts(coach_id)

    assert len(queries) <= 2


async def test_days_and_times_without_a_zone_are_the_schedules(house: House) -> None:
    schedule = {**OPEN_ALL_DAY, "timezone": "America/New_York"}
    coach_id = await given.a_coach(house.service, schedule=schedule, policy=HOURLY)
    house.host.body = entries(
        "DTSTART;VALUE=DATE:20260617", "DTSTART:20260616T220000\r\nDURATION:PT1H"
    )
    await house.subscribe(coach_id)
    await house.work()

    starts = await house.starts(coach_id)

    # UTC; midnight in New York is 04:00, and 22:00 the evening before is 02:00
    assert starts == ["00:00", "01:00", "03:00"]


async def test_a_calendar_is_read_every_quarter_of_an_hour(house: House) -> None:
    coach_id = await given.a_coach(house.service, policy=HOURLY)
    await house.subscribe(coach_id)
    await house.work()
    house.host.body = entries(AT_NOON)

    house.service.clock.advance(minutes=14)
    assert await house.tick() == 0
    assert "12:00" in await house.starts(coach_id)

    house.service.clock.advance(minutes=1)
    assert await house.tick() == 1
    assert "12:00" not in await house.starts(coach_id)
    assert await house.tick() == 0


async def test_what_left_the_calendar_is_offered_again(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()
    house.host.body = entries()
    await house.subscribe(coach_id)
    await house.work()

    assert "12:00" in await house.starts(coach_id)


async def test_a_broken_calendar_shows_why_and_keeps_what_was_read(
    house: House,
) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()
    house.host.status = 500

    house.service.clock.advance(minutes=15)
    await house.tick()

    [shown] = await house.shown(coach_id)
    assert shown == {
        "name": "private",
        "url": f"{house.host.url}/kim.ics",
        "state": "failing",
        "last_read_at": "2026-06-15T12:00:00Z",
        "last_tried_at": "2026-06-15T12:15:00Z",
        "last_error": "answers 500",
        "busy": 1,
    }
    assert "12:00" not in await house.starts(coach_id)
    elsewhere = await given.book(
        house.service, coach_id, start=START + timedelta(hours=2)
    )
    assert elsewhere.status_code == 201

    house.host.status = 200
    house.service.clock.advance(minutes=15)
    await house.tick()
    [shown] = await house.shown(coach_id)
    assert (shown["state"], shown["last_error"]) == ("ok", None)


async def test_after_three_days_what_was_read_last_is_believed_no_more(
    house: House,
) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries("DTSTART:20260619T120000Z\r\nDURATION:PT1H")
    await house.subscribe(coach_id)
    await house.work()
    house.host.status = 500

    house.service.clock.advance(days=3, seconds=-1)
    assert "12:00" not in await house.starts(coach_id, "2026-06-19")
    house.service.clock.advance(seconds=2)

    assert "12:00" in await house.starts(coach_id, "2026-06-19")
    await house.tick()
    [shown] = await house.shown(coach_id)
    assert shown["state"] == "stale"


async def test_a_calendar_goes_with_its_times(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()
    path = f"/v1/coaches/{coach_id}/busy-calendars/private"

    gone = await house.service.http.delete(path, headers=given.coach(coach_id))
    again = await house.service.http.delete(path, headers=given.coach(coach_id))

    assert (gone.status_code, again.status_code) == (204, 404)
    assert "12:00" in await house.starts(coach_id)
    assert await house.shown(coach_id) == []


async def test_another_url_forgets_what_was_read(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)
    await house.work()

    again = await house.subscribe(coach_id)
    other = await house.subscribe(coach_id, "/other.ics")

    assert (again["state"], again["busy"]) == ("ok", 1)
    assert (other["state"], other["busy"], other["last_read_at"]) == ("new", 0, None)
    assert "12:00" in await house.starts(coach_id)


async def test_two_calendars_count_together(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    for name in ("private", "team"):
        await house.subscribe(coach_id, name=name)
    await house.work()

    shown = await house.shown(coach_id)

    assert [(each["name"], each["busy"]) for each in shown] == [
        ("private", 1),
        ("team", 1),
    ]
    assert "12:00" not in await house.starts(coach_id)


async def test_a_coach_has_five_calendars_at_most(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    for number in range(5):
        await house.subscribe(coach_id, name=f"calendar-{number}")

    refused = await house.service.http.put(
        f"/v1/coaches/{coach_id}/busy-calendars/one-more",
        json={"url": "https://calendar.example/x.ics"},
        headers=given.coach(coach_id),
    )

    assert refused.status_code == 409
    assert refused.json()["slug"] == "too-many-calendars"
    await house.subscribe(coach_id, "/other.ics", name="calendar-3")


@pytest.mark.parametrize(
    "url",
    [
        "http://calendar.example/x.ics",
        "webcal://calendar.example/x.ics",
        "https://kim:secret@calendar.example/x.ics",
        "calendar.example/x.ics",
        "",
        7,
    ],
)
async def test_only_plain_https_urls_are_taken(house: House, url: object) -> None:
    coach_id = await given.a_coach(house.service)
    answer = await house.service.http.put(
        f"/v1/coaches/{coach_id}/busy-calendars/private",
        json={"url": url},
        headers=given.coach(coach_id),
    )
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["body.url"]


@pytest.mark.parametrize("name", ["a b", "-x", "x" * 41, "ü", ".."])
async def test_a_name_fits_into_a_path(house: House, name: str) -> None:
    coach_id = await given.a_coach(house.service)
    answer = await house.service.http.put(
        f"/v1/coaches/{coach_id}/busy-calendars/{name}",
        json={"url": "https://calendar.example/x.ics"},
        headers=given.coach(coach_id),
    )
    assert answer.status_code in (404, 405, 422)


async def test_only_the_coach_sees_and_changes_its_calendars(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    other = await given.a_coach(house.service)
    await house.subscribe(coach_id)
    path = f"/v1/coaches/{coach_id}/busy-calendars"
    body = {"url": "https://calendar.example/x.ics"}
    http = house.service.http

    for headers, status in (
        ({}, 401),
        (given.student(), 403),
        (given.student(coach_id), 403),
        (given.coach(other), 403),
        (given.admin(), 403),
    ):
        answers = [
            await http.get(path, headers=headers),
            await http.put(f"{path}/private", json=body, headers=headers),
            await http.delete(f"{path}/private", headers=headers),
        ]
        assert [each.status_code for each in answers] == [status] * 3
    nobody = new_id()
    unknown = await http.put(
        f"/v1/coaches/{nobody}/busy-calendars/private",
        json=body,
        headers=given.coach(nobody),
    )
    assert unknown.status_code == 404
    assert len(await house.shown(coach_id)) == 1


async def test_a_calendar_that_was_removed_while_it_was_read_stays_removed(
    house: House,
) -> None:
    coach_id = await given.a_coach(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(coach_id)

    class Removing:
        async def read(self, _: str) -> bytes:
            path = f"/v1/coaches/{coach_id}/busy-calendars/private"
            await house.service.http.delete(path, headers=given.coach(coach_id))
            return entries(AT_NOON).encode()

    house.service.app.state.calendars = Removing()
    assert await house.work() == 1

    assert await house.shown(coach_id) == []
    assert "12:00" in await house.starts(coach_id)


async def test_entries_beyond_all_horizons_are_left_out(house: House) -> None:
    coach_id = await given.a_coach(house.service)
    far = START + timedelta(days=LONGEST_HORIZON + 3)
    house.host.body = entries(f"DTSTART:{far:%Y%m%dT%H%M%SZ}\r\nDURATION:PT1H", AT_NOON)
    await house.subscribe(coach_id)
    await house.work()

    assert [each["busy"] for each in await house.shown(coach_id)] == [1]


async def test_a_booked_session_stays_when_a_calendar_takes_its_time(
    house: House,
) -> None:
    seat = await given.a_confirmed_seat(house.service)
    house.host.body = entries(AT_NOON)
    await house.subscribe(UUID(seat["coach_id"]))
    await house.work()

    assert (await given.shown(house.service, seat))["status"] == "confirmed"
    assert WEDNESDAY in seat["start"]
