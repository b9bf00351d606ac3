from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import OPEN_ALL_DAY, START, Service

BERLIN = {
    "timezone": "Europe/Berlin",
    "rules": [{"weekday": 0, "start": "14:00", "end": "20:00", "active": True}],
    "overrides": [
        {"date": "2026-07-01", "windows": []},
        {"date": "2026-07-02", "windows": [{"start": "22:00", "end": "02:00"}]},
    ],
    "time_off": [
        {"start": "2026-08-01T00:00:00Z", "end": "2026-08-15T00:00:00Z", "note": "sea"}
    ],
}
MANY_DATES = [
    {"date": str(date(2026, 1, 1) + timedelta(days=n)), "windows": []}
    for n in range(10_000)
]

DEFAULT_POLICY = {
    "durations": [60],
    "increment": 30,
    "buffer_before": 0,
    "buffer_after": 0,
    "notice_minutes": 120,
    "horizon_days": 60,
    "max_sessions_per_day": None,
    "max_sessions_per_week": None,
    "max_students_per_week": None,
    "paused": False,
    "group": {"enabled": False, "capacity": 1, "min_participants": 1},
    "cancellation_tiers": [[24, 100], [0, 0]],
    "refund_on_resale": False,
    "meeting": "jitsi",
    "meeting_url": None,
}


async def test_before_any_put_the_schedule_is_empty_and_the_policy_is_the_default(
    service: Service,
) -> None:
    coach_id = new_id()
    await service.hear(given.a_profile(coach_id))

    schedule = await service.http.get(f"/v1/coaches/{coach_id}/schedule")
    policy = await service.http.get(f"/v1/coaches/{coach_id}/booking-policy")

    assert schedule.json() == {"timezone": "UTC", "rules": [], "overrides": []}
    assert policy.json() == DEFAULT_POLICY
    assert schedule.headers["ETag"] == policy.headers["ETag"] == '"0"'


@pytest.mark.parametrize("what", ["schedule", "booking-policy"])
async def test_nobody_knows_an_unknown_coach(service: Service, what: str) -> None:
    response = await service.http.get(f"/v1/coaches/{new_id()}/{what}")

    assert response.status_code == 404
    assert response.json()["slug"] == "not-found"


async def test_a_schedule_is_answered_as_it_was_stored_and_time_off_is_private(
    service: Service,
) -> None:
    coach_id = new_id()

    stored = await given.put(service, coach_id, "schedule", BERLIN)
    path = f"/v1/coaches/{coach_id}/schedule"
    own = await service.http.get(path, headers=given.coach(coach_id))
    others = [
        await service.http.get(path),
        await service.http.get(path, headers=given.student()),
    ]

    assert stored == BERLIN | {"affected_sessions": []}
    assert own.json() == BERLIN
    for response in others:
        assert response.json() == {k: v for k, v in BERLIN.items() if k != "time_off"}


@pytest.mark.parametrize(
    ("what", "body"), [("schedule", BERLIN), ("booking-policy", DEFAULT_POLICY)]
)
async def test_only_the_coach_writes(
    service: Service, what: str, body: dict[str, Any]
) -> None:
    coach_id = new_id()
    path = f"/v1/coaches/{coach_id}/{what}"

    anonymous = await service.http.put(path, json=body)
    foreign = await service.http.put(path, json=body, headers=given.coach(new_id()))
    no_coach = await service.http.put(path, json=body, headers=given.student(coach_id))

    assert anonymous.status_code == 401
    assert foreign.status_code == no_coach.status_code == 403


@pytest.mark.parametrize(
    ("what", "body"), [("schedule", BERLIN), ("booking-policy", DEFAULT_POLICY)]
)
async def test_a_put_with_an_old_etag_changes_nothing(
    service: Service, what: str, body: dict[str, Any]
) -> None:
    coach_id = new_id()
    path = f"/v1/coaches/{coach_id}/{what}"
    headers = given.coach(coach_id)

    first = await service.http.put(path, json=body, headers=headers)
    etag = first.headers["ETag"]
    second = await service.http.put(
        path, json=body, headers=headers | {"If-Match": etag}
    )
    stale = await service.http.put(
        path, json=body, headers=headers | {"If-Match": etag}
    )
    read = await service.http.get(path)

    assert second.status_code == 200
    assert stale.status_code == 412
    assert stale.json()["slug"] == "precondition-failed"
    assert read.headers["ETag"] == second.headers["ETag"] != etag


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "body.timezone"),
        ({"rules": [{"weekday": 7, "start": "09:00", "end": "10:00"}]}, "body.rules.0.weekday"),
        ({"rules": [{"weekday": 0, "start": "9", "end": "10:00"}]}, "body.rules.0.start"),
        ({"rules": [{"weekday": 0, "start": "24:00", "end": "10:00"}]}, "body.rules.0.start"),
        ({"rules": [{"weekday": "0", "start": "09:00", "end": "10:00"}]}, "body.rules.0.weekday"),
        ({"overrides": [{"date": 0, "windows": []}]}, "body.overrides.0.date"),
        ({"overrides": [{"date": "1781481600", "windows": []}]}, "body.overrides.0.date"),
        ({"overrides": [{"date": "2026-06-15T00:00:00Z", "windows": []}]}, "body.overrides.0.date"),
        ({"time_off": [{"start": "2026-08-01T00:00:00", "end": "2026-08-02T00:00:00Z"}]}, "body.time_off.0.start"),
        ({"time_off": [{"start": "2026-08-02T00:00:00Z", "end": "2026-08-01T00:00:00Z"}]}, "body.time_off.0.end"),
        ({"time_off": [{"start": "0001-01-01T00:00:00+23:59", "end": "2026-08-01T00:00:00Z"}]}, "body.time_off.0.start"),
        ({"rules": [{"weekday": 0, "start": "09:00", "end": "09:00"}]}, "body.rules.0.end"),
        ({"rules": [{"weekday": 0, "start": "00:00", "end": "00:00"}]}, "body.rules.0.end"),
        ({"rules": [{"weekday": 0, "start": "09:00", "end": "12:00"}, {"weekday": 0, "start": "11:00", "end": "13:00"}]}, "body.rules.1.start"),
        ({"rules": [{"weekday": 6, "start": "22:00", "end": "02:00"}, {"weekday": 0, "start": "01:00", "end": "03:00"}]}, "body.rules.1.start"),
        ({"overrides": [{"date": "2026-06-15", "windows": [{"start": "09:00", "end": "09:00"}]}]}, "body.overrides.0.windows.0.end"),
        ({"overrides": [{"date": "2026-06-15", "windows": [{"start": "09:00", "end": "11:00"}, {"start": "10:00", "end": "12:00"}]}]}, "body.overrides.0.windows.1.start"),
        ({"overrides": [{"date": "2026-06-15", "windows": []}, {"date": "2026-06-15", "windows": []}]}, "body.overrides.1.date"),
        ({"overrides": MANY_DATES}, "body.overrides"),
        ({"colour": "red"}, "body.colour"),
    ],
)  # fmt: skip
async def test_a_wrong_schedule_is_refused_by_field(
    service: Service, change: dict[str, Any], field: str
) -> None:
    coach_id = new_id()

    response = await service.http.put(
        f"/v1/coaches/{coach_id}/schedule",
        json=BERLIN | change,
        headers=given.coach(coach_id),
    )

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"durations": []}, "body.durations"),
        ({"durations": [61]}, "body.durations"),
        ({"increment": 0}, "body.increment"),
        ({"notice_minutes": -1}, "body.notice_minutes"),
        ({"buffer_after": 1.5}, "body.buffer_after"),
        ({"max_sessions_per_day": 0}, "body.max_sessions_per_day"),
        ({"cancellation_tiers": [[0, 100], [24, 100]]}, "body.cancellation_tiers"),
        ({"cancellation_tiers": [[200, 100]]}, "body.cancellation_tiers"),
        ({"cancellation_tiers": [[10**12, 100], [24, 100]]}, "body.cancellation_tiers"),
        ({"meeting": "custom"}, "body.meeting_url"),
        ({"meeting": "custom", "meeting_url": "http://a.example"}, "body.meeting_url"),
        ({"group": {"enabled": True, "capacity": 4, "min_participants": 2}}, "body.group.enabled"),
        ({"group": {"enabled": False, "capacity": 2, "min_participants": 3}}, "body.group.min_participants"),
        ({"group": {"enabled": False, "capacity": 101, "min_participants": 1}}, "body.group.capacity"),
    ],
)  # fmt: skip
async def test_a_wrong_policy_is_refused_by_field(
    service: Service, change: dict[str, Any], field: str
) -> None:
    coach_id = new_id()

    response = await service.http.put(
        f"/v1/coaches/{coach_id}/booking-policy",
        json=DEFAULT_POLICY | change,
        headers=given.coach(coach_id),
    )

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


async def test_a_policy_is_replaced_as_a_whole(service: Service) -> None:
    coach_id = await given.a_coach(service, policy={"increment": 15, "paused": True})

    stored = await given.put(
        service,
        coach_id,
        "booking-policy",
        {"meeting": "custom", "meeting_url": "https://meet.example/kim"},
    )

    assert stored == DEFAULT_POLICY | {
        "meeting": "custom",
        "meeting_url": "https://meet.example/kim",
        "affected_sessions": [],
    }


@pytest.mark.parametrize(
    ("group", "field"),
    [
        ({"enabled": True, "capacity": 1, "min_participants": 1}, "capacity"),
        ({"enabled": True, "capacity": 3, "min_participants": 0}, "min_participants"),
        ({"enabled": True, "capacity": 3, "min_participants": 4}, "min_participants"),
        ({"enabled": True, "capacity": 3.0, "min_participants": 1}, "capacity"),
    ],
)
async def test_a_group_that_is_none_is_refused_by_field(
    service: Service, group: dict[str, Any], field: str
) -> None:
    coach_id = await given.a_coach(service, group_rate=2000)

    response = await service.http.put(
        f"/v1/coaches/{coach_id}/booking-policy",
        json={"group": group},
        headers=given.coach(coach_id),
    )

    assert response.status_code == 422
    assert [e["field"] for e in response.json()["errors"]] == [f"body.group.{field}"]


async def test_a_coach_who_moves_keeps_sold_sessions_at_their_instants(
    service: Service,
) -> None:
    hours = [{"weekday": day, "start": "14:00", "end": "18:00"} for day in range(7)]
    berlin = {"timezone": "Europe/Berlin", "rules": hours}
    coach_id = await given.a_coach(service, schedule=berlin)
    sold = await given.a_confirmed_seat(service, coach_id=coach_id)

    moved = await given.put(
        service, coach_id, "schedule", berlin | {"timezone": "America/New_York"}
    )

    assert [each["id"] for each in moved["affected_sessions"]] == [sold["id"]]
    seen = await given.shown(service, sold)
    assert (seen["start"], seen["start_version"]) == (sold["start"], 1)
    later = await given.book(service, coach_id, start=START + timedelta(hours=6))
    assert later.status_code == 201


async def test_groups_that_are_no_longer_offered_are_told_and_take_place(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service)
    sold = await given.a_confirmed_seat(service, coach_id=coach_id, kind="group")

    answer = await given.put(service, coach_id, "booking-policy", {})

    assert [each["id"] for each in answer["affected_sessions"]] == [sold["id"]]
    assert (await given.shown(service, sold))["status"] == "confirmed"


async def test_a_sold_session_outside_the_new_hours_is_told_and_stays(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    sold = await given.a_confirmed_seat(service, coach_id=coach_id)
    fits = await given.a_hold(service, coach_id, start=START + timedelta(hours=3))
    cancelled = await given.a_hold(service, coach_id, start=START + timedelta(hours=1))
    await service.http.post(
        f"/v1/sessions/{cancelled['id']}/cancel",
        json={},
        headers=given.student(UUID(cancelled["student_id"])),
    )

    answer = await given.put(
        service,
        coach_id,
        "schedule",
        {
            "timezone": "UTC",
            "rules": [{"weekday": 2, "start": "14:00", "end": "20:00"}],
        },
    )

    assert answer["affected_sessions"] == [
        {"id": sold["id"], "start": sold["start"], "end": sold["end"]}
    ]
    assert (await given.shown(service, sold))["status"] == "confirmed"
    assert (await given.shown(service, fits))["status"] == "held"


async def test_time_off_over_a_sold_session_is_told(service: Service) -> None:
    coach_id = await given.a_coach(service)
    sold = await given.a_confirmed_seat(service, coach_id=coach_id)
    away = {"start": START.isoformat(), "end": (START + timedelta(hours=9)).isoformat()}

    answer = await given.put(
        service, coach_id, "schedule", OPEN_ALL_DAY | {"time_off": [away]}
    )

    assert [each["id"] for each in answer["affected_sessions"]] == [sold["id"]]


async def test_a_policy_that_drops_a_sold_length_tells_so(service: Service) -> None:
    coach_id = await given.a_coach(service)
    sold = await given.a_confirmed_seat(service, coach_id=coach_id)

    answer = await given.put(service, coach_id, "booking-policy", {"durations": [30]})

    assert [each["id"] for each in answer["affected_sessions"]] == [sold["id"]]
