"""Group sessions among the free times, and seats that are paid for late."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.ids import new_id
from tests.booking import given
from tests.booking.attending import a_tick
from tests.booking.given import Service
from tests.booking.test_groups_api import a_seat, ask
from tests.booking.test_slots_api import slots

HOUR = timedelta(hours=1)


async def listed(service: Service, coach_id: UUID, **query: Any) -> list[Any]:
    response = await slots(service, coach_id, **query)
    assert response.status_code == 200, response.text
    return [
        (each["start"][11:16], each["kind"], each["seats_left"], each.get("game"))
        for day in response.json()["days"]
        for each in day["slots"]
    ]


SHORT_WEDNESDAY = {
    "timezone": "UTC",
    "rules": [{"weekday": 2, "start": "12:00", "end": "14:00"}],
}


async def test_a_free_slot_is_listed_once_per_kind(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(
        service, schedule=SHORT_WEDNESDAY, policy={"increment": 60}
    )

    response = await slots(service, coach_id)

    [day] = response.json()["days"]
    assert [(each["start"][11:16], each["kind"]) for each in day["slots"]] == [
        ("12:00", "individual"),
        ("12:00", "group"),
        ("13:00", "individual"),
        ("13:00", "group"),
    ]
    assert day["slots"][1] == {
        "start": "2026-06-17T12:00:00Z",
        "end": "2026-06-17T13:00:00Z",
        "local_start": "2026-06-17T12:00:00+00:00",
        "price": {"amount": 2000, "currency": "USD"},
        "kind": "group",
        "seats_left": 3,
        "game": None,
    }


async def test_an_open_group_is_listed_until_it_is_full(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(
        service,
        schedule=SHORT_WEDNESDAY,
        policy={"increment": 60, "durations": [60, 90]},
    )
    free = [("13:00", "individual", 1, None), ("13:00", "group", 3, None)]
    mine = await a_seat(service, coach_id, game="chess")
    student = given.student(UUID(mine["student_id"]))

    assert await listed(service, coach_id) == [("12:00", "group", 2, "chess"), *free]
    assert await listed(service, coach_id, game="chess") == [
        ("12:00", "group", 2, "chess"),
        *free,
    ]
    assert await listed(service, coach_id, duration=90) == []
    assert await listed(service, coach_id, headers=student) == free
    await a_seat(service, coach_id)
    assert (await listed(service, coach_id))[0] == ("12:00", "group", 1, "chess")
    await a_seat(service, coach_id)
    assert await listed(service, coach_id) == free


async def test_within_a_day_groups_are_joined_but_not_opened(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(
        service, schedule=SHORT_WEDNESDAY, policy={"increment": 60}
    )
    paid = await a_seat(service, coach_id)
    await service.hear(given.a_payment(paid))
    service.clock.advance(hours=25, seconds=1)

    found = await listed(service, coach_id)
    joined = await ask(service, coach_id)

    assert found == [("12:00", "group", 2, None), ("13:00", "individual", 1, None)]
    assert joined.status_code == 201


async def test_groups_cost_no_query_more(service: Service) -> None:
    coach_id = await given.a_coach_of_groups(
        service, policy={"max_students_per_week": 50}
    )
    for _ in range(2):
        await a_seat(service, coach_id)

    with given.counted_queries(service) as queries:
        await slots(service, coach_id, given.student(), to="2026-08-17")

    assert len(queries) == 2


async def late_payment(service: Service, *others: str) -> list[str]:
    """What becomes of a seat paid too late in a group of two, with these beside it."""
    coach_id = await given.a_coach_of_groups(service, group={"capacity": 2})
    late = await a_seat(service, coach_id)
    payment = given.a_payment(late)
    if "in time" in others:
        await service.hear(given.a_payment(await a_seat(service, coach_id)))
    service.clock.advance(minutes=15)
    if "another" in others:
        await a_seat(service, coach_id)
    if "alone" in others:
        await given.a_hold(service, coach_id)
    await service.hear(payment, payment.model_copy(update={"event_id": new_id()}))
    back = [each.reason for each in await service.said("payment_refused")]
    return [(await given.shown(service, late))["status"], *back]


async def test_a_late_payment_takes_a_seat_that_is_left(service: Service) -> None:
    assert await late_payment(service, "in time") == ["confirmed"]


async def test_a_late_payment_opens_the_group_again(service: Service) -> None:
    assert await late_payment(service) == ["confirmed"]


async def test_a_late_payment_goes_back_once_if_the_group_is_full(
    service: Service,
) -> None:
    assert await late_payment(service, "in time", "another") == [
        "expired",
        "group_full",
    ]


async def test_a_late_payment_goes_back_if_the_time_is_taken(service: Service) -> None:
    assert await late_payment(service, "alone") == ["expired", "slot_taken"]


async def test_a_capacity_that_is_raised_holds_for_a_group_that_comes_back(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service, group={"capacity": 2})
    late = await a_seat(service, coach_id)
    service.clock.advance(minutes=20)
    await service.hear(a_tick(service.clock.now()))
    larger = {"group": given.GROUPS | {"capacity": 3}}
    await given.put(service, coach_id, "booking-policy", larger)

    await service.hear(given.a_payment(late))

    for _ in range(2):
        assert (await a_seat(service, coach_id))["id"] == late["id"]
