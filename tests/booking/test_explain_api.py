"""Why a time is not offered, and to its coach what would open it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service, counted_queries
from tests.booking.test_groups_api import a_seat
from tests.booking.test_slots_api import slots

HOUR = timedelta(hours=1)
AFTERNOON = {
    "timezone": "UTC",
    "rules": [{"weekday": 2, "start": "12:00", "end": "16:00"}],
}


async def explain(
    service: Service,
    coach_id: UUID,
    start: datetime | str = START,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> httpx2.Response:
    return await service.http.get(
        f"/v1/coaches/{coach_id}/slots/explain",
        params={"start": str(start)} | query,
        headers=headers,
    )


async def explained(*args: Any, **options: Any) -> tuple[bool, list[str], Any]:
    response = await explain(*args, **options)
    assert response.status_code == 200, response.text
    body = response.json()
    assert all(each["detail"] for each in body["reasons"])
    reasons = [each["code"] for each in body["reasons"]]
    return body["offered"], reasons, body["would_open"]


async def test_an_offered_time_has_nothing_against_it(service: Service) -> None:
    coach_id = await given.a_coach(service)

    response = await explain(service, coach_id, START, given.coach(coach_id))

    assert response.json() == {"offered": True, "reasons": [], "would_open": None}


async def test_others_than_the_coach_learn_only_that_it_is_not_there(
    service: Service,
) -> None:
    coach_id = await given.a_coach(
        service,
        schedule=AFTERNOON
        | {
            "time_off": [
                {"start": "2026-06-17T12:30:00Z", "end": "2026-06-17T12:40:00Z"}
            ]
        },
        policy={"buffer_after": 15, "notice_minutes": 3000},
    )
    await given.put(
        service, coach_id, "booking-policy", {"buffer_after": 15, "durations": [60]}
    )
    await given.a_hold(service, coach_id, start=START + HOUR)
    notice = {"buffer_after": 15, "notice_minutes": 3000}
    await given.put(service, coach_id, "booking-policy", notice)

    mine = await explained(service, coach_id, START, given.coach(coach_id))
    seen = [
        await explained(service, coach_id, START, headers)
        for headers in (None, given.student(), given.coach(new_id()), given.admin())
    ]

    assert mine == (False, ["time_off", "buffer", "notice"], None)
    assert seen == [(False, ["unavailable", "notice"], None)] * 4


async def test_a_forged_bearer_and_an_unknown_coach(service: Service) -> None:
    coach_id = await given.a_coach(service)

    forged = await explain(service, coach_id, START, {"Authorization": "Bearer no"})
    unknown = await explain(service, new_id())

    assert (forged.status_code, unknown.status_code) == (401, 404)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "2026-06-17T12:00:00"}, "query.start"),
        ({"start": "noon"}, "query.start"),
        ({"start": "0001-01-01T00:00:00Z"}, "query.start"),
        ({"duration": 45}, "query.duration"),
        ({"game": "poker"}, "query.game"),
        ({"kind": "crowd"}, "query.kind"),
        ({"kind": "group"}, "query.kind"),
    ],
)
async def test_a_wrong_question_is_refused_by_field(
    service: Service, query: dict[str, Any], field: str
) -> None:
    coach_id = await given.a_coach(service)

    response = await explain(service, coach_id, **query)

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


async def test_the_groups_of_a_coach_are_explained(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service, group={"capacity": 2})
    mine = await a_seat(service, coach_id)
    own = given.student(UUID(mine["student_id"]))
    kind = {"kind": "group"}

    free = await explained(service, coach_id, **kind)
    has_it = await explained(service, coach_id, START, own, **kind)
    alone = await explained(service, coach_id)
    await a_seat(service, coach_id)
    full = await explained(service, coach_id, **kind)
    coach = await explained(service, coach_id, START, given.coach(coach_id), **kind)

    assert free == (True, [], None)
    assert has_it == (False, ["unavailable"], None)
    assert alone == (False, ["unavailable"], None)
    assert full == (False, ["group_full"], None)
    assert coach[1:] == (
        ["group_full"],
        {"setting": "group.capacity", "value": 3},
    )


async def test_explaining_costs_two_queries(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    await a_seat(service, coach_id)

    with counted_queries(service) as queries:
        await explain(service, coach_id, START, given.coach(coach_id), kind="group")

    assert len(queries) == 2


REMEDIES: list[tuple[str, dict[str, Any], dict[str, Any], timedelta]] = [
    ("increment", {}, {}, HOUR / 4),
    ("notice_minutes", {"notice_minutes": 4000}, {}, 0 * HOUR),
    ("horizon_days", {"horizon_days": 1}, {}, 0 * HOUR),
    ("max_sessions_per_day", {"max_sessions_per_day": 1}, {}, 0 * HOUR),
    ("max_sessions_per_week", {"max_sessions_per_week": 1}, {}, 0 * HOUR),
    ("max_students_per_week", {"max_students_per_week": 1}, {}, 0 * HOUR),
    ("buffer_after", {"buffer_after": 20}, {}, HOUR),
    ("buffer_before", {"buffer_before": 20}, {}, 3 * HOUR),
    ("paused", {"paused": True}, {}, 0 * HOUR),
    ("overrides.0", {}, {"overrides": [{"date": "2026-06-17", "windows": []}]}, 0 * HOUR),
    ("time_off.0", {}, {"time_off": [{"start": "2026-06-17T12:00:00Z", "end": "2026-06-17T13:00:00Z"}]}, 0 * HOUR),
    ("overrides.0", {}, {"overrides": [{"date": "2026-06-17", "windows": [{"start": "12:00", "end": "13:00"}]}]}, 4 * HOUR),
    ("rules.0", {}, {}, 4 * HOUR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "policy", "schedule", "after"),
    REMEDIES,
)
async def test_what_would_open_a_time_does_once_it_is_stored(
    service: Service,
    setting: str,
    policy: dict[str, Any],
    schedule: dict[str, Any],
    after: timedelta,
) -> None:
    policy = {"increment": 60, **policy}
    schedule = AFTERNOON | {"time_off": [], "overrides": []} | schedule
    coach_id = await given.a_coach(
        service, schedule=AFTERNOON, policy={"increment": 60}
    )
    await given.a_confirmed_seat(service, coach_id=coach_id, start=START + 2 * HOUR)
    await given.put(service, coach_id, "schedule", schedule)
    await given.put(service, coach_id, "booking-policy", policy)
    start = START + after

    offered, _, opens = await explained(service, coach_id, start, given.coach(coach_id))
    assert (offered, opens["setting"]) == (False, setting)
    await store(service, coach_id, policy, schedule, opens)

    assert (await explained(service, coach_id, start))[0]
    response = await slots(service, coach_id)
    listed = [s["start"] for day in response.json()["days"] for s in day["slots"]]
    assert f"{start:%Y-%m-%dT%H:%M:%SZ}" in listed
    assert (await given.book(service, coach_id, start=start)).status_code == 201


async def store(
    service: Service,
    coach_id: UUID,
    policy: dict[str, Any],
    schedule: dict[str, Any],
    opens: dict[str, Any],
) -> None:
    name, _, index = opens["setting"].partition(".")
    if not index:
        changed = policy | {name: opens["value"]}
        await given.put(service, coach_id, "booking-policy", changed)
        return
    entries = list(schedule[name])
    entries[int(index) : int(index) + 1] = [opens["value"]] if opens["value"] else []
    await given.put(service, coach_id, "schedule", schedule | {name: entries})
