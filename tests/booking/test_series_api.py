import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Money
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.series import (
    WEEK,
    a_payment,
    a_series,
    book,
    cancel,
    its_student,
    preview,
    shown,
    statuses,
    wanted,
    weeks,
)
from tests.given import NOW


async def test_a_preview_tells_each_week_and_the_price_of_all(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    await given.a_hold(service, coach_id, start=START + WEEK)
    other = await given.a_coach(service)
    await given.a_hold(service, other, student_id, START + 2 * WEEK)

    found = await preview(service, coach_id, student_id, count=4)

    assert [each["ok"] for each in found["occurrences"]] == [True, False, False, True]
    assert [
        [reason["code"] for reason in each["reasons"]] for each in found["occurrences"]
    ] == [[], ["unavailable"], ["student_busy"], []]
    assert found["price"] == {"amount": 6000, "currency": "USD"}
    assert found["total"] == {"amount": 12000, "currency": "USD"}
    assert found["occurrences"][0] == {
        "start": "2026-06-17T12:00:00Z",
        "end": "2026-06-17T13:00:00Z",
        "local_start": "2026-06-17T12:00:00+00:00",
        "ok": True,
        "reasons": [],
        "price": {"amount": 6000, "currency": "USD"},
    }
    assert len(await service.said("seat_held")) == 2


async def test_what_a_preview_calls_ok_can_be_booked_and_nothing_else(
    service: Service,
) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    await given.a_hold(service, coach_id, start=START + WEEK)
    found = await preview(service, coach_id, student_id, count=9)
    good = [each["start"] for each in found["occurrences"] if each["ok"]]

    for bad in [each for each in found["occurrences"] if not each["ok"]]:
        tried = await book(
            service, coach_id, student_id, count=9, starts=[*good, bad["start"]]
        )
        assert tried.status_code in (409, 422)
        told = {each["start"]: each["reasons"] for each in tried.json()["occurrences"]}
        assert told[bad["start"]] == bad["reasons"]
    booked = await book(service, coach_id, student_id, count=9, starts=good)

    assert booked.status_code == 201
    assert [each["start"] for each in booked.json()["sessions"]] == good


async def test_a_series_is_held_as_one_with_one_end(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()

    response = await book(service, coach_id, student_id, goals="endgames", game="chess")

    series = response.json()
    assert response.headers["Location"] == f"/v1/series/{series['id']}"
    assert (series["status"], series["game"]) == ("held", "chess")
    assert series["price"] == {"amount": 27000, "currency": "USD"}
    assert series["hold_expires_at"] == "2026-06-15T12:15:00Z"
    assert {each["hold_expires_at"] for each in series["sessions"]} == {
        "2026-06-15T12:15:00Z"
    }
    assert {each["series_id"] for each in series["sessions"]} == {series["id"]}
    assert {each["goals"] for each in series["sessions"]} == {"endgames"}
    said = await service.said("seat_held")
    assert {str(each.series_id) for each in said} == {series["id"]}
    assert [each.series_size for each in said] == [3, 3, 3]
    assert await shown(service, series) == series


async def test_a_first_week_that_starts_soon_ends_the_hold_of_all(
    service: Service,
) -> None:
    policy = {"notice_minutes": 0, "increment": 5}
    coach_id = await given.a_coach(service, policy=policy)
    first = NOW + timedelta(minutes=5)

    series = await a_series(
        service, coach_id, first_start=first.isoformat(), starts=weeks(3, first)
    )

    assert {each["hold_expires_at"] for each in series["sessions"]} == {
        "2026-06-15T12:05:00Z"
    }


async def test_a_series_without_a_price_is_confirmed_at_once(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)

    series = await a_series(service, coach_id)

    assert (series["status"], series["hold_expires_at"]) == ("confirmed", None)
    assert statuses(series) == ["confirmed"] * 3
    assert len(await service.said("seat_confirmed")) == 3


async def test_a_taken_week_takes_nothing_of_the_series(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    await given.a_hold(service, coach_id, start=START + WEEK)

    response = await book(service, coach_id, student_id)

    problem = response.json()
    assert (response.status_code, problem["slug"]) == (409, "series-taken")
    assert [each["ok"] for each in problem["occurrences"]] == [True, False, True]
    assert len(await service.said("seat_held")) == 1
    alone = await given.book(service, coach_id, student_id)
    assert alone.status_code == 201


async def test_a_week_that_is_never_offered_is_told_with_its_reason(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"horizon_days": 8})

    response = await book(service, coach_id, count=3)

    problem = response.json()
    assert (response.status_code, problem["slug"]) == (422, "series-not-offered")
    assert [
        [reason["code"] for reason in each["reasons"]]
        for each in problem["occurrences"]
    ] == [[], ["horizon"], ["horizon"]]


async def test_a_part_of_the_weeks_can_be_booked(service: Service) -> None:
    coach_id = await given.a_coach(service)
    chosen = [weeks(4)[3], weeks(4)[1]]

    series = await a_series(service, coach_id, count=4, starts=chosen)

    assert [each["start"] for each in series["sessions"]] == [
        "2026-06-24T12:00:00Z",
        "2026-07-08T12:00:00Z",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"count": 1}, "body.count"),
        ({"count": 27}, "body.count"),
        ({"count": "3"}, "body.count"),
        ({"starts": []}, "body.starts"),
        ({"starts": [weeks(1)[0], weeks(1)[0]]}, "body.starts.1"),
        ({"starts": [(START + timedelta(days=1)).isoformat()]}, "body.starts.0"),
        ({"starts": [weeks(4)[3]]}, "body.starts.0"),
        ({"starts": ["2026-06-17T12:00:00"]}, "body.starts.0"),
        ({"duration_minutes": 45}, "body.duration_minutes"),
        ({"game": "poker"}, "body.game"),
        ({"weekly": True}, "body.weekly"),
    ],
)
async def test_a_body_that_makes_no_series_names_the_field(
    service: Service, changes: dict[str, Any], field: str
) -> None:
    coach_id = await given.a_coach(service)

    response = await service.http.post(
        "/v1/series",
        json=wanted(coach_id) | {"starts": weeks(3)} | changes,
        headers=given.student(),
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


async def test_a_total_that_cannot_be_charged_at_once_is_refused(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, hourly_rate=40_000_000)

    response = await book(service, coach_id)

    assert response.json()["errors"][0]["field"] == "body.starts"


async def test_the_total_may_be_expected(service: Service) -> None:
    coach_id = await given.a_coach(service)
    shown_before = {"amount": 9000, "currency": "USD"}

    response = await book(service, coach_id, expected_price=shown_before)

    assert (response.status_code, response.json()["slug"]) == (409, "price-changed")
    assert response.json()["price"] == {"amount": 18000, "currency": "USD"}
    again = await book(service, coach_id, expected_price=response.json()["price"])
    assert again.status_code == 201


async def test_a_series_counts_as_one_hold(service: Service) -> None:
    student_id = new_id()
    await a_series(service, student_id=student_id, count=8)
    second = await given.a_coach(service)

    beside = await book(
        service,
        second,
        student_id,
        first_start=(START + timedelta(hours=1)).isoformat(),
        starts=weeks(3, START + timedelta(hours=1)),
    )
    third = await given.book(
        service,
        await given.a_coach(service),
        student_id,
        START + timedelta(hours=2),
    )
    fourth = await given.book(
        service,
        await given.a_coach(service),
        student_id,
        START + timedelta(hours=3),
    )

    assert (beside.status_code, third.status_code) == (201, 201)
    assert (fourth.status_code, fourth.json()["slug"]) == (429, "too-many-holds")


async def test_a_second_hold_with_the_coach_is_too_many(service: Service) -> None:
    student_id = new_id()
    series = await a_series(service, student_id=student_id)
    coach_id = UUID(series["coach_id"])

    single = await given.book(service, coach_id, student_id, START + timedelta(hours=4))
    again = await book(service, coach_id, student_id)

    assert single.json()["slug"] == again.json()["slug"] == "too-many-holds"
    assert int(again.headers["Retry-After"]) == 15 * 60


async def test_a_payment_delivered_twice_confirms_all_once(service: Service) -> None:
    series = await a_series(service)
    payment = a_payment(series)

    await service.hear(payment, payment.model_copy(update={"event_id": new_id()}))

    paid = await shown(service, series)
    assert statuses(paid) == ["confirmed"] * 3
    assert paid["payment_id"] == str(payment.payment_id)
    assert len(await service.said("seat_confirmed")) == 3
    assert await service.said("payment_refused") == []


async def test_a_late_payment_confirms_what_is_left_and_gives_back_the_rest_once(
    service: Service,
) -> None:
    series = await a_series(service)
    service.clock.advance(minutes=15)
    await given.a_hold(service, UUID(series["coach_id"]), start=START + WEEK)
    payment = a_payment(series)

    for _ in range(3):
        await service.hear(payment.model_copy(update={"event_id": new_id()}))

    late = await shown(service, series)
    assert statuses(late) == ["confirmed", "expired", "confirmed"]
    assert late["sessions"][1]["refund"]["amount"]["amount"] == 6000
    [refused] = await service.said("payment_refused")
    assert str(refused.seat_id) == series["sessions"][1]["seat_id"]
    assert refused.reason == "slot_taken"
    assert len(await service.said("seat_confirmed")) == 2


async def test_a_wrong_amount_confirms_none(service: Service) -> None:
    series = await a_series(service)

    await service.hear(a_payment(series, amount=Money(amount=6000, currency="USD")))

    assert statuses(await shown(service, series)) == ["held"] * 3
    assert len(await service.said("payment_refused")) == 3


async def test_the_holds_of_a_series_run_out_together(service: Service) -> None:
    series = await a_series(service)
    service.clock.advance(minutes=15)

    await given.a_hold(service, UUID(series["coach_id"]), start=START + WEEK)

    assert statuses(await shown(service, series)) == ["expired"] * 3
    assert len(await service.said("seat_expired")) == 3


@pytest.mark.parametrize("path", ["/v1/series", "/v1/series/preview"])
async def test_students_book_series_with_others(service: Service, path: str) -> None:
    coach_id = await given.a_coach(service)
    body = wanted(coach_id) | ({"starts": weeks(3)} if path == "/v1/series" else {})

    async def ask(headers: dict[str, str], asked: dict[str, Any] = body) -> int:
        return (await service.http.post(path, json=asked, headers=headers)).status_code

    assert await ask({}) == 401
    assert await ask(given.coach(coach_id)) == 403
    assert await ask(given.admin()) == 403
    assert await ask(given.student(coach_id)) == 422
    assert await ask(given.student(), body | {"coach_id": str(new_id())}) == 404
    assert await ask(given.student()) in (200, 201)


async def test_the_sessions_of_a_series_can_be_listed(service: Service) -> None:
    series = await a_series(service)
    await given.a_hold(
        service,
        student_id=UUID(series["student_id"]),
        start=START + timedelta(hours=5),
    )

    listed = await service.http.get(
        f"/v1/sessions?series_id={series['id']}", headers=its_student(series)
    )

    assert [each["id"] for each in listed.json()["items"]] == [
        each["id"] for each in series["sessions"]
    ]


async def test_the_same_key_books_one_series(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    key = {"Idempotency-Key": "series"}

    first = await book(service, coach_id, student_id, key)
    again = await book(service, coach_id, student_id, key)
    other = await book(service, coach_id, student_id, key, count=2)

    assert first.json() == again.json()
    assert other.json()["slug"] == "idempotency-mismatch"
    assert len(await service.said("seat_held")) == 3


async def test_a_long_series_costs_the_queries_of_a_short_one(service: Service) -> None:
    counts = []
    for count in (2, 8):
        coach_id = await given.a_coach(service)
        with given.counted_queries(service) as asked:
            series = await a_series(service, coach_id, count=count)
            await cancel(service, series)
        counts.append(len([each for each in asked if not each.startswith("UPDATE")]))

    assert counts[0] == counts[1]


async def test_racing_series_and_sessions_book_all_of_a_series_or_none(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)

    answers = await asyncio.gather(
        *(book(service, coach_id, count=6) for _ in range(5)),
        *(given.book(service, coach_id, start=START + n % 6 * WEEK) for n in range(12)),
    )

    assert {each.status_code for each in answers} <= {201, 409}
    held = await service.said("seat_held")
    by_series = [each.series_id for each in held if each.series_id]
    assert len(by_series) in (0, 6)
    assert len(set(by_series)) <= 1
    assert len({each.start for each in held}) == len(held) == 6
