"""Moves, proposals and everything else at once: only legal ends, and no deadlock."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.booking import events
from services.booking.domain.lifecycle import Status
from services.booking.models import Seat, Session
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.moving import (
    LATER,
    a_late_one,
    a_proposal,
    answer,
    coach_of,
    reschedule,
    student_of,
    tick,
)
from tests.booking.test_group_cancellation import a_group
from tests.booking.test_races import deadlocks, handle

HOUR = timedelta(hours=1)
ROUNDS = 6


async def cancel(service: Service, session: dict[str, Any], who: Any) -> Any:
    return await service.http.post(
        f"/v1/sessions/{session['id']}/cancel",
        json={"reason": "ill"},
        headers=who(session),
    )


@pytest.mark.parametrize("who", [student_of, coach_of])
async def test_accepting_and_cancelling_at_once_is_one_or_the_other_first(
    service: Service, who: Any
) -> None:
    coach_id = await given.a_coach(service)
    for n in range(ROUNDS):
        paid = await given.a_confirmed_seat(
            service, coach_id=coach_id, start=START + n * HOUR
        )
        made = await a_proposal(service, paid, start=LATER + n * HOUR)

        accepted, cancelled = await asyncio.gather(
            answer(service, paid, made, "accept", student_of(paid)),
            cancel(service, paid, who),
        )

        view = await given.shown(service, paid)
        assert cancelled.status_code == 200, "there is always something to cancel"
        assert view["status"] == "cancelled"
        assert accepted.status_code in (200, 409), accepted.text
        moved = accepted.status_code == 200
        assert view["start_version"] == (2 if moved else 1)
        [proposal] = view["proposals"]
        assert proposal["status"] == ("accepted" if moved else "expired")
        assert view["refund"]["percent"] == 100
    assert await deadlocks(service) == 0


async def test_many_acceptances_at_once_move_once(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)

    answers = await asyncio.gather(
        *(
            answer(service, paid, made, how, student_of(paid))
            for how in ["accept", "decline"] * 5
        )
    )

    assert sorted(each.status_code for each in answers) == [200] + [409] * 9
    told = await service.said("proposal_answered")
    moved = await service.said("session_moved")
    assert len(told) == 1
    assert len(moved) == (told[0].status == "accepted")
    assert await deadlocks(service) == 0


async def test_a_move_and_bookings_of_its_target_give_the_time_to_one(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    for n in range(ROUNDS):
        target = LATER + 2 * n * HOUR
        paid = await given.a_confirmed_seat(
            service, coach_id=coach_id, start=START + n * HOUR
        )

        moved, *booked = await asyncio.gather(
            reschedule(service, paid, target),
            *(given.book(service, coach_id, start=target) for _ in range(4)),
        )

        won = [each for each in (moved, *booked) if each.is_success]
        lost = [each for each in (moved, *booked) if not each.is_success]
        assert len(won) == 1
        assert {each.json()["slug"] for each in lost} == {"slot-taken"}
    assert await deadlocks(service) == 0


async def test_two_moves_to_each_others_times_end_without_a_deadlock(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    for n in range(ROUNDS):
        times = [START + 2 * n * HOUR, START + (2 * n + 1) * HOUR]
        one, other = [
            await given.a_confirmed_seat(service, coach_id=coach_id, start=at)
            for at in times
        ]

        answers = await asyncio.gather(
            reschedule(service, one, times[1]), reschedule(service, other, times[0])
        )

        assert [each.status_code for each in answers] == [409, 409]
        assert {each.json()["slug"] for each in answers} == {"slot-taken"}
    assert await deadlocks(service) == 0


async def test_two_moves_to_one_time_are_won_by_one(service: Service) -> None:
    coach_id = await given.a_coach(service)
    paid = [
        await given.a_confirmed_seat(service, coach_id=coach_id, start=START + n * HOUR)
        for n in range(4)
    ]

    answers = await asyncio.gather(*(reschedule(service, each) for each in paid))

    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
    assert await deadlocks(service) == 0


async def test_a_student_who_moves_two_sessions_to_one_time_is_there_once(
    service: Service,
) -> None:
    student_id = new_id()
    paid = [
        await given.a_confirmed_seat(
            service, student_id=student_id, start=START + n * HOUR
        )
        for n in range(3)
    ]

    answers = await asyncio.gather(*(reschedule(service, each) for each in paid))

    slugs = [each.json().get("slug") for each in answers if not each.is_success]
    assert slugs == ["student-busy"] * 2
    assert await deadlocks(service) == 0


async def test_answers_cancellations_ticks_and_bookings_at_once_stay_on_the_table(
    service: Service,
) -> None:
    """Each session ends confirmed at one of its times, or cancelled."""
    coaches = [await given.a_coach(service) for _ in range(2)]
    paid, made = [], []
    for n in range(ROUNDS):
        paid.append(
            await a_late_one(service, coach_id=coaches[n % 2], start=START + n * HOUR)
        )
        target = START + (48 + n) * HOUR
        made.append(await a_proposal(service, paid[-1], start=target))
        held = await given.book(service, coaches[n % 2], start=target + HOUR / 2)
        assert held.status_code in (201, 409)
    service.clock.advance(minutes=15)
    now = service.clock.now()
    due = MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=None)
    work: list[Any] = []
    for n, (session, proposal) in enumerate(zip(paid, made, strict=True)):
        target = START + (48 + n) * HOUR
        work += [
            answer(service, session, proposal, "accept", student_of(session)),
            cancel(service, session, coach_of if n % 3 == 0 else student_of),
            handle(service, events.on_minute_tick_of_proposals, due),
            handle(service, events.on_minute_tick, due),
            given.book(service, coaches[n % 2], start=target),
            given.book(
                service, coaches[n % 2], UUID(paid[n - 1]["student_id"]), target
            ),
            handle(service, events.on_payment_succeeded, given.a_payment(session)),
        ]

    answers = await asyncio.gather(*work)

    statuses = {each.status_code for each in answers if each is not None}
    assert statuses <= {200, 201, 409, 422, 429}
    assert await deadlocks(service) == 0
    for session, proposal in zip(paid, made, strict=True):
        view = await given.shown(service, session)
        assert view["status"] == "cancelled"
        assert view["start_version"] in (1, 2)
        [closed] = view["proposals"]
        moved = view["start"] == proposal["start"]
        assert closed["status"] == ("accepted" if moved else "expired")
    told = await service.said("proposal_answered")
    assert len(told) == len(paid)


async def test_all_seats_of_a_group_answer_at_once_and_it_is_settled_once(
    service: Service,
) -> None:
    _, seats = await a_group(service, 3)
    made = await a_proposal(service, seats[0])

    answers = await asyncio.gather(
        *(
            answer(service, seat, made, how, student_of(seat))
            for seat, how in zip(seats, ("accept", "decline", "accept"), strict=True)
        ),
        tick(service),
    )

    assert {each.status_code for each in answers if each is not None} == {200}
    assert len(await service.said("session_moved")) == 1
    assert len(await service.said("seat_cancelled")) == 1
    assert await deadlocks(service) == 0


async def test_the_constraint_has_the_last_word_over_a_move(service: Service) -> None:
    """Somebody takes the time past every lock, and commits while the move waits."""
    paid = await given.a_confirmed_seat(service)
    intruder = Session(
        coach_id=UUID(paid["coach_id"]),
        starts_at=LATER,
        ends_at=LATER + HOUR,
        blocked_from=LATER,
        blocked_until=LATER + HOUR,
        status=Status.CONFIRMED,
        kind="individual",
        game=None,
    )
    async with service.sessions() as session:
        session.add(intruder)
        await session.flush()
        move = asyncio.create_task(reschedule(service, paid))
        await asyncio.sleep(0.5)
        await session.commit()

    response = await move

    assert (response.status_code, response.json()["slug"]) == (409, "slot-taken")
    alternatives = response.json()["alternatives"]
    assert alternatives
    assert LATER not in {given.instant(each["start"]) for each in alternatives}
    view = await given.shown(service, paid)
    assert (view["start"], view["start_version"]) == (paid["start"], 1)


async def test_the_constraint_of_the_student_has_it_too(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    other = await given.a_confirmed_seat(service, start=LATER)
    async with service.sessions() as session:
        seat = await session.get_one(Seat, UUID(other["seat_id"]))
        seat.student_id = UUID(paid["student_id"])
        session.add(seat)
        await session.flush()
        move = asyncio.create_task(reschedule(service, paid))
        await asyncio.sleep(0.5)
        await session.commit()

    response = await move

    assert (response.status_code, response.json()["slug"]) == (409, "student-busy")


async def test_accepting_while_the_coach_starts_is_one_or_the_other(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    for n in range(ROUNDS):
        start = START + 2 * n * HOUR
        paid = await given.a_confirmed_seat(service, coach_id=coach_id, start=start)
        await service.clock.until(start - HOUR / 6)
        made = await a_proposal(service, paid, start=LATER + 2 * n * HOUR)

        accepted, started = await asyncio.gather(
            answer(service, paid, made, "accept", student_of(paid)),
            service.http.post(
                f"/v1/sessions/{paid['id']}/start", json={}, headers=coach_of(paid)
            ),
        )

        view = await given.shown(service, paid)
        end = (accepted.status_code, started.status_code, view["status"])
        assert end in {(200, 409, "confirmed"), (409, 200, "in_progress")}
        [closed] = view["proposals"]
        assert closed["status"] == ("accepted" if end[0] == 200 else "expired")
        if end[0] == 409:
            assert accepted.json()["slug"] in {"proposal-closed", "wrong-status"}
    assert await deadlocks(service) == 0
