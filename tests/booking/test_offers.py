import asyncio
from datetime import timedelta

from sqlmodel import select

from services.booking import events
from services.booking.models import Seat
from shared.contracts.booking import WaitlistDueV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.waiting import (
    HOUR,
    a_coach,
    a_wait,
    entries,
    give_up,
    handle,
    pass_minutes,
    statuses,
)
from tests.given import NOW


async def test_a_cancelled_time_is_offered_to_the_first_in_line(
    service: Service,
) -> None:
    coach_id, first, second = await a_coach(service), new_id(), new_id()
    held = await given.a_hold(service, coach_id)
    for each in (first, second):
        await a_wait(service, coach_id, each)

    await give_up(service, held)

    assert await statuses(service, first, second) == ["offered", "waiting"]
    [entry] = await entries(service, first)
    assert entry["offer_expires_at"] == "2026-06-15T12:30:00Z"
    session = await service.http.get(
        f"/v1/sessions/{entry['session_id']}", headers=given.student(first)
    )
    shown = session.json()
    assert (shown["status"], shown["offer"]) == ("held", True)
    assert shown["start"] == "2026-06-17T12:00:00Z"
    assert shown["history"][0]["by"] == "system"
    [offer] = await service.said("offer_made")
    assert (str(offer.waitlist_id), offer.student_id) == (entry["id"], first)
    assert offer.price.amount == 6000
    held_again = (await service.said("seat_held"))[-1]
    assert str(held_again.session_id) == entry["session_id"]
    assert held_again.fee_percent == 15


async def test_paying_takes_the_offer(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    await a_wait(service, coach_id, student_id)
    await pass_minutes(service, 1)
    [offer] = await service.said("seat_held")

    await service.hear(
        given.a_payment(
            {"seat_id": str(offer.seat_id), "price": offer.price.model_dump()}
        )
    )

    assert await statuses(service, student_id) == ["taken"]
    await pass_minutes(service, 60)
    assert await statuses(service, student_id) == ["taken"]
    assert len(await service.said("offer_made")) == 1


async def test_an_offer_that_runs_out_goes_down_the_line(service: Service) -> None:
    coach_id = await a_coach(service)
    students = [new_id() for _ in range(3)]
    for each in students:
        await a_wait(service, coach_id, each)

    seen = []
    for _ in range(4):
        await pass_minutes(service, 1)
        seen.append(await statuses(service, *students))
        await pass_minutes(service, 30)

    assert seen == [
        ["offered", "waiting", "waiting"],
        ["expired", "offered", "waiting"],
        ["expired", "expired", "offered"],
        ["expired", "expired", "expired"],
    ]
    offered = [each.student_id for each in await service.said("offer_made")]
    assert offered == students


async def test_a_declined_offer_goes_to_the_next_at_once(service: Service) -> None:
    coach_id, first, second = await a_coach(service), new_id(), new_id()
    for each in (first, second):
        await a_wait(service, coach_id, each)
    await pass_minutes(service, 1)
    [entry] = await entries(service, first)

    await give_up(service, {"id": entry["session_id"], "student_id": str(first)})

    assert await statuses(service, first, second) == ["expired", "offered"]


async def test_a_student_who_is_busy_then_is_passed_over_and_keeps_the_place(
    service: Service,
) -> None:
    coach_id, first, second = await a_coach(service), new_id(), new_id()
    elsewhere = await given.a_hold(service, student_id=first)
    for each in (first, second):
        await a_wait(service, coach_id, each)

    await pass_minutes(service, 1)
    assert await statuses(service, first, second) == ["waiting", "offered"]
    await give_up(service, elsewhere)
    await pass_minutes(service, 30)

    assert await statuses(service, first, second) == ["offered", "expired"]


async def test_two_times_go_to_two_students_in_order(service: Service) -> None:
    coach_id, first, second = await a_coach(service), new_id(), new_id()
    two_days = START + timedelta(days=1, hours=1)
    await a_wait(service, coach_id, first, until=two_days)
    await a_wait(service, coach_id, second, until=two_days)

    await pass_minutes(service, 1)

    offers = await service.said("offer_made")
    assert [(each.student_id, each.start) for each in offers] == [
        (first, START),
        (second, START + timedelta(days=1)),
    ]


async def test_nobody_has_two_offers_of_one_coach_at_once(service: Service) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    await a_wait(service, coach_id, student_id)
    later = START + timedelta(days=1)
    await a_wait(service, coach_id, student_id, later, later + HOUR)

    await pass_minutes(service, 1)
    await pass_minutes(service, 1)

    found = [each["status"] for each in await entries(service, student_id)]
    assert found == ["waiting", "offered"]


async def test_nothing_is_offered_within_the_notice(service: Service) -> None:
    coach_id = await a_coach(service, policy={"notice_minutes": 120})
    student_id = new_id()
    held = await given.a_confirmed_seat(service, coach_id=coach_id)
    await a_wait(service, coach_id, student_id)
    service.clock.advance(hours=46, minutes=1)

    await give_up(service, held)

    assert await statuses(service, student_id) == ["waiting"]
    service.clock.advance(hours=2)
    assert await statuses(service, student_id) == ["expired"]


async def test_what_time_brings_into_the_horizon_is_offered(service: Service) -> None:
    coach_id = await a_coach(service, policy={"horizon_days": 10})
    student_id, far = new_id(), START + timedelta(days=10)
    await a_wait(service, coach_id, student_id, far, far + HOUR)
    await pass_minutes(service, 1)
    assert await statuses(service, student_id) == ["waiting"]

    await pass_minutes(service, 2 * 24 * 60)

    assert await statuses(service, student_id) == ["offered"]


async def test_a_schedule_that_opens_is_offered_with_the_next_minute(
    service: Service,
) -> None:
    coach_id, student_id = await a_coach(service), new_id()
    evening = START + 6 * HOUR
    await a_wait(service, coach_id, student_id, evening, evening + HOUR)
    await pass_minutes(service, 1)
    assert await statuses(service, student_id) == ["waiting"]

    await given.put(service, coach_id, "schedule", given.OPEN_ALL_DAY)
    await pass_minutes(service, 1)

    assert await statuses(service, student_id) == ["offered"]


async def test_an_offer_counts_for_no_limit_of_holds(service: Service) -> None:
    coach_id, student_id = await given.a_coach(service), new_id()
    await a_wait(service, coach_id, student_id)
    await pass_minutes(service, 1)
    assert await statuses(service, student_id) == ["offered"]

    beside = await given.book(service, coach_id, student_id, START + 3 * HOUR)

    assert beside.status_code == 201


async def test_a_price_of_nothing_is_taken_at_once(service: Service) -> None:
    coach_id, student_id = await a_coach(service, hourly_rate=0), new_id()
    await a_wait(service, coach_id, student_id)

    await pass_minutes(service, 1)

    assert await statuses(service, student_id) == ["taken"]
    assert len(await service.said("seat_confirmed")) == 1
    assert await service.said("offer_made") == []


async def test_passes_at_once_offer_each_time_once_in_order(service: Service) -> None:
    coach_id = await a_coach(service)
    students = [new_id() for _ in range(6)]
    three_days = START + timedelta(days=2, hours=1)
    for each in students:
        await a_wait(service, coach_id, each, until=three_days)
    due = WaitlistDueV1(occurred_at=NOW, coach_id=coach_id)

    await asyncio.gather(
        *(handle(service, events.on_waitlist_due, due) for _ in range(6))
    )

    offers = await service.said("offer_made")
    assert [each.student_id for each in offers] == students[:3]
    assert len({each.start for each in offers}) == 3
    async with service.sessions() as session:
        assert len((await session.exec(select(Seat))).all()) == 3


async def test_passes_and_bookings_at_once_give_a_time_to_one(service: Service) -> None:
    for _ in range(3):
        coach_id, waiting = await a_coach(service), new_id()
        entry = await a_wait(service, coach_id, waiting)
        due = WaitlistDueV1(occurred_at=NOW, coach_id=coach_id)
        path = f"/v1/me/waitlist/{entry['id']}"

        answers = await asyncio.gather(
            *(given.book(service, coach_id) for _ in range(4)),
            *(handle(service, events.on_waitlist_due, due) for _ in range(2)),
            service.http.delete(path, headers=given.student(waiting)),
        )

        booked = sum(each.status_code == 201 for each in answers[:4] if each)
        offers = [
            each
            for each in await service.said("offer_made")
            if each.coach_id == coach_id
        ]
        assert answers[-1] is not None
        assert answers[-1].status_code == 204
        assert (booked, len(offers)) in [(1, 0), (0, 1), (1, 1)]
        cancelled = {each.seat_id for each in await service.said("seat_cancelled")}
        assert all(each.seat_id in cancelled for each in offers)


async def test_a_long_line_costs_the_queries_of_a_short_one(service: Service) -> None:
    counts = []
    for size in (2, 12):
        coach_id = await a_coach(service)
        for _ in range(size):
            await a_wait(service, coach_id)
        due = WaitlistDueV1(occurred_at=NOW, coach_id=coach_id)
        with given.counted_queries(service) as asked:
            await handle(service, events.on_waitlist_due, due)
        counts.append(len(asked))

    assert counts[0] == counts[1]
