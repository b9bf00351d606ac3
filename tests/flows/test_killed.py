"""kill -9 in the middle of the main job: each service, the gateway, both servers."""

import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta

import httpx2
import pytest
import pytest_asyncio

from local.demo.client import Json, until
from local.demo.walk import Walk
from tests.flows.fleet import Fleet, a_fleet, dead_letters
from tests.flows.outcomes import assert_all_money_back_once, steps

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

MOMENTS = {
    "accounts": ("signing up",),
    "coaches": ("signing up",),
    "booking": ("holding", "paying", "cancelling"),
    "payments": ("opening the page", "paying", "cancelling"),
    "notifications": ("paying", "cancelling"),
    "scheduler": ("holding",),
    "gateway": ("holding", "paying"),
    "rabbitmq": ("paying", "cancelling"),
    "postgres": ("holding", "paying", "cancelling"),
}
"""When each of them dies."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet() -> AsyncIterator[Fleet]:
    async with a_fleet() as running:
        yield running


async def mails_of_each_kind(fleet: Fleet, walk: Walk) -> list[int]:
    """Invitations and cancellations, of the student and of the coach."""
    return [
        len(await fleet.market.calendar_mails(person, f"METHOD:{method}"))
        for method in ("REQUEST", "CANCEL")
        for person in (walk.student, walk.coach)
    ]


async def booked_and_cancelled(fleet: Fleet, victim: str) -> tuple[Walk, Json]:
    """The main job done, while the victim dies at each of its moments."""
    chance = random.Random(victim)  # noqa: S311
    walk = fleet.market.walk()

    def during(moment: str) -> AbstractAsyncContextManager[None]:
        if moment not in MOMENTS[victim]:
            return nullcontext()
        return fleet.killed(victim, chance.random() / 8)

    async with during("signing up"):
        await walk.a_coach_opens_shop()
        await walk.an_admin_verifies()
        slots = await walk.a_student_finds_a_slot()
    async with during("holding"):
        session = await walk.hold(slots[0])
    async with during("opening the page"):
        await walk.payment(session)
    async with during("paying"):
        await walk.pay(session)
        await walk.confirmed(session)
    await fleet.market.idle()
    async with during("cancelling"):
        path = f"/v1/sessions/{session['id']}/cancel"
        await walk.student.post(path, {"reason": "cannot come"})
    return walk, session


@pytest.mark.parametrize("victim", MOMENTS)
async def test_the_main_job_ends_right_although_somebody_is_killed(
    fleet: Fleet, victim: str
) -> None:
    walk, session = await booked_and_cancelled(fleet, victim)

    await assert_all_money_back_once(fleet.market, walk, session)
    assert await steps(walk, session) == ["held", "confirmed", "cancelled"]
    for path in ("/v1/sessions", "/v1/payments"):
        assert len((await walk.student.get(path))["items"]) == 1
    seen = await walk.student.get(f"/v1/sessions/{session['id']}")
    assert len(await fleet.market.pages_at_stripe(seen["payment_id"])) == 1
    mails = await mails_of_each_kind(fleet, walk)
    assert max(mails) == 1
    assert sum(mails) + await fleet.handed_over(seen["seat_id"]) >= len(mails)
    assert await dead_letters(fleet.rabbitmq.url) == {}


async def test_a_hold_runs_out_although_the_scheduler_was_dead(fleet: Fleet) -> None:
    walk, slots = await fleet.market.open_shop()
    payment = await walk.payment(await walk.hold(slots[0]))

    async with fleet.killed("scheduler", 0):
        fleet.move_clock(timedelta(minutes=16))

    async def page() -> int:
        async with httpx2.AsyncClient() as browser:
            return (await browser.get(payment["checkout_url"])).status_code

    await until("the end of the page", page, lambda status: status == 410)
    assert await dead_letters(fleet.rabbitmq.url) == {}
