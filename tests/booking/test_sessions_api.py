from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service, counted_queries
from tests.given import bearer

HOUR = timedelta(hours=1)


async def listed(
    service: Service, headers: dict[str, str], **query: Any
) -> list[dict[str, Any]]:
    response = await service.http.get("/v1/sessions", params=query, headers=headers)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def ids(sessions: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in sessions]


async def test_student_coach_and_admin_see_a_session_each_in_its_way(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    path = f"/v1/sessions/{held['id']}"

    own = await service.http.get(path, headers=given.student(UUID(held["student_id"])))
    coach = await service.http.get(path, headers=given.coach(UUID(held["coach_id"])))
    admin = await service.http.get(path, headers=given.admin())

    assert own.json() == held
    assert coach.json() == admin.json()
    [seat] = coach.json()["seats"]
    assert (seat["seat_id"], seat["status"]) == (held["seat_id"], "held")
    assert coach.json() == held | {"seats": [seat]}


async def test_others_do_not_learn_that_a_session_exists(service: Service) -> None:
    held = await given.a_hold(service)
    path = f"/v1/sessions/{held['id']}"

    student = await service.http.get(path, headers=given.student())
    coach = await service.http.get(path, headers=given.coach(new_id()))
    unknown = await service.http.get(f"/v1/sessions/{new_id()}", headers=given.admin())
    malformed = await service.http.get("/v1/sessions/x", headers=given.admin())
    anonymous = await service.http.get(path)

    assert student.status_code == coach.status_code == unknown.status_code == 404
    assert (malformed.status_code, anonymous.status_code) == (422, 401)


async def test_a_list_holds_ones_own_by_start(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    late = await given.a_confirmed_seat(
        service, coach_id=coach_id, student_id=student_id, start=START + HOUR
    )
    early = await given.a_hold(service, student_id=student_id)
    other = await given.a_hold(service, coach_id)

    assert ids(await listed(service, given.student(student_id))) == [
        early["id"],
        late["id"],
    ]
    assert ids(await listed(service, given.coach(coach_id))) == [
        other["id"],
        late["id"],
    ]
    assert len(await listed(service, given.admin())) == 3
    assert await listed(service, given.student()) == []
    assert (await service.http.get("/v1/sessions")).status_code == 401


async def test_one_person_is_student_here_and_coach_there(service: Service) -> None:
    person = await given.a_coach(service)
    teaches = await given.a_hold(service, person)
    learns = await given.a_hold(service, student_id=person, start=START + HOUR)
    headers = bearer(person, "student", "coach")

    assert ids(await listed(service, headers)) == [teaches["id"], learns["id"]]
    assert ids(await listed(service, headers, role="coach")) == [teaches["id"]]
    assert ids(await listed(service, headers, role="student")) == [learns["id"]]


async def test_a_list_is_filtered_by_status_and_time(service: Service) -> None:
    student_id = new_id()
    paid = await given.a_confirmed_seat(service, student_id=student_id)
    held = await given.a_hold(service, student_id=student_id, start=START + HOUR)
    headers = given.student(student_id)

    assert ids(await listed(service, headers, status="confirmed")) == [paid["id"]]
    assert ids(await listed(service, headers, status="held")) == [held["id"]]
    assert await listed(service, headers, status="expired") == []
    service.clock.advance(minutes=15)
    [expired] = await listed(service, headers, status="expired")
    assert (expired["id"], expired["status"]) == (held["id"], "expired")
    assert await listed(service, headers, status="held") == []
    since = {"from": (START + HOUR).isoformat()}
    before = {"to": (START + HOUR).isoformat()}
    assert ids(await listed(service, headers, **since)) == [held["id"]]
    assert ids(await listed(service, headers, **before)) == [paid["id"]]


async def test_pages_join_without_gap_or_overlap(service: Service) -> None:
    coach_id = await given.a_coach(service)
    booked = [
        await given.a_hold(service, coach_id, start=START + n * HOUR) for n in range(5)
    ]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}

    while True:
        response = await service.http.get(
            "/v1/sessions", params=query, headers=given.coach(coach_id)
        )
        found += ids(response.json()["items"])
        if (cursor := response.json()["next_cursor"]) is None:
            break
        query["cursor"] = cursor

    assert found == ids(booked)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"role": "admin"}, "query.role"),
        ({"status": "done"}, "query.status"),
        ({"from": "2026-06-17"}, "query.from"),
        ({"to": "9999-12-31T23:59:59Z"}, "query.to"),
        ({"limit": 101}, "query.limit"),
        ({"cursor": "abc"}, "query.cursor"),
        ({"cursor": "WyIyMDI2LTA2LTE3VDEyOjAwOjAwIiwgIngiXQ=="}, "query.cursor"),
    ],
)
async def test_a_wrong_filter_is_refused_by_field(
    service: Service, query: dict[str, Any], field: str
) -> None:
    response = await service.http.get(
        "/v1/sessions", params=query, headers=given.student()
    )

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


async def test_a_list_costs_the_same_queries_however_long_it_is(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    await given.a_confirmed_seat(service, coach_id=coach_id)
    with counted_queries(service) as few:
        await listed(service, given.coach(coach_id))
    for n in range(1, 4):
        await given.a_confirmed_seat(service, coach_id=coach_id, start=START + n * HOUR)
    with counted_queries(service) as many:
        await listed(service, given.coach(coach_id))

    assert len(few) == len(many) == 4
