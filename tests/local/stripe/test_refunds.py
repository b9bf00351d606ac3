import asyncio

import httpx2
import pytest
import stripe

from tests.given import FixedClock
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import (
    DECLINED,
    REFUND_FAILS,
    REFUNDS_LATER,
    Shop,
    pay,
    sell,
    start_checkout,
)


async def charge_of(client: stripe.StripeClient, intent: str) -> stripe.Charge:
    found = await client.v1.payment_intents.retrieve_async(
        intent, {"expand": ["latest_charge"]}
    )
    assert isinstance(found.latest_charge, stripe.Charge)
    return found.latest_charge


async def test_a_refund_gives_all_back_unless_an_amount_is_named(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    intent = await sell(client, web)
    refund = await client.v1.refunds.create_async(
        {
            "payment_intent": intent,
            "reason": "requested_by_customer",
            "metadata": {"refund": "r-1"},
        }
    )
    assert (refund.amount, refund.currency) == (4500, "usd")
    assert (refund.status, refund.reason) == ("succeeded", "requested_by_customer")
    assert refund.metadata is not None
    assert refund.metadata["refund"] == "r-1"
    charge = await charge_of(client, intent)
    assert (charge.refunded, charge.amount_refunded) == (True, 4500)
    kinds = await shop.kinds(6)
    assert {"refund.created", "charge.refunded"} <= set(kinds)
    same = await client.v1.refunds.retrieve_async(refund.id)
    assert same.to_dict() == refund.to_dict()


async def test_parts_sum_up_to_no_more_than_was_paid(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    for amount in (1000, 2500):
        await client.v1.refunds.create_async(
            {"payment_intent": intent, "amount": amount}
        )
    charge = await charge_of(client, intent)
    assert (charge.refunded, charge.amount_refunded) == (False, 3500)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent, "amount": 1001})
    assert refused.value.param == "amount"
    rest = await client.v1.refunds.create_async({"payment_intent": intent})
    assert rest.amount == 1000
    with pytest.raises(stripe.InvalidRequestError) as again:
        await client.v1.refunds.create_async({"payment_intent": intent})
    assert again.value.code == "charge_already_refunded"


async def test_refunds_at_once_never_give_back_more_than_was_paid(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    results = await asyncio.gather(
        *(
            client.v1.refunds.create_async({"payment_intent": intent, "amount": 2000})
            for _ in range(5)
        ),
        return_exceptions=True,
    )
    assert len([each for each in results if isinstance(each, stripe.Refund)]) == 2
    assert (await charge_of(client, intent)).amount_refunded == 4000


@pytest.mark.parametrize("amount", [0, -1])
async def test_a_refund_is_at_least_one(
    client: stripe.StripeClient, web: httpx2.AsyncClient, amount: int
) -> None:
    intent = await sell(client, web)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(
            {"payment_intent": intent, "amount": amount}
        )
    assert refused.value.param == "amount"


async def test_what_was_never_paid_is_not_refunded(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    await pay(web, session, DECLINED)
    session = await client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent"]}
    )
    intent = session.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert isinstance(intent.latest_charge, str)
    with pytest.raises(stripe.InvalidRequestError, match="no successful charge"):
        await client.v1.refunds.create_async({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError, match="did not succeed"):
        await client.v1.refunds.create_async({"charge": intent.latest_charge})


async def test_a_refund_says_of_what(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({})
    assert refused.value.code == "parameter_missing"
    one, other = await sell(client, web), await sell(client, web)
    stranger = (await charge_of(client, other)).id
    with pytest.raises(stripe.InvalidRequestError) as crossed:
        await client.v1.refunds.create_async(
            {"payment_intent": one, "charge": stranger}
        )
    assert crossed.value.param == "charge"
    by_charge = await client.v1.refunds.create_async({"charge": stranger})
    assert by_charge.payment_intent == other


async def test_the_refunds_of_an_intent_are_listed(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    one, other = await sell(client, web), await sell(client, web)
    made = [
        (
            await client.v1.refunds.create_async(
                {"payment_intent": intent, "amount": 100}
            )
        ).id
        for intent in (one, other, one)
    ]
    found = await client.v1.refunds.list_async({"payment_intent": one})
    assert [refund.id for refund in found.data] == [made[2], made[0]]


async def test_some_cards_take_a_while_for_the_refund(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    clock: FixedClock,
    shop: Shop,
    served: Served,
) -> None:
    intent = await sell(client, web, REFUNDS_LATER)
    refund = await client.v1.refunds.create_async({"payment_intent": intent})
    assert refund.status == "pending"
    assert served.double.pending() > 0
    clock.advance(seconds=2)
    settled = await client.v1.refunds.retrieve_async(refund.id)
    assert settled.status == "succeeded"
    assert "refund.updated" in await shop.kinds(8)
    before = [e.data for e in shop.events() if e.type == "refund.updated"]
    assert before[0].previous_attributes is not None
    assert before[0].previous_attributes["status"] == "pending"


async def test_a_refund_that_fails_later_may_be_made_again(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    clock: FixedClock,
    shop: Shop,
) -> None:
    intent = await sell(client, web, REFUND_FAILS)
    refund = await client.v1.refunds.create_async({"payment_intent": intent})
    assert refund.status == "succeeded"
    clock.advance(seconds=2)
    failed = await client.v1.refunds.retrieve_async(refund.id)
    assert (failed.status, failed.failure_reason) == (
        "failed",
        "expired_or_canceled_card",
    )
    charge = await charge_of(client, intent)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert "refund.failed" in await shop.kinds(9)
    again = await client.v1.refunds.create_async({"payment_intent": intent})
    assert again.id != refund.id
