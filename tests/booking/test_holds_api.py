from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from services.booking.models import Seat, Session
from shared.contracts.coaches import GameRate
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.given import NOW


async def test_a_booked_seat_is_held_with_the_terms_of_the_day_and_announced(
    service: Service,
) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()

    response = await given.book(service, coach_id, student_id, goals="openings")

    held = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/sessions/{held['id']}"
    assert held == {
        "id": held["id"],
        "seat_id": held["seat_id"],
        "coach_id": str(coach_id),
        "student_id": str(student_id),
        "start": "2026-06-17T12:00:00Z",
        "end": "2026-06-17T13:00:00Z",
        "duration_minutes": 60,
        "game": None,
        "kind": "individual",
        "goals": "openings",
        "status": "held",
        "start_version": 1,
        "price": {"amount": 6000, "currency": "USD"},
        "hold_expires_at": "2026-06-15T12:15:00Z",
        "cancelled_by": None,
        "no_show": None,
        "provisional_until": None,
        "attendance": {"student": None, "coach": None},
        "problem": None,
        "refund": None,
        "payment_id": None,
        "series_id": None,
        "offer": False,
        "capacity": 1,
        "seats_left": 0,
        "min_participants": 1,
        "runs": True,
        "join_url": None,
        "proposals": [],
        "moves": [],
        "seats": None,
        "history": [
            {
                "at": "2026-06-15T12:00:00Z",
                "from": None,
                "to": "held",
                "by": "student",
                "reason": None,
            }
        ],
    }
    [event] = await service.said()
    assert event.name == "booking.seat_held.v1"
    assert str(event.seat_id) == held["seat_id"]
    assert (event.price.amount, event.fee_percent) == (6000, 15)
    assert event.hold_expires_at == NOW + timedelta(minutes=15)


async def test_a_game_has_its_own_rate(service: Service) -> None:
    coach_id = await given.a_coach(
        service,
        games=[
            GameRate(slug="chess", hourly_rate=9000),
            GameRate(slug="go", hourly_rate=None),
        ],
    )

    chess = await given.a_hold(service, coach_id, game="chess")
    go = await given.a_hold(
        service, coach_id, start=START + timedelta(hours=1), game="go"
    )
    other = await given.book(service, coach_id, game="poker")

    assert chess["price"]["amount"] == 9000
    assert go["price"]["amount"] == 6000
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "body.game"


async def test_a_free_seat_is_confirmed_at_once(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)

    held = await given.a_hold(service, coach_id)

    assert held["status"] == "confirmed"
    assert held["hold_expires_at"] is None
    [event] = await service.said()
    assert (event.name, event.paid_by) == ("booking.seat_confirmed.v1", "free")


async def test_a_start_with_an_offset_is_announced_in_utc(service: Service) -> None:
    coach_id = await given.a_coach(service)
    there = START.astimezone(timezone(timedelta(hours=23, minutes=59)))

    held = await given.a_hold(service, coach_id, start=there)

    [event] = await service.said("seat_held")
    assert held["start"] == "2026-06-17T12:00:00Z"
    assert (event.start, event.start.utcoffset()) == (START, timedelta())
    assert event.end.utcoffset() == timedelta()


async def test_a_taken_time_is_lost_with_the_nearest_free_ones(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    await given.a_hold(service, coach_id)

    response = await given.book(service, coach_id, start=START + timedelta(minutes=30))

    problem = response.json()
    assert (response.status_code, problem["slug"]) == (409, "slot-taken")
    assert problem["alternatives"][1] == {
        "start": "2026-06-17T11:00:00Z",
        "end": "2026-06-17T12:00:00Z",
        "price": {"amount": 6000, "currency": "USD"},
    }
    assert [each["start"][11:16] for each in problem["alternatives"]] == [
        "10:30",
        "11:00",
        "13:00",
        "13:30",
        "14:00",
    ]


async def test_every_alternative_can_be_booked(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await given.a_hold(service, coach_id)
    lost = await given.book(service, coach_id)

    for each in lost.json()["alternatives"][::2]:
        taken = await given.book(service, coach_id, start=given.instant(each["start"]))
        assert taken.status_code == 201, taken.text


async def test_a_buffer_keeps_two_sessions_apart(service: Service) -> None:
    coach_id = await given.a_coach(
        service, policy={"increment": 15, "buffer_before": 10, "buffer_after": 15}
    )
    await given.a_hold(service, coach_id)

    early = await given.book(service, coach_id, start=START + timedelta(minutes=75))
    late = await given.book(service, coach_id, start=START + timedelta(minutes=90))

    assert early.json()["slug"] == "slot-taken"
    assert late.status_code == 201


async def test_new_buffers_do_not_move_what_was_sold(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await given.a_hold(service, coach_id)
    await given.put(service, coach_id, "booking-policy", {"buffer_before": 30})

    after = await given.book(service, coach_id, start=START + timedelta(minutes=60))
    later = await given.book(service, coach_id, start=START + timedelta(minutes=90))

    assert after.json()["slug"] == "slot-taken"
    assert later.status_code == 201


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (START + timedelta(minutes=5), "off_grid"),
        (NOW + timedelta(minutes=60), "notice"),
        (NOW + timedelta(days=90), "horizon"),
        (NOW - timedelta(days=1), "notice"),
    ],
)
async def test_a_time_that_is_never_offered_is_refused_with_the_reason(
    service: Service, start: Any, code: str
) -> None:
    coach_id = await given.a_coach(service)

    response = await given.book(service, coach_id, start=start)

    problem = response.json()
    assert (response.status_code, problem["slug"]) == (422, "slot-not-offered")
    assert [each["code"] for each in problem["reasons"]] == [code]
    assert len(problem["alternatives"]) <= 5


async def test_time_off_is_not_told_to_students(service: Service) -> None:
    away = {"start": START.isoformat(), "end": (START + timedelta(hours=2)).isoformat()}
    coach_id = await given.a_coach(
        service, schedule=given.OPEN_ALL_DAY | {"time_off": [away]}
    )

    response = await given.book(service, coach_id)

    assert response.status_code == 422
    assert [each["code"] for each in response.json()["reasons"]] == ["unavailable"]


@pytest.mark.parametrize(
    "profile", [{"listed": False}, {"listed": False, "verified": False}]
)
async def test_a_coach_who_is_not_listed_cannot_be_booked(
    service: Service, profile: dict[str, Any]
) -> None:
    coach_id = await given.a_coach(service, **profile)

    response = await given.book(service, coach_id)

    assert response.json()["slug"] == "slot-not-offered"
    assert [each["code"] for each in response.json()["reasons"]] == ["coach_paused"]


async def test_a_paused_coach_takes_only_students_it_knows(service: Service) -> None:
    coach_id = await given.a_coach(service)
    known = await given.a_confirmed_seat(service, coach_id=coach_id)
    await given.put(service, coach_id, "booking-policy", {"paused": True})

    later = START + timedelta(hours=2)
    new = await given.book(service, coach_id, start=later)
    old = await given.book(service, coach_id, UUID(known["student_id"]), start=later)

    assert [each["code"] for each in new.json()["reasons"]] == ["coach_paused"]
    assert old.status_code == 201


@pytest.mark.parametrize(
    "policy",
    [
        {"max_sessions_per_day": 1},
        {"max_sessions_per_week": 1},
        {"max_students_per_week": 1},
    ],
)
async def test_a_cap_is_not_exceeded(service: Service, policy: dict[str, Any]) -> None:
    coach_id = await given.a_coach(service, policy=policy)
    await given.a_hold(service, coach_id)

    same_day = await given.book(service, coach_id, start=START + timedelta(hours=3))
    next_week = await given.book(service, coach_id, start=START + timedelta(days=7))

    assert [each["code"] for each in same_day.json()["reasons"]] == ["cap"]
    assert next_week.status_code == 201


async def test_a_cap_on_new_students_leaves_known_ones_alone(service: Service) -> None:
    coach_id = await given.a_coach(service, policy={"max_students_per_week": 1})
    known = await given.a_confirmed_seat(service, coach_id=coach_id)

    again = await given.book(
        service, coach_id, UUID(known["student_id"]), start=START + timedelta(hours=3)
    )

    assert again.status_code == 201


async def test_an_unknown_coach_an_own_slot_and_a_length_nobody_offers(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)

    unknown = await given.book(service, new_id())
    own = await given.book(service, coach_id, coach_id)
    length = await given.book(service, coach_id, duration_minutes=45)

    assert (unknown.status_code, unknown.json()["slug"]) == (404, "not-found")
    assert (own.status_code, own.json()["slug"]) == (422, "own-slot")
    assert length.status_code == 422
    assert length.json()["errors"][0]["field"] == "body.duration_minutes"


async def test_only_a_student_books(service: Service) -> None:
    coach_id = await given.a_coach(service)
    body = {
        "coach_id": str(coach_id),
        "start": START.isoformat(),
        "duration_minutes": 60,
    }

    anonymous = await service.http.post("/v1/sessions", json=body)
    coach = await service.http.post(
        "/v1/sessions", json=body, headers=given.coach(new_id())
    )

    assert (anonymous.status_code, coach.status_code) == (401, 403)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"start": "2026-06-17T12:00:00"}, "body.start"),
        ({"start": 0}, "body.start"),
        ({"start": "9999-12-31T23:30:00Z"}, "body.start"),
        ({"duration_minutes": "60"}, "body.duration_minutes"),
        ({"duration_minutes": 0}, "body.duration_minutes"),
        ({"coach_id": "kim"}, "body.coach_id"),
        ({"kind": "crowd"}, "body.kind"),
        ({"goals": "a\x00b"}, "body.goals"),
        ({"goals": "x" * 2001}, "body.goals"),
        ({"seats": 2}, "body.seats"),
    ],
)
async def test_a_malformed_booking_is_refused_by_field(
    service: Service, change: dict[str, Any], field: str
) -> None:
    body = {
        "coach_id": str(new_id()),
        "start": START.isoformat(),
        "duration_minutes": 60,
    }

    response = await service.http.post(
        "/v1/sessions", json=body | change, headers=given.student()
    )

    assert response.status_code == 422, response.text
    assert [each["field"] for each in response.json()["errors"]] == [field]


async def test_another_price_than_expected_is_refused_with_the_new_one(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)

    changed = await given.book(
        service, coach_id, expected_price={"amount": 5000, "currency": "USD"}
    )
    agreed = await given.book(
        service, coach_id, expected_price={"amount": 6000, "currency": "USD"}
    )

    assert (changed.status_code, changed.json()["slug"]) == (409, "price-changed")
    assert changed.json()["price"] == {"amount": 6000, "currency": "USD"}
    assert agreed.status_code == 201


async def test_a_key_books_once_and_answers_the_same(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    key = {"Idempotency-Key": "abc"}

    first = await given.book(service, coach_id, student_id, headers=key)
    again = await given.book(service, coach_id, student_id, headers=key)
    other = await given.book(
        service, coach_id, student_id, START + timedelta(hours=1), headers=key
    )

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert other.json()["slug"] == "idempotency-mismatch"
    assert len(await service.said("seat_held")) == 1


async def test_a_refused_booking_leaves_no_trace(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await given.a_hold(service, coach_id)

    await given.book(service, coach_id)

    async with service.sessions() as session:
        for table in (Session, Seat):
            count = await session.exec(select(func.count()).select_from(table))  # type: ignore[call-overload]
            assert count.scalar_one() == 1
    assert len(await service.said()) == 1
