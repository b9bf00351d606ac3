import copy
from typing import Any

import httpx2
import pytest
import stripe
from stripe.checkout import Session

from tests.given import FixedClock
from tests.local.stripe.answers import differences
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import (
    ASKS_3DS,
    DECLINED,
    REFUND_FAILS,
    REFUNDS_LATER,
    act,
    pay,
    sell,
    start_checkout,
)

KINDS: dict[str, Any] = {
    "checkout.session": Session,
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "event": stripe.Event,
}
EVERY_EVENT = {
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
}


async def live_through_everything(
    client: stripe.StripeClient, web: httpx2.AsyncClient, clock: FixedClock
) -> None:
    declined = await start_checkout(client, customer_email="ann@shop.example")
    await pay(web, declined, DECLINED)
    await client.v1.checkout.sessions.expire_async(declined.id)
    authenticated = await start_checkout(client)
    await pay(web, authenticated, ASKS_3DS)
    await act(web, authenticated, "fail")
    await pay(web, authenticated, ASKS_3DS)
    await act(web, authenticated, "authorize")
    for card in (REFUNDS_LATER, REFUND_FAILS):
        intent = await sell(client, web, card)
        await client.v1.refunds.create_async({"payment_intent": intent})
    clock.advance(seconds=10)


async def test_every_object_ever_made_is_as_the_sdk_describes_it(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    clock: FixedClock,
    served: Served,
) -> None:
    await live_through_everything(client, web, clock)
    served.double.sweep()
    seen = set()
    for kind, described in KINDS.items():
        records = served.double.store.page(kind, {}, 100, None, None)
        assert records
        for record in records:
            assert differences(described, record.body) == []
            if kind == "event":
                thing = record.body["data"]["object"]
                assert differences(KINDS[thing["object"]], thing) == []
                seen.add(record.body["type"])
    assert seen == EVERY_EVENT


async def test_expanded_line_items_are_as_the_sdk_describes_them(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    got = await web.get(
        f"/v1/checkout/sessions/{session.id}?expand[]=line_items",
        headers={"Authorization": "Bearer sk_test_x"},
    )
    assert differences(Session, got.json()) == []
    assert got.json()["line_items"]["data"][0]["amount_total"] == 4500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["amount"], "100"),
        (["amount"], True),
        (["currency"], None),
        (["destination_details", "type"], 1),
        (["metadata"], []),
        (["object"], "charge"),
        (["surprise"], 1),
        (["pending_reason"], "weather"),
    ],
)
async def test_the_comparison_notices_a_wrong_answer(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    served: Served,
    path: list[str],
    value: Any,
) -> None:
    intent = await sell(client, web)
    refund = await client.v1.refunds.create_async({"payment_intent": intent})
    record = served.double.store.get("refund", refund.id)
    assert record is not None
    wrong = copy.deepcopy(record.body)
    at = wrong
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert len(differences(stripe.Refund, wrong)) == 1
