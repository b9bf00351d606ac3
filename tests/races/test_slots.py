"""Many students want the same time at once, through two processes of booking."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import combinations
from typing import NamedTuple

import httpx2
import pytest

from local.demo.client import call
from tests.races.conftest import Course

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(900)]

RACERS = 200
BEFORE, AFTER = 10, 15
"""Minutes of buffer around each session."""

DURATIONS = (30, 60, 90, 120)


class Wish(NamedTuple):
    """The range of time that a racer wants."""

    start: datetime
    minutes: int

    def meets(self, other: "Wish") -> bool:
        """Whether a coach cannot have both, buffers included (S5)."""
        first, second = sorted((self, other))
        end = first.start + timedelta(minutes=first.minutes + AFTER + BEFORE)
        return second.start < end


async def race(course: Course, wishes: list[Wish]) -> list[httpx2.Response]:
    students = await course.students(len(wishes))
    return await asyncio.gather(
        *(
            course.book(student, *wish)
            for student, wish in zip(students, wishes, strict=True)
        )
    )


def outcomes(answers: list[httpx2.Response]) -> Counter[str]:
    return Counter(
        f"{each.status_code} {each.json().get('slug', '')}".strip() for each in answers
    )


async def test_of_two_hundred_students_who_want_one_slot_one_gets_it(
    course: Course, rounds: int
) -> None:
    await course.open_days(durations=[60], increment=30)
    for number in range(rounds):
        start = await course.noon(5 + number)

        answers = await race(course, [Wish(start, 60)] * RACERS)

        assert outcomes(answers) == {"201": 1, "409 slot-taken": RACERS - 1}
        for each in answers:
            if each.status_code == 409:
                assert f"{start:%Y-%m-%dT%H:%M:%SZ}" not in {
                    other["start"] for other in each.json()["alternatives"]
                }


async def test_ranges_that_overlap_in_every_way_leave_a_legal_set_of_winners(
    course: Course, rounds: int
) -> None:
    await course.open_days(
        durations=DURATIONS,
        increment=15,
        buffer_before=BEFORE,
        buffer_after=AFTER,
    )
    chance = random.Random(rounds)  # noqa: S311
    for number in range(rounds):
        noon = await course.noon(30 + number)
        wishes = [
            Wish(
                noon + timedelta(minutes=15 * chance.randrange(24)),
                chance.choice(DURATIONS),
            )
            for _ in range(RACERS)
        ]

        answers = await race(course, wishes)

        assert set(outcomes(answers)) == {"201", "409 slot-taken"}
        won = [
            wish
            for wish, answer in zip(wishes, answers, strict=True)
            if answer.status_code == 201
        ]
        assert not [pair for pair in combinations(won, 2) if pair[0].meets(pair[1])]
        assert all(any(wish.meets(winner) for winner in won) for wish in wishes)


SEATS = 3


async def test_of_fifty_students_who_want_a_seat_in_a_group_three_get_one(
    course: Course, rounds: int
) -> None:
    coach = course.coach.coach
    rate = {"amount": 2000, "currency": "USD"}
    await call(
        coach.http,
        "PATCH",
        f"/v1/coaches/{coach.id}",
        headers=coach.headers,
        json={"group_rate": rate},
    )
    group = {"enabled": True, "capacity": SEATS, "min_participants": 1}
    await course.open_days(durations=[60], increment=60, group=group)
    for number in range(rounds):
        start = await course.noon(10 + number)
        students = (await course.students(50))[:50]

        answers = await asyncio.gather(
            *(course.book(student, start, kind="group") for student in students)
        )

        assert outcomes(answers) == {"201": SEATS, "409 slot-taken": 50 - SEATS}
        won = [each.json() for each in answers if each.status_code == 201]
        assert len({each["id"] for each in won}) == 1
        assert len({each["seat_id"] for each in won}) == SEATS
        assert {each["price"]["amount"] for each in won} == {2000}
