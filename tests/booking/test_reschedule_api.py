"""A student moves a session alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.moving import (
    LATER,
    SILENT,
    coach_of,
    percent,
    reschedule,
    student_of,
)
from tests.given import NOW, bearer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def test_a_student_moves_early_and_keeps_all_but_the_time(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await reschedule(service, paid, reason="an exam")

    assert response.status_code == 200, response.text
    moved = response.json()
    assert given.instant(moved["start"]) == LATER
    assert given.instant(moved["end"]) == LATER + HOUR
    assert moved["start_version"] == 2
    same = ("id", "seat_id", "price", "payment_id", "status", "duration_minutes")
    assert {name: moved[name] for name in same} == {name: paid[name] for name in same}
    assert moved["history"] == paid["history"], "staying confirmed is no step"
    [step] = moved["moves"]
    assert (step["by"], step["reason"], step["proposal_id"]) == (
        "student",
        "an exam",
        None,
    )
    assert given.instant(step["old_start"]) == START
    assert given.instant(step["start"]) == LATER
    assert given.instant(step["at"]) == NOW


async def test_a_move_is_told_with_the_old_and_the_new_time(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)

    await reschedule(service, paid)
    await reschedule(service, paid, LATER + DAY)

    first, second = await service.said("session_moved")
    assert (first.old_start, first.old_end) == (START, START + HOUR)
    assert (first.start, first.end) == (LATER, LATER + HOUR)
    assert first.seat_ids == (UUID(paid["seat_id"]),)
    assert first.student_ids == (UUID(paid["student_id"]),)
    assert (first.coach_id, first.session_id, first.by, first.kind) == (
        UUID(paid["coach_id"]),
        UUID(paid["id"]),
        "student",
        "individual",
    )
    assert (first.start_version, first.sequence) == (2, 1)
    assert (second.start_version, second.sequence) == (3, 2)
    assert second.old_start == LATER


async def test_cancelling_after_moves_bears_a_higher_sequence(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await reschedule(service, paid)

    await service.http.post(
        f"/v1/sessions/{paid['id']}/cancel", json={}, headers=student_of(paid)
    )

    [confirmed] = await service.said("seat_confirmed")
    [moved] = await service.said("session_moved")
    [cancelled] = await service.said("seat_cancelled")
    assert (confirmed.sequence, moved.sequence, cancelled.sequence) == (0, 1, 2)
    assert cancelled.start == LATER


async def test_the_old_time_is_free_and_the_new_one_is_taken(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    coach_id = UUID(paid["coach_id"])
    await reschedule(service, paid)

    old = await given.book(service, coach_id, start=START)
    new = await given.book(service, coach_id, start=LATER)

    assert (old.status_code, new.status_code) == (201, 409)


async def test_the_own_session_is_not_in_the_way_of_its_move(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await reschedule(service, paid, START + HOUR / 2)

    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("before", "status"), [(24 * HOUR, 200), (24 * HOUR - DAY / 86_400, 409)]
)
async def test_a_student_moves_alone_as_long_as_cancelling_is_free(
    service: Service, before: timedelta, status: int
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START - before)

    response = await reschedule(service, paid)

    assert response.status_code == status
    if status == 409:
        assert response.json()["slug"] == "needs-proposal"
        assert not await service.said("session_moved")


async def test_a_fresh_confirmation_does_not_make_a_late_move_free(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service, start=NOW + 3 * HOUR)

    response = await reschedule(service, paid)

    assert (await percent(service, paid)) == 100
    assert response.json()["slug"] == "needs-proposal"


async def test_an_early_move_costs_nothing_later(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START - 30 * HOUR)
    await reschedule(service, paid)

    await service.clock.until(LATER - 40 * HOUR)
    early = await percent(service, paid)
    await service.clock.until(LATER - 10 * HOUR)

    assert (early, await percent(service, paid)) == (100, 0)


async def test_a_student_moves_three_times_at_most(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)

    answers = [await reschedule(service, paid, LATER + n * HOUR) for n in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 409]
    assert answers[-1].json()["slug"] == "too-many-moves"
    assert (await given.shown(service, paid))["start_version"] == 4


async def test_a_hold_does_not_move(service: Service) -> None:
    held = await given.a_hold(service)

    response = await reschedule(service, held)

    assert (response.status_code, response.json()["slug"]) == (409, "wrong-status")
    assert response.json()["session_status"] == "held"


async def test_what_is_cancelled_or_has_begun_does_not_move(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    gone = await given.a_confirmed_seat(service)
    await service.http.post(
        f"/v1/sessions/{gone['id']}/cancel", json={}, headers=student_of(gone)
    )
    await service.clock.until(START)

    begun, cancelled = await reschedule(service, paid), await reschedule(service, gone)

    assert begun.json()["slug"] == cancelled.json()["slug"] == "wrong-status"
    assert cancelled.json()["session_status"] == "cancelled"


async def test_a_time_that_another_student_has_is_taken(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    coach_id = UUID(paid["coach_id"])
    await given.a_hold(service, coach_id, start=LATER)

    response = await reschedule(service, paid)

    assert (response.status_code, response.json()["slug"]) == (409, "slot-taken")
    starts = {each["start"] for each in response.json()["alternatives"]}
    assert len(starts) == 5
    assert "2026-06-20T12:00:00Z" not in starts
    assert response.json()["alternatives"][0]["price"] == paid["price"]
    assert (await given.shown(service, paid))["start"] == paid["start"]


async def test_a_hold_that_ran_out_is_not_in_the_way(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await given.a_hold(service, UUID(paid["coach_id"]), start=LATER)
    service.clock.advance(minutes=15)

    assert (await reschedule(service, paid)).status_code == 200
    assert len(await service.said("seat_expired")) == 1


async def test_the_students_own_other_session_is_in_the_way(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await given.a_hold(service, student_id=UUID(paid["student_id"]), start=LATER)

    response = await reschedule(service, paid)

    assert (response.status_code, response.json()["slug"]) == (409, "student-busy")


@pytest.mark.parametrize(
    ("policy", "start", "code"),
    [
        ({}, LATER + timedelta(minutes=7), "off_grid"),
        ({}, NOW + HOUR, "notice"),
        ({}, NOW + 90 * DAY, "horizon"),
        ({"max_sessions_per_day": 1}, START + 2 * HOUR + DAY, "cap"),
    ],
)
async def test_what_is_never_offered_is_refused_with_reasons(
    service: Service, policy: dict[str, Any], start: datetime, code: str
) -> None:
    coach_id = await given.a_coach(service, policy=policy)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await given.a_hold(service, coach_id, start=START + DAY)

    response = await reschedule(service, paid, start)

    assert response.status_code == 422, response.text
    assert response.json()["slug"] == "slot-not-offered"
    assert [each["code"] for each in response.json()["reasons"]] == [code]
    assert response.json()["alternatives"] or code == "horizon"


async def test_a_full_day_is_not_full_of_the_session_that_moves_within_it(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"max_sessions_per_day": 1})
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)

    assert (await reschedule(service, paid, START + 2 * HOUR)).status_code == 200


async def test_the_weeks_new_students_stay_as_few_when_one_moves_there(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"max_students_per_week": 1})
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await given.a_hold(service, coach_id, start=START + 7 * DAY)

    there = await reschedule(service, paid, START + 8 * DAY)
    within = await reschedule(service, paid, START + 1 * DAY)

    assert there.status_code == 422, there.text
    assert there.json()["reasons"][0]["code"] == "cap"
    assert within.status_code == 200


async def test_a_coach_who_pauses_still_lets_sold_sessions_move(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    coach_id = UUID(paid["coach_id"])
    await given.put(service, coach_id, "booking-policy", {"paused": True})

    assert (await reschedule(service, paid)).status_code == 200


async def test_length_and_buffers_stay_those_of_the_booking(service: Service) -> None:
    policy = {"buffer_before": 30, "durations": [60]}
    coach_id = await given.a_coach(service, policy=policy)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await given.put(service, coach_id, "booking-policy", {"durations": [90]})

    moved = await reschedule(service, paid)

    assert moved.status_code == 200, moved.text
    assert moved.json()["duration_minutes"] == 60
    near, apart = [
        await given.book(service, coach_id, start=LATER - gap, duration_minutes=90)
        for gap in (1.5 * HOUR, 2 * HOUR)
    ]
    assert near.json()["slug"] == "slot-taken"
    assert apart.status_code == 201


@pytest.mark.parametrize(
    ("start", "message"),
    [(START, "is when the session starts already"), (NOW - DAY, "must lie ahead")],
)
async def test_a_start_that_is_no_move_names_the_field(
    service: Service, start: datetime, message: str
) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await reschedule(service, paid, start)

    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "body.start", "message": message}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"start": "2026-06-20T12:00:00"}, "body.start"),
        ({"start": 0}, "body.start"),
        ({"start": None}, "body.start"),
        ({"start": "3000-01-01T00:00:00Z"}, "body.start"),
        ({"reason": "a\x00"}, "body.reason"),
        ({"colour": "red"}, "body.colour"),
    ],
)
async def test_a_malformed_move_names_the_field(
    service: Service, body: dict[str, Any], field: str
) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await service.http.post(
        f"/v1/sessions/{paid['id']}/reschedule",
        json={"start": LATER.isoformat()} | body,
        headers=student_of(paid),
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


async def test_only_its_student_moves_a_session(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    both = bearer(UUID(paid["coach_id"]), "student", "coach")

    answers = [
        await reschedule(service, paid, headers=headers)
        for headers in (
            SILENT,
            coach_of(paid),
            both,
            given.admin(),
            given.student(),
            given.coach(new_id()),
        )
    ]

    assert [each.status_code for each in answers] == [401, 403, 403, 403, 404, 403]
    assert (await given.shown(service, paid))["start_version"] == 1


async def test_a_key_moves_once_and_answers_the_same(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    headers = student_of(paid) | {"Idempotency-Key": "k"}

    first = await reschedule(service, paid, headers=headers)
    again = await reschedule(service, paid, headers=headers)

    assert first.json() == again.json()
    assert len(await service.said("session_moved")) == 1


async def test_a_move_across_the_change_of_clocks_keeps_its_minutes(
    service: Service,
) -> None:
    """Berlin sets its clocks back on 2026-10-25 at 03:00: two hours pass by the wall."""
    every = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]
    coach_id = await given.a_coach(
        service,
        schedule={"timezone": "Europe/Berlin", "rules": every},
        policy={"durations": [120], "horizon_days": 365},
    )
    paid = await given.a_confirmed_seat(
        service, coach_id=coach_id, duration_minutes=120
    )
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30, the first of two

    moved = (await reschedule(service, paid, night)).json()

    assert moved["start"] == "2026-10-25T00:30:00Z"
    assert moved["end"] == "2026-10-25T02:30:00Z"
    assert moved["duration_minutes"] == 120
    first = await given.book(
        service, coach_id, start=night - 2 * HOUR, duration_minutes=120
    )
    assert first.status_code == 201
