"""Group sessions: who opens one, who joins it, and what each may see."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from shared.contracts.coaches import GameRate
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.test_races import deadlocks

HOUR = timedelta(hours=1)


async def a_seat(service: Service, coach_id: UUID, **options: Any) -> dict[str, Any]:
    """A held seat in the coach's group."""
    return await given.a_hold(service, coach_id, kind="group", **options)


async def ask(service: Service, coach_id: UUID, **options: Any) -> httpx2.Response:
    return await given.book(service, coach_id, kind="group", **options)


async def as_coach(service: Service, coach_id: UUID, session_id: str) -> dict[str, Any]:
    response = await service.http.get(
        f"/v1/sessions/{session_id}", headers=given.coach(coach_id)
    )
    assert response.status_code == 200, response.text
    view: dict[str, Any] = response.json()
    return view


def codes(response: httpx2.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [each["code"] for each in response.json()["reasons"]]


async def test_the_first_seat_opens_a_group_and_others_join_it(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service)

    first = await a_seat(service, coach_id, game="chess", goals="openings")
    second = await a_seat(service, coach_id)

    assert second["id"] == first["id"]
    assert second["seat_id"] != first["seat_id"]
    assert (second["kind"], second["game"]) == ("group", "chess")
    assert (second["capacity"], second["seats_left"]) == (3, 1)
    assert first["price"] == second["price"] == {"amount": 2000, "currency": "USD"}
    held = await service.said("seat_held")
    assert [(str(each.seat_id), each.kind) for each in held] == [
        (first["seat_id"], "group"),
        (second["seat_id"], "group"),
    ]


async def test_no_seat_sees_another(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    mine = await a_seat(service, coach_id, goals="mine")
    other = await a_seat(service, coach_id, goals="secret")
    await service.hear(given.a_payment(other))

    listed = await service.http.get(
        "/v1/sessions", headers=given.student(UUID(mine["student_id"]))
    )
    seen = await given.shown(service, mine)

    assert seen["seats"] is None
    assert (seen["status"], seen["goals"]) == ("held", "mine")
    for text in (listed.text, str(seen)):
        for private in (other["seat_id"], other["student_id"], "secret"):
            assert private not in text


async def test_the_coach_sees_every_seat_and_the_most_alive_status(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service)
    held, paid = [await a_seat(service, coach_id) for _ in range(2)]
    await service.hear(given.a_payment(paid))

    view = await as_coach(service, coach_id, held["id"])

    assert (view["status"], view["seat_id"]) == ("confirmed", paid["seat_id"])
    assert [(each["seat_id"], each["status"]) for each in view["seats"]] == [
        (held["seat_id"], "held"),
        (paid["seat_id"], "confirmed"),
    ]


@pytest.mark.parametrize(("status", "count"), [("confirmed", 1), ("held", 0)])
async def test_the_coach_finds_a_group_by_the_status_it_shows(
    service: Service, status: str, count: int
) -> None:
    coach_id = await given.a_coach_of_groups(service)
    held, paid = [await a_seat(service, coach_id) for _ in range(2)]
    await service.hear(given.a_payment(paid))

    params = {"status": status}
    listed = await service.http.get(
        "/v1/sessions", params=params, headers=given.coach(coach_id)
    )
    own = await service.http.get(
        "/v1/sessions", params=params, headers=given.student(UUID(held["student_id"]))
    )

    assert len(listed.json()["items"]) == count
    assert len(own.json()["items"]) == 1 - count


async def test_a_group_that_is_full_is_taken(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    for _ in range(3):
        await a_seat(service, coach_id)

    late = await ask(service, coach_id)

    assert (late.status_code, late.json()["slug"]) == (409, "slot-taken")
    assert late.json()["alternatives"][0]["price"]["amount"] == 2000


@pytest.mark.parametrize(
    "other",
    [{"game": "go"}, {"duration_minutes": 90}, {"kind": "individual"}],
)
async def test_another_game_length_or_kind_finds_the_time_taken(
    service: Service, other: dict[str, Any]
) -> None:
    games = [GameRate(slug=slug, hourly_rate=None) for slug in ("chess", "go")]
    coach_id = await given.a_coach_of_groups(
        service, games=games, policy={"durations": [60, 90]}
    )
    await a_seat(service, coach_id, game="chess")

    refused = await given.book(service, coach_id, **({"kind": "group"} | other))

    assert (refused.status_code, refused.json()["slug"]) == (409, "slot-taken")


async def test_a_group_that_has_no_game_is_not_joined_for_one(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    await a_seat(service, coach_id)

    refused = await ask(service, coach_id, game="chess")

    assert refused.json()["slug"] == "slot-taken"


async def test_alternatives_are_open_groups_and_times_for_new_ones(
    service: Service,
) -> None:
    hours = {
        "timezone": "UTC",
        "rules": [{"weekday": 2, "start": "12:00", "end": "15:00"}],
    }
    coach_id = await given.a_coach_of_groups(
        service, schedule=hours, policy={"increment": 60}, group={"capacity": 2}
    )
    await a_seat(service, coach_id, start=START + HOUR)
    for _ in range(2):
        await a_seat(service, coach_id)

    late = await ask(service, coach_id)

    assert [each["start"] for each in late.json()["alternatives"]] == [
        "2026-06-17T13:00:00Z",
        "2026-06-17T14:00:00Z",
    ]


async def test_a_new_group_is_opened_a_day_ahead_to_the_second(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service)
    service.clock.advance(hours=24)

    last = await ask(service, coach_id)
    service.clock.advance(hours=1, seconds=1)
    too_late = await ask(service, coach_id, start=START + HOUR)
    alone = await given.book(service, coach_id, start=START + HOUR)

    assert (last.status_code, alone.status_code) == (201, 201)
    assert codes(too_late) == ["notice"]


async def test_who_joins_is_bound_by_notice_and_pause_only(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    first = await a_seat(service, coach_id)
    await service.hear(given.a_payment(first))
    closed = await given.put(service, coach_id, "schedule", {"timezone": "UTC"})
    assert [each["id"] for each in closed["affected_sessions"]] == [first["id"]]
    await given.put(
        service,
        coach_id,
        "booking-policy",
        {"group": given.GROUPS, "max_sessions_per_day": 1, "increment": 45},
    )
    service.clock.advance(hours=46)

    joined = await ask(service, coach_id)
    service.clock.advance(seconds=1)
    late = await ask(service, coach_id)
    await given.put(
        service,
        coach_id,
        "booking-policy",
        {"group": given.GROUPS, "notice_minutes": 0, "paused": True},
    )
    paused = await ask(service, coach_id)

    assert joined.status_code == 201
    assert codes(late) == ["notice"]
    assert codes(paused) == ["coach_paused"]


async def test_new_students_of_a_group_count_each_and_the_session_once(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(
        service, policy={"max_students_per_week": 2, "max_sessions_per_day": 1}
    )
    known = await given.a_confirmed_seat(
        service, coach_id=coach_id, start=START - 24 * HOUR
    )
    regular = UUID(known["student_id"])
    await a_seat(service, coach_id)

    third = await ask(service, coach_id)
    joins = await ask(service, coach_id, student_id=regular)
    second = await given.book(service, coach_id, new_id(), START + 3 * HOUR)

    assert codes(third) == ["cap"]
    assert joins.status_code == 201, joins.text
    assert codes(second) == ["cap"]


async def test_buffers_keep_others_away_from_a_group(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service, policy={"buffer_after": 15})
    await a_seat(service, coach_id)

    near = await ask(service, coach_id, start=START + HOUR)

    assert near.json()["slug"] == "slot-taken"


async def test_a_student_is_in_a_group_once_and_in_nothing_beside_it(
    service: Service,
) -> None:
    coach_id, student_id = await given.a_coach_of_groups(service), new_id()
    await a_seat(service, coach_id, student_id=student_id)

    again = await ask(service, coach_id, student_id=student_id)
    own = await ask(service, coach_id, student_id=coach_id)

    assert again.json()["slug"] == "student-busy"
    assert own.json()["slug"] == "own-slot"


async def test_the_group_rate_must_be_as_expected(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)

    changed = await ask(
        service, coach_id, expected_price={"amount": 6000, "currency": "USD"}
    )

    assert changed.json()["slug"] == "price-changed"
    assert changed.json()["price"] == {"amount": 2000, "currency": "USD"}


@pytest.mark.parametrize("policy", [{}, {"group": given.GROUPS}])
async def test_who_offers_no_groups_refuses_the_kind(
    service: Service, policy: dict[str, Any]
) -> None:
    coach_id = await given.a_coach(service, policy=policy, group_rate=2000)
    left = {"version": 2, "group_rate": None if policy else 2000}
    await service.hear(given.a_profile(coach_id, **left))

    refused = await ask(service, coach_id)

    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["body.kind"]


async def test_groups_need_a_group_rate(service: Service) -> None:
    coach_id = await given.a_coach(service)

    refused = await service.http.put(
        f"/v1/coaches/{coach_id}/booking-policy",
        json={"group": given.GROUPS},
        headers=given.coach(coach_id),
    )

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.group.enabled"


async def test_a_rate_that_arrives_a_moment_later_is_waited_for(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)

    async def arrive() -> None:
        await asyncio.sleep(0.2)
        await service.hear(given.a_profile(coach_id, version=2, group_rate=2000))

    policy = {"group": given.GROUPS}
    stored, _ = await asyncio.gather(
        given.put(service, coach_id, "booking-policy", policy), arrive()
    )

    assert stored["group"] == given.GROUPS


async def test_a_free_group_is_confirmed_seat_by_seat(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service, group_rate=0)

    seats = [await a_seat(service, coach_id) for _ in range(3)]

    assert {each["status"] for each in seats} == {"confirmed"}
    assert len(await service.said("seat_confirmed")) == 3


async def test_a_larger_capacity_opens_seats_and_a_smaller_one_closes_none(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service, group={"capacity": 2})
    seats = [await a_seat(service, coach_id) for _ in range(2)]

    await given.put(
        service, coach_id, "booking-policy", {"group": given.GROUPS | {"capacity": 4}}
    )
    third = await a_seat(service, coach_id)
    await given.put(
        service, coach_id, "booking-policy", {"group": given.GROUPS | {"capacity": 2}}
    )
    fourth = await ask(service, coach_id)
    fifth = await ask(service, coach_id)

    assert third["id"] == seats[0]["id"]
    assert (third["capacity"], fourth.json()["seats_left"]) == (4, 0)
    assert fifth.json()["slug"] == "slot-taken"


async def test_of_fifty_racers_for_three_seats_three_win(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)

    answers = await asyncio.gather(*(ask(service, coach_id) for _ in range(50)))

    outcomes = Counter(
        "held" if each.status_code == 201 else each.json()["slug"] for each in answers
    )
    assert outcomes == {"held": 3, "slot-taken": 47}
    assert len({each.json()["id"] for each in answers if each.is_success}) == 1
    assert await deadlocks(service) == 0


async def test_seats_whose_hold_ran_out_are_free_again(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service, group={"capacity": 2})
    paid = await a_seat(service, coach_id)
    await service.hear(given.a_payment(paid))
    await a_seat(service, coach_id)
    service.clock.advance(minutes=15)

    next_one = await a_seat(service, coach_id)

    assert (next_one["id"], next_one["seats_left"]) == (paid["id"], 0)
    assert len(await service.said("seat_expired")) == 1


async def test_a_group_that_ran_out_of_seats_frees_its_time(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(service)
    first = await a_seat(service, coach_id, game="chess")
    service.clock.advance(minutes=15)

    alone = await given.a_hold(service, coach_id)

    assert alone["id"] != first["id"]


async def test_a_seat_that_is_asked_for_twice_under_one_key_is_one(
    service: Service,
) -> None:
    coach_id, student_id = await given.a_coach_of_groups(service), new_id()
    key = {"Idempotency-Key": "once"}

    first = await ask(service, coach_id, student_id=student_id, headers=key)
    again = await ask(service, coach_id, student_id=student_id, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(await service.said("seat_held")) == 1
