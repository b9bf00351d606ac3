"""Sessions of the past and the future, booked and paid as anybody would."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx2

from local.demo.client import Json, Person, fail
from local.seeds.crowd import in_turn
from local.seeds.people import Home

WEEKS = (0, 2)
"""When each coach has a session, counted from the planting: in the end one lies in the
past and one in the next week."""

TAUGHT = timedelta(minutes=50)
"""Until a coach ends a session of an hour."""

CARD = {
    "card_number": "4242 4242 4242 4242",
    "expiry": "12/34",
    "cvc": "123",
    "action": "pay",
}


@dataclass(frozen=True)
class Seat:
    """What a student holds, with whom and when."""

    student: Person
    coach: Person
    session: str
    start: datetime


async def book(
    house: Home, coaches: Sequence[Person], students: list[Person]
) -> list[Seat]:
    """Two sessions of every coach, each with another student; one in six is cancelled.

    Returns the others, by start. Step by step for all of them: to wait once for all is
    cheaper than to ask for each.
    """
    tomorrow = house.clock.now().date() + timedelta(days=1)
    times = [(coach, tomorrow + timedelta(weeks=n)) for coach in coaches for n in WEEKS]
    wishes = enumerate(zip(students, times, strict=False))
    seats = await in_turn(
        _hold(student, *coach_and_day, n) for n, (student, coach_and_day) in wishes
    )
    await house.idle()
    async with httpx2.AsyncClient() as browser:
        await in_turn(_pay(seat, browser) for seat in seats)
    await house.idle()
    await in_turn(_cancel(seat) for seat in seats[::6])
    kept = [seat for n, seat in enumerate(seats) if n % 6]
    return sorted(kept, key=lambda seat: seat.start)


async def attend(house: Home, seats: Sequence[Seat], until: timedelta) -> timedelta:
    """Let time come forward from session to session, and both sides come to each.

    Those that start within `until` are attended; returns how far time came.
    """
    come = timedelta()
    end = house.clock.now() + until
    for seat in seats:
        if seat.start < end:
            wait = max(seat.start - house.clock.now(), timedelta())
            await house.advance(wait)
            path = f"/v1/sessions/{seat.session}"
            await seat.coach.post(f"{path}/start", {})
            await seat.student.post(f"{path}/check-in", {})
            # no tick comes in a past that was ticked through already
            await house.advance(TAUGHT)
            await seat.coach.post(f"{path}/complete", {})
            come += wait + TAUGHT
    return come


async def _hold(student: Person, coach: Person, day: date, n: int) -> Seat:
    """The `n`-th slot within a week of `day`, so that hours differ."""
    answer = await student.get(
        f"/v1/coaches/{coach.id}/slots",
        **{"from": day, "to": day + timedelta(days=6)},
    )
    slots: list[Json] = [slot for each in answer["days"] for slot in each["slots"]]
    start: str = slots[n % len(slots)]["start"]
    wish = {"coach_id": coach.id, "start": start, "duration_minutes": 60}
    held = await student.post("/v1/sessions", wish)
    return Seat(student, coach, held["id"], datetime.fromisoformat(start))


async def _pay(seat: Seat, browser: httpx2.AsyncClient) -> None:
    payment = await seat.student.post("/v1/payments", {"session_id": seat.session})
    paid = await browser.post(payment["checkout_url"], data=CARD)
    if paid.status_code != httpx2.codes.SEE_OTHER:
        fail(f"the payment was answered {paid.status_code}: {paid.text}")


async def _cancel(seat: Seat) -> None:
    path = f"/v1/sessions/{seat.session}/cancel"
    await seat.student.post(path, {"reason": "a match was moved"})
