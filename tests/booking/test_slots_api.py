from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.contracts.coaches import GameRate
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service, counted_queries

WEDNESDAYS = {
    "timezone": "Europe/Berlin",
    "rules": [{"weekday": 2, "start": "14:00", "end": "17:00"}],
}


async def slots(
    service: Service,
    coach_id: UUID,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> httpx2.Response:
    return await service.http.get(
        f"/v1/coaches/{coach_id}/slots",
        params={"from": "2026-06-17", "to": "2026-06-17"} | query,
        headers=headers,
    )


async def starts(*args: Any, **query: Any) -> list[str]:
    response = await slots(*args, **query)
    assert response.status_code == 200, response.text
    return [slot["start"] for day in response.json()["days"] for slot in day["slots"]]


async def test_slots_come_by_the_dates_of_the_coach_empty_ones_too(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, schedule=WEDNESDAYS)

    response = await slots(service, coach_id, to="2026-06-18")

    body = response.json()
    assert response.headers["Content-Type"] == "application/json"
    assert body["timezone"] == "Europe/Berlin"
    assert [(day["date"], len(day["slots"])) for day in body["days"]] == [
        ("2026-06-17", 5),
        ("2026-06-18", 0),
    ]
    assert body["days"][0]["slots"][0] == {
        "start": "2026-06-17T12:00:00Z",
        "end": "2026-06-17T13:00:00Z",
        "local_start": "2026-06-17T14:00:00+02:00",
        "price": {"amount": 6000, "currency": "USD"},
        "kind": "individual",
        "seats_left": 1,
    }


async def test_the_viewer_may_choose_zone_length_and_game(service: Service) -> None:
    coach_id = await given.a_coach(
        service,
        schedule=WEDNESDAYS,
        policy={"durations": [60, 90]},
        games=[
            GameRate(slug="go", hourly_rate=None),
            GameRate(slug="chess", hourly_rate=9000),
        ],
    )

    response = await slots(
        service, coach_id, duration=90, timezone="Pacific/Kiritimati", game="chess",
        to="2026-06-18",
    )  # fmt: skip

    assert response.json()["timezone"] == "Pacific/Kiritimati"
    empty, day = response.json()["days"]
    assert empty["slots"] == []
    assert day["slots"][0]["local_start"] == "2026-06-18T02:00:00+14:00"
    assert day["slots"][0]["price"] == {"amount": 13500, "currency": "USD"}


async def test_holds_and_sessions_are_left_out_until_they_end(service: Service) -> None:
    coach_id = await given.a_coach(service, schedule=WEDNESDAYS)
    free = await starts(service, coach_id)
    await given.a_confirmed_seat(
        service, coach_id=coach_id, start=START + timedelta(hours=2)
    )
    await given.a_hold(service, coach_id)

    held = await starts(service, coach_id)
    service.clock.advance(minutes=15)
    after = await starts(service, coach_id)

    assert len(free) == 5
    assert held == ["2026-06-17T13:00:00Z"]
    assert after == [
        "2026-06-17T12:00:00Z",
        "2026-06-17T12:30:00Z",
        "2026-06-17T13:00:00Z",
    ]


async def test_a_cap_on_new_students_shows_to_new_ones_only(service: Service) -> None:
    coach_id = await given.a_coach(service, policy={"max_students_per_week": 1})
    known = await given.a_confirmed_seat(service, coach_id=coach_id)

    anonymous = await starts(service, coach_id)
    new = await starts(service, coach_id, given.student())
    old = await starts(service, coach_id, given.student(UUID(known["student_id"])))

    assert anonymous == new == []
    assert len(old) == 45


async def test_a_cap_on_new_students_counts_first_sessions_whatever_comes_later(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"max_students_per_week": 1})
    regular = await given.a_confirmed_seat(service, coach_id=coach_id)
    again = given.book(
        service, coach_id, UUID(regular["student_id"]), start=START + timedelta(days=7)
    )
    assert (await again).status_code == 201
    await given.a_confirmed_seat(service, start=START + timedelta(days=14))

    assert await starts(service, coach_id) == []
    week_after = {"from": "2026-06-24", "to": "2026-06-24"}
    assert len(await starts(service, coach_id, **week_after)) > 40


async def test_a_student_of_another_coach_is_new_here(service: Service) -> None:
    coach_id = await given.a_coach(service, policy={"paused": True})
    other = await given.a_confirmed_seat(service)

    assert (
        await starts(service, coach_id, given.student(UUID(other["student_id"]))) == []
    )


async def test_a_coach_who_is_not_listed_offers_nothing(service: Service) -> None:
    coach_id = await given.a_coach(service, listed=False)

    response = await slots(service, coach_id)

    assert response.json()["days"] == [{"date": "2026-06-17", "slots": []}]


async def test_a_coach_without_a_schedule_offers_nothing(service: Service) -> None:
    coach_id = new_id()
    await service.hear(given.a_profile(coach_id))

    response = await slots(service, coach_id)

    assert response.json() == {
        "timezone": "UTC",
        "days": [{"date": "2026-06-17", "slots": []}],
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "query.from"),
        ({"from": "1781654400"}, "query.from"),
        ({"from": "2026-06-17T00:00:00Z"}, "query.from"),
        ({"from": "2026-06-31"}, "query.from"),
        ({"to": "2026-06-16"}, "query.to"),
        ({"to": "2026-08-18"}, "query.to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "query.from"),
        ({"duration": 45}, "query.duration"),
        ({"duration": "long"}, "query.duration"),
        ({"timezone": "Mars/Olympus"}, "query.timezone"),
        ({"timezone": "../etc/passwd"}, "query.timezone"),
        ({"timezone": "localtime"}, "query.timezone"),
        ({"game": "poker"}, "query.game"),
    ],
)
async def test_a_wrong_question_is_refused_by_field(
    service: Service, query: dict[str, Any], field: str
) -> None:
    coach_id = await given.a_coach(service)

    response = await slots(service, coach_id, **query)

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


async def test_what_costs_more_than_can_be_charged_is_neither_listed_nor_booked(
    service: Service,
) -> None:
    coach_id = await given.a_coach(
        service, hourly_rate=99_999_999, policy={"durations": [60, 120]}
    )

    listed = await slots(service, coach_id, duration=120)
    booked = await given.book(service, coach_id, duration_minutes=120)
    shorter = await given.book(service, coach_id)

    fields = [r.json()["errors"][0]["field"] for r in (listed, booked)]
    assert (listed.status_code, booked.status_code) == (422, 422)
    assert fields == ["query.duration", "body.duration_minutes"]
    assert shorter.json()["price"] == {"amount": 99_999_999, "currency": "USD"}


async def test_sixty_two_days_can_be_asked_for(service: Service) -> None:
    coach_id = await given.a_coach(service)

    response = await slots(service, coach_id, to="2026-08-17")

    assert len(response.json()["days"]) == 62


async def test_nobody_lists_an_unknown_coach_or_with_a_bad_bearer(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)

    unknown = await slots(service, new_id())
    forged = await slots(service, coach_id, {"Authorization": "Bearer no"})

    assert (unknown.status_code, forged.status_code) == (404, 401)


async def test_listing_costs_two_queries_however_much_is_sold(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"max_students_per_week": 90})
    with counted_queries(service) as few:
        await slots(service, coach_id)
    for hours in range(3):
        await given.a_hold(service, coach_id, start=START + timedelta(hours=hours))
    with counted_queries(service) as many:
        await slots(service, coach_id, given.student(), to="2026-08-17")

    assert len(few) == len(many) == 2


async def test_every_listed_slot_can_be_booked_and_no_other(service: Service) -> None:
    coach_id = await given.a_coach(
        service,
        schedule=WEDNESDAYS
        | {
            "time_off": [
                {"start": "2026-06-17T14:15:00Z", "end": "2026-06-17T14:20:00Z"}
            ]
        },
        policy={"durations": [30], "increment": 15, "buffer_after": 10},
    )
    await given.a_confirmed_seat(
        service, coach_id=coach_id, start=START, duration_minutes=30
    )
    listed = set(await starts(service, coach_id, duration=30))

    for quarter in range(-2, 14):
        start = START + timedelta(minutes=15 * quarter)
        response = await given.book(service, coach_id, start=start, duration_minutes=30)
        shown = start.isoformat().replace("+00:00", "Z")
        assert (response.status_code == 201) == (shown in listed), response.text
        if response.status_code == 201:
            held = response.json()
            cancelled = await service.http.post(
                f"/v1/sessions/{held['id']}/cancel",
                json={},
                headers=given.student(UUID(held["student_id"])),
            )
            assert cancelled.status_code == 200
    assert 3 < len(listed) < 9
