"""Cancelling, paying and running out at once, through two processes of each service."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx2
import pytest
from sqlmodel import col, select

from local.demo.client import Json, until
from local.demo.walk import ACCEPTED, RATE
from local.stripe.faults import Fault
from services.booking.models import Seat
from services.payments.models import Payment
from services.scheduler.models import EmittedTick
from tests.races.conftest import Course, Student

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(900)]

SEATS = 12
A_HOLD = timedelta(minutes=16)
SPAN = 4.0
"""Seconds over which the cancellations of a round are spread; the webhooks, too."""

CARD = {"card_number": ACCEPTED, "expiry": "12/34", "cvc": "123", "action": "pay"}


class Paid(NamedTuple):
    """A hold whose money is at Stripe already."""

    student: Student
    session: Json
    payment: Json


async def paid_holds(course: Course, noon: datetime) -> list[Paid]:
    """Holds of different students, all paid; nobody here has heard of it yet."""
    students = (await course.students(SEATS))[:SEATS]
    return [
        await _paid_hold(course, student, noon + timedelta(hours=n))
        for n, student in enumerate(students)
    ]


async def _paid_hold(course: Course, student: Student, start: datetime) -> Paid:
    session = (await course.book(student, start)).raise_for_status().json()

    async def page() -> Json | None:
        answer = await course.gateway.post(
            "/v1/payments", json={"session_id": session["id"]}, headers=student
        )
        return dict(answer.json()) if answer.is_success else None

    payment = await until("the payment", page)
    async with httpx2.AsyncClient() as browser:
        answer = await browser.post(payment["checkout_url"], data=CARD)
    assert answer.status_code == 303
    return Paid(student, session, payment)


async def cancel(course: Course, paid: Paid, pause: float) -> int:
    await asyncio.sleep(pause)
    answer = await course.gateway.post(
        f"/v1/sessions/{paid.session['id']}/cancel", json={}, headers=paid.student
    )
    return answer.status_code


async def run_out(course: Course, pause: float) -> None:
    await asyncio.sleep(pause)
    await course.market.advance(A_HOLD)


async def seats(course: Course) -> dict[str, Seat]:
    """All seats, by session."""
    async with course.database("booking") as session:
        found = (await session.exec(select(Seat))).all()
    return {str(seat.session_id): seat for seat in found}


async def refunds_at_stripe(course: Course) -> Counter[str]:
    """What Stripe gave back, by payment."""
    totals: Counter[str] = Counter()
    for refund in await course.market.refunds_at_stripe():
        assert refund["status"] == "succeeded"
        totals[refund["metadata"]["payment_id"]] += refund["amount"]
    return totals


async def assert_money_is_balanced(course: Course) -> None:
    """What we say went back is what Stripe says, for every payment there ever was."""
    back = await refunds_at_stripe(course)
    async with course.database("payments") as session:
        payments = (await session.exec(select(Payment))).all()
    ours = {str(each.id): each.refunded for each in payments if each.refunded}
    assert ours == dict(back)
    assert all(each.promised == each.refunded for each in payments)


async def test_cancelling_paying_and_running_out_at_once_end_in_a_legal_state(
    course: Course, rounds: int
) -> None:
    chance = random.Random(rounds)  # noqa: S311
    market = course.market
    await course.open_days(durations=[60], increment=60)
    for number in range(rounds):
        async with market.all_webhooks(Fault.DROP):
            paid = await paid_holds(course, await course.noon(3 + number))
        await market.fault("webhook", Fault.DUPLICATE, 4 * SEATS)

        tries = [cancel(course, each, chance.random() * SPAN) for each in paid]
        *statuses, _ = await asyncio.gather(*tries, run_out(course, SPAN / 2))
        await market.forget_faults()
        await market.idle()

        found = await seats(course)
        back = await refunds_at_stripe(course)
        for each, status in zip(paid, statuses, strict=True):
            seat, money = found[each.session["id"]], back[each.payment["id"]]
            end = (status, seat.status, money)
            assert end in {(200, "cancelled", RATE), (409, "confirmed", 0)}
        await assert_money_is_balanced(course)


async def test_two_schedulers_say_each_tick_once_and_leave_no_gap(
    course: Course, rounds: int
) -> None:
    for _ in range(rounds * 2):
        await course.market.advance(timedelta(minutes=random.randint(1, 3)))  # noqa: S311

    async with course.database("scheduler") as session:
        query = select(EmittedTick).order_by(col(EmittedTick.due_at))
        ticks = (await session.exec(query)).all()
    for name in {tick.name for tick in ticks}:
        own = [tick for tick in ticks if tick.name == name]
        assert [tick.previous_due_at for tick in own[1:]] == [
            tick.due_at for tick in own[:-1]
        ]
