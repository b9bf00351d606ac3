from datetime import timedelta
from typing import Any

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.waiting import (
    HOUR,
    a_coach,
    a_wait,
    entries,
    join,
    pass_minutes,
    relay,
    statuses,
)
from tests.given import NOW


async def test_a_student_joins_the_line_and_sees_its_place(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()

    response = await join(service, coach_id, student_id, game="chess")

    entry = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/me/waitlist/{entry['id']}"
    assert entry == {
        "id": entry["id"],
        "coach_id": str(coach_id),
        "from": "2026-06-17T12:00:00Z",
        "to": "2026-06-17T13:00:00Z",
        "duration_minutes": 60,
        "game": "chess",
        "status": "waiting",
        "session_id": None,
        "offer_expires_at": None,
        "joined_at": "2026-06-15T12:00:00Z",
    }
    assert await entries(service, student_id) == [entry]
    got = await service.http.get(
        response.headers["Location"], headers=given.student(student_id)
    )
    assert got.json() == entry


async def test_leaving_withdraws_the_offer_and_the_next_gets_it(
    service: Service,
) -> None:
    coach_id, first, second = await a_coach(service), new_id(), new_id()
    entry = await a_wait(service, coach_id, first)
    await a_wait(service, coach_id, second)
    await pass_minutes(service, 1)

    path, mine = f"/v1/me/waitlist/{entry['id']}", given.student(first)
    gone = await service.http.delete(path, headers=mine)
    await relay(service, (await service.said("seat_cancelled"))[-1])

    assert (gone.status_code, gone.content) == (204, b"")
    assert await entries(service, first) == []
    assert await statuses(service, second) == ["offered"]
    again = await service.http.delete(path, headers=mine)
    assert again.status_code == 404


async def test_leaving_the_line_of_a_taken_time_keeps_the_session(
    service: Service,
) -> None:
    coach_id, student_id = await a_coach(service, hourly_rate=0), new_id()
    entry = await a_wait(service, coach_id, student_id)
    await pass_minutes(service, 1)

    await service.http.delete(
        f"/v1/me/waitlist/{entry['id']}", headers=given.student(student_id)
    )

    assert await service.said("seat_cancelled") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": (START - timedelta(days=9)).isoformat()}, "body.to"),
        ({"to": (START + timedelta(minutes=59)).isoformat()}, "body.to"),
        (
            {
                "from": (NOW - timedelta(days=9)).isoformat(),
                "to": (NOW + timedelta(minutes=59)).isoformat(),
            },
            "body.to",
        ),
        ({"to": (START + timedelta(days=63)).isoformat()}, "body.to"),
        (
            {
                "from": (NOW + timedelta(days=89)).isoformat(),
                "to": (NOW + timedelta(days=91)).isoformat(),
            },
            "body.to",
        ),
        ({"from": "2026-06-17T12:00:00"}, "body.from"),
        ({"duration_minutes": 45}, "body.duration_minutes"),
        ({"game": "poker"}, "body.game"),
        ({"kind": "group"}, "body.kind"),
    ],
)
async def test_what_cannot_be_waited_for_names_the_field(
    service: Service, body: dict[str, Any], field: str
) -> None:
    coach_id = await a_coach(service)

    response = await join(service, coach_id, **body)

    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == field


async def test_three_entries_at_once_and_five_a_day(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    made = [await a_wait(service, coach_id, student_id) for _ in range(3)]

    fourth = await join(service, coach_id, student_id)
    assert (fourth.status_code, fourth.json()["slug"]) == (409, "too-many-waits")
    for entry in made:
        await service.http.delete(
            f"/v1/me/waitlist/{entry['id']}", headers=given.student(student_id)
        )
    for _ in range(2):
        await a_wait(service, coach_id, student_id)
    sixth = await join(service, coach_id, student_id)
    service.clock.advance(days=1)
    next_day = await join(service, coach_id, student_id)

    assert sixth.json()["slug"] == "too-many-waits"
    assert next_day.status_code == 201


async def test_a_line_has_an_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.booking.actions.waitlist.MOST_IN_LINE", 2)
    coach_id = await a_coach(service)
    for _ in range(2):
        await a_wait(service, coach_id)

    third = await join(service, coach_id)

    assert (third.status_code, third.json()["slug"]) == (409, "waitlist-full")


async def test_students_wait_for_others_and_see_their_own_entries_only(
    service: Service,
) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    entry = await a_wait(service, coach_id, student_id)
    path = f"/v1/coaches/{coach_id}/waitlist"
    body = {
        "from": START.isoformat(),
        "to": (START + HOUR).isoformat(),
        "duration_minutes": 60,
    }
    own = f"/v1/me/waitlist/{entry['id']}"

    async def asked(headers: dict[str, str]) -> list[int]:
        http = service.http
        return [
            (await http.post(path, json=body, headers=headers)).status_code,
            (await http.get("/v1/me/waitlist", headers=headers)).status_code,
            (await http.get(own, headers=headers)).status_code,
            (await http.delete(own, headers=headers)).status_code,
        ]

    assert await asked({}) == [401] * 4
    assert await asked(given.coach(coach_id)) == [403] * 4
    assert await asked(given.admin()) == [403] * 4
    assert await asked(given.student()) == [201, 200, 404, 404]
    assert await asked(given.student(coach_id)) == [422, 200, 404, 404]
    unknown = await join(service, new_id())
    assert unknown.status_code == 404
    assert await asked(given.student(student_id)) == [201, 200, 200, 204]


async def test_the_list_goes_on_from_page_to_page(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    made = [await a_wait(service, coach_id, student_id) for _ in range(3)]
    mine = given.student(student_id)

    first = (await service.http.get("/v1/me/waitlist?limit=2", headers=mine)).json()
    rest = (
        await service.http.get(
            f"/v1/me/waitlist?limit=2&cursor={first['next_cursor']}", headers=mine
        )
    ).json()

    shown = [each["id"] for each in first["items"] + rest["items"]]
    assert shown == [each["id"] for each in made[::-1]]
    assert rest["next_cursor"] is None


async def test_the_same_key_joins_once(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    path = f"/v1/coaches/{coach_id}/waitlist"
    headers = given.student(student_id) | {"Idempotency-Key": "wait"}
    body = {
        "from": START.isoformat(),
        "to": (START + HOUR).isoformat(),
        "duration_minutes": 60,
    }

    first = await service.http.post(path, json=body, headers=headers)
    again = await service.http.post(path, json=body, headers=headers)

    assert first.json() == again.json()
    assert len(await entries(service, student_id)) == 1
