"""Money that comes, comes late, comes twice or has to go back; on servers."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
import pytest_asyncio

from local.demo.client import until
from local.demo.walk import ACCEPTED
from local.stripe.faults import WEBHOOK, Fault
from tests.flows.market import AUTHENTICATED, HouseMarket
from tests.flows.on_servers import ServerHouse
from tests.flows.outcomes import (
    assert_all_money_back_once,
    assert_booked_once,
    steps,
)

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]

A_HOLD = timedelta(minutes=16)
"""Until a hold has run out and the next minute's tick has said so."""

Servers = HouseMarket[ServerHouse]


@pytest_asyncio.fixture(autouse=True, loop_scope="package")
async def no_faults_stay(market: Servers) -> AsyncIterator[None]:
    yield
    await market.forget_faults()


async def test_a_payment_that_asks_for_3d_secure_confirms_when_it_is_given(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])
    payment = await walk.payment(session)

    status, page = await walk.checkout(payment, AUTHENTICATED)
    await market.idle()
    assert (status, "authorize" in page) == (200, True)
    await market.session(walk, session, "held")

    async with httpx2.AsyncClient() as browser:
        await browser.post(payment["checkout_url"], data={"action": "authorize"})
    await assert_booked_once(market, walk, session)


async def test_a_late_payment_takes_a_slot_that_is_still_free(market: Servers) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])

    async with market.all_webhooks(Fault.DROP):
        await walk.pay(session)
        await market.advance(A_HOLD)
        await market.session(walk, session, "expired")

    await market.session(walk, session, "confirmed")
    assert await steps(walk, session) == ["held", "expired", "confirmed"]
    await assert_booked_once(market, walk, session)


async def test_a_late_payment_for_a_slot_that_is_taken_goes_back_once(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    other = market.walk()
    other.coach = walk.coach
    await other.a_student_finds_a_slot()
    session = await walk.hold(slots[0])

    async with market.all_webhooks(Fault.DROP):
        await walk.pay(session)
        await market.advance(A_HOLD)
        taken = await other.hold(slots[0])
    await market.fault("webhook", Fault.DUPLICATE, 4)

    await assert_all_money_back_once(market, walk, session)
    assert await steps(walk, session) == ["held", "expired"]
    await other.pay(taken)
    await market.session(other, taken, "confirmed")
    assert await market.calendar_mails(walk.student, "METHOD") == []


async def test_a_hold_that_ran_out_cannot_be_paid_at_stripe(market: Servers) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])
    payment = await walk.payment(session)

    await market.advance(A_HOLD)
    await market.idle()

    status, _ = await walk.checkout(payment, ACCEPTED)
    assert status == 410
    assert await steps(walk, session) == ["held", "expired"]


async def test_a_hold_cancelled_before_its_payment_arrives_gives_all_money_back(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])

    async with market.all_webhooks(Fault.DROP):
        await walk.pay(session)
        await walk.student.post(f"/v1/sessions/{session['id']}/cancel", {})

    await until(
        "the refund",
        lambda: walk.student.get(f"/v1/sessions/{session['id']}"),
        lambda seen: seen["refund"] and seen["refund"]["status"] == "succeeded",
    )
    await assert_all_money_back_once(market, walk, session)
    assert await steps(walk, session) == ["held", "cancelled"]
    assert await market.calendar_mails(walk.student, "METHOD") == []


async def test_a_session_cancelled_right_after_its_payment_gives_all_money_back(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])

    await walk.pay(session)
    await walk.confirmed(session)
    await walk.student.post(f"/v1/sessions/{session['id']}/cancel", {})

    await assert_all_money_back_once(market, walk, session)
    assert await steps(walk, session) == ["held", "confirmed", "cancelled"]
    for person in (walk.student, walk.coach):
        assert len(await market.calendar_mails(person, "METHOD:CANCEL")) == 1


async def test_webhooks_forged_or_dated_ahead_confirm_nothing(market: Servers) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])
    payment = await walk.payment(session)

    faults = market.double.faults
    async with market.all_webhooks(Fault.FORGE):
        for kind in (Fault.FORGE, Fault.FUTURE):
            # In one step: between two requests a webhook would pass as it should.
            faults.forget()
            faults.order(WEBHOOK, kind, 1_000)
            await walk.checkout(payment, ACCEPTED)
            await market.webhooks_were_tried()
            assert await steps(walk, session) == ["held"]

    await assert_booked_once(market, walk, session)


async def test_webhooks_that_come_twice_and_in_disorder_confirm_once(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])

    await market.fault("webhook", Fault.REORDER)
    await market.fault("webhook", Fault.DUPLICATE, 2)
    await market.fault("webhook", Fault.DROP)
    await market.fault("webhook", Fault.DUPLICATE, 2)
    await walk.pay(session)

    await walk.confirmed(session)
    await assert_booked_once(market, walk, session)


async def test_a_lost_answer_of_stripe_opens_one_page_and_makes_one_refund(
    market: Servers,
) -> None:
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])

    await market.fault("checkout.sessions.create", Fault.LOST_ANSWER, 2)
    await walk.pay(session)
    confirmed = await walk.confirmed(session)
    assert len(await market.pages_at_stripe(confirmed["payment_id"])) == 1

    await market.fault("refunds.create", Fault.LOST_ANSWER, 2)
    await walk.student.post(f"/v1/sessions/{session['id']}/cancel", {})
    await assert_all_money_back_once(market, walk, session)
