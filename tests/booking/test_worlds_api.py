"""Worlds made by chance, in the real service: what is listed is what can be booked."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from services.booking.domain.schedule import Schedule, clock, schedule_errors
from tests.booking import given
from tests.booking.domain.chance import THOROUGH, a_schedule
from tests.booking.domain.test_oracle import by
from tests.booking.given import Service
from tests.booking.test_slots_api import slots

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
AROUND = date(2026, 6, 20)
TRIES = 8
"""Listed starts and others that are asked for, of each kind."""


async def a_world(service: Service, chance: Random, zone: str) -> UUID:
    """A coach with hours, terms, sessions and groups that nobody chose."""
    opening = datetime.combine(AROUND, datetime.min.time(), UTC)
    schedule = a_schedule(chance, zone, AROUND, opening)
    assert schedule_errors(schedule) == []
    policy = {
        "durations": [60],
        "increment": chance.choice([15, 30, 60, 90]),
        "buffer_before": chance.choice([0, 10]),
        "buffer_after": chance.choice([0, 15]),
        "notice_minutes": chance.choice([0, 120]),
        "max_sessions_per_day": chance.choice([None, None, 6]),
    }
    capacity = chance.choice([2, 3])
    coach_id = await given.a_coach_of_groups(
        service, schedule=body(schedule), policy=policy, group={"capacity": capacity}
    )
    for kind in ("individual", "group", "group"):
        found = await listed(service, coach_id, kind)
        for start in chance.sample(found, min(2, len(found))):
            await given.book(service, coach_id, start=start, kind=kind)
    return coach_id


def body(schedule: Schedule) -> dict[str, Any]:
    return {
        "timezone": schedule.timezone,
        "rules": [
            {
                "weekday": rule.weekday,
                "start": clock(rule.start),
                "end": clock(rule.end),
                "active": rule.active,
            }
            for rule in schedule.rules
        ],
        "overrides": [
            {
                "date": str(each.date),
                "windows": [
                    {"start": clock(w.start), "end": clock(w.end)} for w in each.windows
                ],
            }
            for each in schedule.overrides
        ],
        "time_off": [
            {"start": each.start.isoformat(), "end": each.end.isoformat()}
            for each in schedule.time_off
        ],
    }


async def listed(service: Service, coach_id: UUID, kind: str) -> list[datetime]:
    query: dict[str, Any] = {"from": str(AROUND), "to": str(AROUND + timedelta(days=2))}
    response = await slots(service, coach_id, **query)
    assert response.status_code == 200, response.text
    return [
        datetime.fromisoformat(slot["start"])
        for day in response.json()["days"]
        for slot in day["slots"]
        if slot["kind"] == kind
    ]


@pytest.mark.parametrize("zone", ZONES)
async def test_what_is_listed_can_be_booked_and_nothing_else(
    service: Service, zone: str
) -> None:
    for number in range(THOROUGH):
        chance = by(f"service {zone} {number}")
        coach_id = await a_world(service, chance, zone)
        for kind in ("individual", "group"):
            offered = await listed(service, coach_id, kind)
            since = datetime.combine(AROUND, datetime.min.time(), UTC)
            others = {
                since + timedelta(minutes=5 * chance.randrange(576))
                for _ in range(TRIES)
            }
            tries = chance.sample(offered, min(TRIES, len(offered)))
            for at in {*tries, *others}:
                await _try(service, coach_id, kind, at, at in offered)


async def _try(
    service: Service, coach_id: UUID, kind: str, at: datetime, offered: bool
) -> None:
    """Asked and explained alike; what was booked is given back."""
    answer = await given.book(service, coach_id, start=at, kind=kind)
    told = await service.http.get(
        f"/v1/coaches/{coach_id}/slots/explain",
        params={"start": at.isoformat(), "kind": kind},
    )

    assert (answer.status_code == 201) == offered, (at, kind, answer.text)
    if not offered:
        assert told.json()["reasons"], told.text
        return
    held = answer.json()
    cancelled = await service.http.post(
        f"/v1/sessions/{held['id']}/cancel",
        json={},
        headers=given.student(UUID(held["student_id"])),
    )
    assert cancelled.status_code == 200
