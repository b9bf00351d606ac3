"""What cancelling would give from now to the start."""

from datetime import timedelta
from typing import Any

import httpx2

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.moving import SILENT, coach_of, student_of
from tests.given import NOW

TIERS = {"cancellation_tiers": [[40, 100], [24, 50], [0, 0]]}
HOUR = timedelta(hours=1)


async def timeline(
    service: Service, session: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await service.http.get(
        f"/v1/sessions/{session['id']}/cancel/timeline",
        headers=headers or student_of(session),
    )


async def quote(service: Service, session: dict[str, Any]) -> httpx2.Response:
    return await service.http.get(
        f"/v1/sessions/{session['id']}/cancel/quote", headers=student_of(session)
    )


async def test_each_stage_is_shown_with_what_it_gives_and_why(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=TIERS)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    service.clock.advance(hours=1)

    response = await timeline(service, paid)

    assert response.status_code == 200, response.text
    usd = [{"amount": amount, "currency": "USD"} for amount in (6000, 3000, 0)]
    assert response.json() == {
        "steps": [
            {
                "from": "2026-06-15T13:00:00Z",
                "until": "2026-06-15T20:00:00Z",
                "percent": 100,
                "refund": usd[0],
                "rule": "tier 40h",
            },
            {
                "from": "2026-06-15T20:00:00Z",
                "until": "2026-06-16T12:00:00Z",
                "percent": 50,
                "refund": usd[1],
                "rule": "tier 24h",
            },
            {
                "from": "2026-06-16T12:00:00Z",
                "until": "2026-06-17T12:00:00Z",
                "percent": 0,
                "refund": usd[2],
                "rule": "tier 0h",
            },
        ],
        "free_until": "2026-06-15T20:00:00Z",
        "quoted_at": "2026-06-15T13:00:00Z",
    }


async def test_at_the_end_of_each_stage_and_right_after_the_quote_agrees(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy=TIERS)
    paid = await given.a_confirmed_seat(
        service, coach_id=coach_id, start=NOW + 30 * HOUR
    )
    steps = (await timeline(service, paid)).json()["steps"]

    quoted = []
    for step in steps[:-1]:
        await service.clock.until(given.instant(step["until"]))
        quoted.append((await quote(service, paid)).json())
    service.clock.advance(microseconds=1)
    quoted.append((await quote(service, paid)).json())

    assert [each["rule"] for each in steps] == ["grace", "tier 24h", "tier 0h"]
    assert [(q["percent"], q["refund"], q["tier"]) for q in quoted] == [
        (each["percent"], each["refund"], each["rule"]) for each in steps
    ]


async def test_a_hold_is_given_back_until_it_runs_out(service: Service) -> None:
    held = await given.a_hold(service)

    [step] = (await timeline(service, held)).json()["steps"]

    assert (step["percent"], step["rule"]) == (100, "hold")
    assert step["until"] == held["hold_expires_at"]


async def test_when_a_student_can_no_longer_cancel_there_is_no_timeline(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    gone = await given.a_hold(service)
    service.clock.advance(minutes=15)
    ran_out = await timeline(service, gone)
    await service.clock.until(START)

    begun = [await timeline(service, paid, who(paid)) for who in (student_of, coach_of)]

    for response in (ran_out, *begun):
        assert response.status_code == 409
        assert response.json()["slug"] == "wrong-status"


async def test_the_timeline_is_for_the_people_of_the_session_and_admins(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)

    answers = [
        await timeline(service, paid, headers)
        for headers in (
            SILENT,
            given.student(),
            given.coach(new_id()),
            student_of(paid),
            coach_of(paid),
            given.admin(),
        )
    ]

    assert [each.status_code for each in answers] == [401, 404, 404, 200, 200, 200]
    assert len({each.text for each in answers[3:]}) == 1, "it is about the student"
    assert (await timeline(service, {"id": new_id()}, given.admin())).status_code == 404


async def test_nothing_paid_gives_nothing_back_at_any_stage(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)
    free = await given.a_hold(service, coach_id)

    steps = (await timeline(service, free)).json()["steps"]

    assert {each["refund"]["amount"] for each in steps} == {0}
