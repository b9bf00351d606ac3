"""Paying by hand: the card that is declined, the one that asks, the one that pays."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx2
import pytest
import pytest_asyncio

from local.demo.client import Json, call
from local.demo.walk import ACCEPTED, DECLINED, Walk
from local.house import House
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="package")

ASKS = "4000 0025 0000 3155"


@pytest_asyncio.fixture(loop_scope="package")
async def walk(house: House) -> AsyncIterator[Walk]:
    """A coach whose shop is open, and a student who has come."""

    async def advance(by: timedelta) -> datetime:
        await house.advance(by)
        return house.clock.now()

    url = house.settings.mailbox_url
    async with httpx2.AsyncClient(base_url=url) as mailbox:
        walk = Walk(house.gateway, mailbox, advance)
        await walk.a_coach_opens_shop()
        await walk.an_admin_verifies()
        await walk.a_student_finds_a_slot()
        yield walk


async def checkout(walk: Walk, visitor: Visitor) -> Json:
    """The student's fresh hold, with its Checkout page open."""
    session = await walk.hold((await walk.slots())[0])
    payment = await walk.payment(session)
    await visitor.open(payment["checkout_url"])
    return session


async def pay(visitor: Visitor, card: str) -> None:
    page = visitor.page
    await page.get_by_label("Card number").fill(card)
    await page.get_by_label("Expiry").fill("12 / 34")
    await page.get_by_label("Security code").fill("123")
    await page.get_by_role("button", name="Pay").click()


async def test_after_a_declined_card_a_good_one_pays(
    walk: Walk, visitor: Visitor
) -> None:
    session = await checkout(walk, visitor)

    await pay(visitor, DECLINED)
    await visitor.sees("Your card was declined.")
    visitor.expect("402")
    assert await visitor.fits()
    await pay(visitor, ACCEPTED)

    await visitor.sees("Thank you")
    assert visitor.page.url.endswith("/checkout/success")
    assert (await walk.confirmed(session))["status"] == "confirmed"
    await visitor.page.get_by_role("link", name="Back to the start").click()
    await visitor.sees("Look around")


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        ("Yes, authorize the payment", "Thank you"),
        ("No, fail", "We could not authenticate"),
    ],
)
async def test_a_card_that_asks_the_bank_pays_only_if_that_agrees(
    walk: Walk, visitor: Visitor, answer: str, then: str
) -> None:
    session = await checkout(walk, visitor)

    await pay(visitor, ASKS)
    await visitor.sees("Your bank asks: is this you?")
    assert await visitor.fits()
    await visitor.page.get_by_role("button", name=answer).click()

    await visitor.sees(then)
    if answer.startswith("Yes"):
        await walk.confirmed(session)
    else:
        visitor.expect("402")
        seen = await walk.student.get(f"/v1/sessions/{session['id']}")
        assert seen["status"] == "held"


async def test_who_cancels_comes_back_and_keeps_the_slot(
    walk: Walk, visitor: Visitor
) -> None:
    session = await checkout(walk, visitor)
    await visitor.page.get_by_role("button", name="Cancel and go back").click()
    await visitor.sees("Nothing was paid")
    seen = await call(
        walk.gateway,
        "GET",
        f"/v1/sessions/{session['id']}",
        headers=walk.student.headers,
    )
    assert seen["status"] == "held"


async def test_the_mail_after_paying_carries_the_time_and_the_calendar(
    house: House, walk: Walk, visitor: Visitor
) -> None:
    session = await checkout(walk, visitor)
    await pay(visitor, ACCEPTED)
    await walk.confirmed(session)
    await walk.mail_to(walk.student, session, "REQUEST")

    await visitor.open(f"{house.settings.mailbox_url}/?to={walk.student.email}")
    await visitor.page.get_by_role("link", name="Booked").first.click()
    html = visitor.page.frame_locator("iframe")
    await html.get_by_text("America/New_York").first.wait_for()
    await visitor.sees(".ics")
    assert await visitor.fits()
