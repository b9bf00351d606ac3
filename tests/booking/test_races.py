"""Many students, one coach: the database lets one through."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking import events
from shared.contracts.scheduler import MinuteTickV1
from shared.db import engine_of
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.given import NOW

RACERS = 200


async def deadlocks(service: Service) -> int:
    """Those of this database; connections report them when they close."""
    await engine_of(service.sessions).dispose()
    others = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    found = text(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    async with service.sessions() as session:
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        while (await session.exec(others)).scalar_one():  # type: ignore[call-overload]  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        count = (await session.exec(found)).scalar_one()  # type: ignore[call-overload]
    assert isinstance(count, int)
    return count


async def race(service: Service, coach_id: UUID, minutes: list[int]) -> Counter[str]:
    """All at once, each a student of its own; the outcomes by slug."""
    responses = await asyncio.gather(
        *(
            given.book(service, coach_id, start=START + timedelta(minutes=each))
            for each in minutes
        )
    )
    return Counter(
        "held" if each.status_code == 201 else each.json()["slug"] for each in responses
    )


async def test_of_two_hundred_racers_for_one_slot_one_wins(service: Service) -> None:
    coach_id = await given.a_coach(service)

    outcomes = await race(service, coach_id, [0] * RACERS)

    assert outcomes == {"held": 1, "slot-taken": RACERS - 1}
    assert len(await service.said("seat_held")) == 1
    assert await deadlocks(service) == 0


async def test_racers_for_overlapping_slots_never_deadlock(service: Service) -> None:
    coach_id = await given.a_coach(
        service, policy={"increment": 15, "buffer_after": 15, "durations": [60]}
    )
    chosen = [n * 15 % 180 for n in range(RACERS)]

    outcomes = await race(service, coach_id, chosen)

    assert set(outcomes) == {"held", "slot-taken"}
    assert 1 <= outcomes["held"] <= 3
    assert await deadlocks(service) == 0


async def test_racers_for_the_last_place_of_a_day_do_not_exceed_the_cap(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy={"max_sessions_per_day": 2})

    outcomes = await race(service, coach_id, [60 * n for n in range(-11, 12)])

    assert outcomes == {"held": 2, "slot-not-offered": 21}


async def test_one_student_racing_with_itself_holds_once(service: Service) -> None:
    student_id = new_id()
    coaches = [await given.a_coach(service) for _ in range(4)]

    responses = await asyncio.gather(
        *(given.book(service, coaches[n % 4], student_id) for n in range(40))
    )

    outcomes = Counter(response.status_code for response in responses)
    assert outcomes == {201: 1, 409: 39}
    assert await deadlocks(service) == 0


@pytest.mark.parametrize("expired", [True, False])
async def test_racers_after_a_hold_ran_out_expire_it_once(
    service: Service, expired: bool
) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=15 if expired else 14)

    outcomes = await race(service, UUID(held["coach_id"]), [0] * 40)

    assert outcomes["held"] == expired
    assert len(await service.said("seat_expired")) == expired


async def test_holds_payments_cancellations_and_ticks_at_once_end_consistently(
    service: Service,
) -> None:
    coaches = [await given.a_coach(service) for _ in range(2)]
    students = [new_id() for _ in range(6)]
    held = [
        await given.a_hold(service, coaches[n % 2], each, START + timedelta(hours=n))
        for n, each in enumerate(students)
    ]
    service.clock.advance(minutes=15)
    tick = MinuteTickV1(
        occurred_at=NOW, due_at=service.clock.now(), previous_due_at=None
    )
    moves: list[Awaitable[Any]] = []
    for n, seat in enumerate(held):
        start = START + timedelta(hours=n)
        path = f"/v1/sessions/{seat['id']}/cancel"
        moves += [
            handle(service, events.on_payment_succeeded, given.a_payment(seat)),
            handle(service, events.on_minute_tick, tick),
            given.book(service, coaches[(n + 1) % 2], students[n - 1], start),
            given.book(service, coaches[n % 2], students[n - 2], start),
            service.http.post(path, json={}, headers=given.student(students[n])),
        ]

    answers = await asyncio.gather(*moves)

    assert {a.status_code for a in answers if a is not None} <= {200, 201, 409, 429}
    assert await deadlocks(service) == 0
    confirmed = {each.seat_id for each in await service.said("seat_confirmed")}
    refused = {each.seat_id for each in await service.said("payment_refused")}
    assert confirmed | refused == {UUID(seat["seat_id"]) for seat in held}
    assert not confirmed & refused


async def handle(service: Service, handler: Any, event: Any) -> None:
    """Deliver one event beside others that are being handled."""
    async with service.sessions.begin() as session:
        await handler(event, session, service.clock.now())


async def test_closing_the_schedule_and_booking_at_once_sells_and_tells_or_refuses(
    service: Service,
) -> None:
    for _ in range(5):
        coach_id = await given.a_coach(service)

        booked, closed = await asyncio.gather(
            given.book(service, coach_id),
            service.http.put(
                f"/v1/coaches/{coach_id}/schedule",
                json={"timezone": "UTC"},
                headers=given.coach(coach_id),
            ),
        )

        told = [each["id"] for each in closed.json()["affected_sessions"]]
        if booked.status_code == 201:
            assert told == [booked.json()["id"]]
        else:
            assert (booked.status_code, told) == (422, [])


@pytest.mark.parametrize("late", [False, True])
async def test_of_many_payments_at_once_for_one_seat_one_confirms_and_the_rest_go_back(
    service: Service, late: bool
) -> None:
    held = await given.a_hold(service)
    if late:
        service.clock.advance(minutes=15)
    paid = [given.a_payment(held) for _ in range(4)]
    again = [each.model_copy(update={"event_id": new_id()}) for each in paid]

    await asyncio.gather(*(service.hear(each) for each in paid + again))

    refused = {each.payment_id for each in await service.said("payment_refused")}
    assert len(await service.said("seat_confirmed")) == 1
    assert len(await service.said("payment_refused")) == len(refused) == 3
    assert refused < {each.payment_id for each in paid}
