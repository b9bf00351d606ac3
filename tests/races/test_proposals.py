"""Accepting a proposal and cancelling at once, through two processes of booking."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from local.demo.client import Json, until
from tests.races.conftest import Course, Student

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(900)]

SESSIONS = 10
SPAN = 1.5
"""Seconds over which cancelling is spread. All accept at once and wait for each other,
since they want the times of one coach; cancelling waits for nobody but its session."""

HOUR = timedelta(hours=1)
Pair = tuple[Student, Json, Json]
"""Who has a session, the session, and what the coach proposes."""


async def post(course: Course, who: Student, path: str, body: Json) -> tuple[int, Json]:
    answer = await course.gateway.post(f"/v1/sessions/{path}", json=body, headers=who)
    return answer.status_code, answer.json()


async def free_of_charge(course: Course) -> None:
    """From now on sessions cost nothing and are confirmed at once."""
    coach = course.coach.coach
    answer = await course.gateway.patch(
        f"/v1/coaches/{coach.id}",
        json={"hourly_rate": {"amount": 0, "currency": "USD"}},
        headers=coach.headers,
    )
    assert answer.is_success, answer.text
    tomorrow = await course.noon(1)
    query = {"from": f"{tomorrow:%Y-%m-%d}", "to": f"{tomorrow:%Y-%m-%d}"}

    async def known() -> bool:
        path = f"/v1/coaches/{coach.id}/slots"
        listed = (await course.gateway.get(path, params=query)).json()["days"]
        prices = {each["price"]["amount"] for day in listed for each in day["slots"]}
        return prices == {0}

    await until("the new rate", known)


async def proposals(course: Course, noon: datetime) -> list[Pair]:
    """Sessions of an hour each, which the coach would rather have on the next day."""
    made = []
    coach = course.coach.coach.headers
    for n, student in enumerate((await course.students(SESSIONS))[:SESSIONS]):
        start = noon + n * HOUR
        session = (await course.book(student, start)).raise_for_status().json()
        assert session["status"] == "confirmed"
        body = {"start": (start + timedelta(days=1)).isoformat()}
        status, proposal = await post(course, coach, f"{session['id']}/proposals", body)
        assert status == 201, proposal
        made.append((student, session, proposal))
    return made


async def accept_and_cancel(
    course: Course, pair: Pair, chance: random.Random
) -> tuple[int, int]:
    student, session, proposal = pair

    async def after(pause: float, path: str) -> int:
        await asyncio.sleep(pause)
        return (await post(course, student, f"{session['id']}/{path}", {}))[0]

    accepted, cancelled = await asyncio.gather(
        after(0, f"proposals/{proposal['id']}/accept"),
        after(chance.random() * SPAN, "cancel"),
    )
    return accepted, cancelled


async def test_accepting_and_cancelling_at_once_ends_in_a_legal_state(
    course: Course, rounds: int
) -> None:
    chance = random.Random(rounds)  # noqa: S311
    await course.open_days(durations=[60], increment=60)
    await free_of_charge(course)
    ends: Counter[tuple[int, int]] = Counter()
    for number in range(rounds):
        pairs = await proposals(course, await course.noon(3 + 2 * number))

        statuses = await asyncio.gather(
            *(accept_and_cancel(course, pair, chance) for pair in pairs)
        )

        ends.update(statuses)
        for (student, session, proposal), (accepted, cancelled) in zip(
            pairs, statuses, strict=True
        ):
            answer = await course.gateway.get(
                f"/v1/sessions/{session['id']}", headers=student
            )
            view = answer.json()
            moved = accepted == 200
            assert (accepted, cancelled) in {(200, 200), (409, 200)}
            assert view["status"] == "cancelled"
            assert view["start"] == (proposal if moved else session)["start"]
            assert view["start_version"] == (2 if moved else 1)
            [closed] = view["proposals"]
            assert closed["status"] == ("accepted" if moved else "expired")
    assert len(ends) == 2, "the race was always won by the same"
