"""Sessions of the past and the future, booked and paid as anybody would."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2

from local.demo.client import Person, until
from local.seeds.people import Home

EACH = 2
"""Sessions of each coach: one in the past week, one in the next."""

CARD = {
    "card_number": "4242 4242 4242 4242",
    "expiry": "12/34",
    "cvc": "123",
    "action": "pay",
}


async def book(house: Home, coaches: list[Person], students: list[Person]) -> None:
    """Some sessions of every coach; one in six is cancelled again."""
    turns = iter(students * EACH)
    async with asyncio.TaskGroup() as group:
        for coach in coaches:
            customers = [next(turns) for _ in range(EACH)]
            group.create_task(_fill(house, coach, customers))


async def _fill(house: Home, coach: Person, students: list[Person]) -> None:
    first = house.clock.now().date() + timedelta(days=1)
    for n, student in enumerate(students):
        day = first + timedelta(days=14 * n)
        slots = await until("slots", lambda: _slots(coach, student, day))  # noqa: B023
        session = await _book(coach, student, slots[n % len(slots)])
        if (n + len(coach.email)) % 6 == 0:
            path = f"/v1/sessions/{session['id']}/cancel"
            await student.post(path, {"reason": "a match was moved"})


async def _slots(coach: Person, student: Person, day: Any) -> list[dict[str, Any]]:
    answer = await student.get(
        f"/v1/coaches/{coach.id}/slots",
        **{"from": day, "to": day + timedelta(days=6)},
    )
    return [slot for each in answer["days"] for slot in each["slots"]]


async def _book(coach: Person, student: Person, slot: dict[str, Any]) -> dict[str, Any]:
    session = await student.post(
        "/v1/sessions",
        {"coach_id": coach.id, "start": slot["start"], "duration_minutes": 60},
    )

    async def payment() -> Any:
        response = await student.http.post(
            "/v1/payments", json={"session_id": session["id"]}, headers=student.headers
        )
        return response.json() if response.is_success else None

    paid = await until("the payment", payment)
    async with httpx2.AsyncClient() as browser:
        await browser.post(paid["checkout_url"], data=CARD)
    path = f"/v1/sessions/{session['id']}"
    return dict(
        await until(
            "the confirmation",
            lambda: student.get(path),
            lambda seen: seen["status"] == "confirmed",
        )
    )
