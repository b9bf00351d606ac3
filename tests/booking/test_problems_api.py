"""A student reports a problem, an admin decides what goes back."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.attending import (
    DAY,
    END,
    a_group,
    a_missed_seat,
    do,
    done,
    in_status,
    minutes,
    people,
    tick,
)
from tests.booking.given import Service
from tests.given import bearer


async def decide(
    service: Service,
    session: dict[str, Any],
    who: dict[str, str] | None = None,
    **body: Any,
) -> httpx2.Response:
    return await service.http.post(
        f"/v1/admin/sessions/{session['id']}/problem",
        json={"decision": "full", "reason": "the coach left"} | body,
        headers=given.admin() if who is None else who,
    )


async def a_problem(service: Service) -> dict[str, Any]:
    """A completed seat, paid for, of which a problem was reported."""
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(30))
    await done(service, paid, "complete")
    return await done(service, paid, "problem", "student", reason="he left")


async def test_a_problem_is_shown_to_both_sides_and_said(service: Service) -> None:
    reported = await a_problem(service)

    seen = await service.http.get(
        f"/v1/sessions/{reported['id']}", headers=given.coach_of(reported)
    )
    assert reported["problem"] == seen.json()["problem"]
    assert reported["problem"] == {
        "reason": "he left",
        "reported_at": "2026-06-17T12:30:00Z",
        "status": "open",
        "decision": None,
        "percent": None,
        "refund": None,
        "decision_reason": None,
        "decided_at": None,
    }
    [event] = await service.said("problem_reported")
    assert (str(event.seat_id), event.reason) == (reported["seat_id"], "he left")


async def test_a_problem_is_reported_once(service: Service) -> None:
    reported = await a_problem(service)

    again = await do(service, reported, "problem", "student")

    assert (again.status_code, again.json()["slug"]) == (409, "problem-reported")
    assert again.json()["reported_at"] == "2026-06-17T12:30:00Z"
    assert len(await service.said("problem_reported")) == 1


@pytest.mark.parametrize(
    ("decision", "percent", "back"),
    [("full", None, 6000), ("partial", 33, 1980), ("none", None, 0)],
)
async def test_an_admin_decides_what_goes_back(
    service: Service, decision: str, percent: int | None, back: int
) -> None:
    reported = await a_problem(service)

    answer = await decide(service, reported, decision=decision, percent=percent)
    again = await decide(service, reported)

    assert answer.status_code == 200, answer.text
    problem = answer.json()["problem"]
    assert (problem["status"], problem["decision"]) == ("decided", decision)
    assert problem["refund"] == {"amount": back, "currency": "USD"}
    assert problem["decision_reason"] == "the coach left"
    refund = (await given.shown(service, reported))["refund"]
    if back:
        assert (refund["amount"]["amount"], refund["status"]) == (back, "pending")
    else:
        assert refund is None
    [event] = await service.said("problem_decided")
    assert (event.decision, event.refund.amount) == (decision, back)
    assert event.earned.amount == 6000 - back
    assert (again.status_code, again.json()["slug"]) == (409, "no-open-problem")


async def test_half_a_cent_goes_back_as_a_whole_one(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=4999)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await service.clock.until(END)
    await done(service, paid, "problem", "student")

    answer = await decide(service, paid, decision="partial", percent=50)

    assert answer.json()["refund"]["amount"]["amount"] == 2500


async def test_no_more_goes_back_than_is_left(service: Service) -> None:
    missed = await a_missed_seat(service, "coach")
    await done(service, missed, "problem", "student")
    await tick(service, minutes(15) + DAY)

    answer = await decide(service, missed)

    assert answer.json()["problem"]["refund"]["amount"] == 0
    assert answer.json()["refund"]["amount"]["amount"] == 6000
    [event] = await service.said("problem_decided")
    assert (event.refund.amount, event.earned.amount) == (0, 0)


async def test_what_an_admin_decided_stands_when_a_no_show_becomes_final(
    service: Service,
) -> None:
    missed = await a_missed_seat(service, "both")
    await done(service, missed, "problem", "student")
    await decide(service, missed, decision="partial", percent=50)

    await tick(service, service.clock.now() + DAY)

    view = await given.shown(service, missed)
    assert (view["status"], view["refund"]["amount"]["amount"]) == ("no_show", 3000)
    final = (await service.said("seat_missed"))[-1]
    assert (final.final, final.refund, final.earned.amount) == (True, None, 3000)


async def test_a_session_cancelled_after_the_decision_gives_back_what_is_left(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(5))
    await done(service, paid, "problem", "student")
    await decide(service, paid, decision="partial", percent=33)

    cancelled = await done(service, paid, "cancel", "admin")

    assert cancelled["refund"]["amount"]["amount"] == 6000
    [event] = await service.said("seat_cancelled")
    assert event.refund.amount == 6000 - 1980


async def test_of_a_free_seat_nothing_goes_back(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)
    free = await given.a_hold(service, coach_id)
    await service.clock.until(END)
    await done(service, free, "problem", "student")

    answer = await decide(service, free)

    assert (answer.status_code, answer.json()["refund"]) == (200, None)
    [event] = await service.said("problem_decided")
    assert (event.refund, event.earned.source) == (None, "free")


async def test_where_nothing_was_reported_there_is_nothing_to_decide(
    service: Service,
) -> None:
    session = await in_status(service, "completed")

    answer = await decide(service, session)

    assert (answer.status_code, answer.json()["slug"]) == (409, "no-open-problem")


async def test_only_an_admin_who_is_no_party_decides(service: Service) -> None:
    reported = await a_problem(service)
    callers = people(reported)
    mine = UUID(reported["student_id"])

    statuses = {
        who: (await decide(service, reported, headers)).status_code
        for who, headers in callers.items()
        if who != "admin"
    }
    party = await decide(service, reported, bearer(mine, "student", "admin"))
    nowhere = await decide(service, reported | {"id": str(new_id())})

    assert statuses.pop("anonymous") == 401
    assert set(statuses.values()) == {403}
    assert (party.status_code, nowhere.status_code) == (403, 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "half"}, "body.decision"),
        ({"decision": "partial"}, "body.percent"),
        ({"decision": "partial", "percent": 100}, "body.percent"),
        ({"decision": "partial", "percent": 0}, "body.percent"),
        ({"decision": "none", "percent": 10}, "body.percent"),
        ({"reason": "  "}, "body.reason"),
        ({"reason": None}, "body.reason"),
        ({"more": 1}, "body.more"),
    ],
)
async def test_a_malformed_decision_is_refused_by_field(
    service: Service, body: dict[str, Any], field: str
) -> None:
    held = await given.a_hold(service)

    answer = await decide(service, held, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_of_a_group_each_seat_has_its_own_problem(service: Service) -> None:
    one, other, _ = await a_group(service)
    await service.clock.until(END + timedelta(hours=1))
    await done(service, one, "problem", "student")

    unnamed = await decide(service, one)
    answer = await decide(service, one, seat_id=one["seat_id"])

    assert unnamed.json()["errors"][0]["field"] == "body.seat_id"
    assert answer.status_code == 200
    assert (await given.shown(service, one))["problem"]["status"] == "decided"
    assert (await given.shown(service, other))["problem"] is None
