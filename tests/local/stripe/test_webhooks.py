import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import stripe
from stripe._api_version import _ApiVersion

from local.stripe.faults import Fault, Faults
from local.stripe.settings import DoubleSettings
from local.stripe.store import Store
from local.stripe.webhooks import Webhooks, pause_after
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import SECRET, Shop, sell, start_checkout, until


def stamp(signature: str) -> int:
    return int(signature.split(",")[0].removeprefix("t="))


async def expire_one(client: stripe.StripeClient) -> str:
    """Causes exactly one event; returns the session's id."""
    session = await start_checkout(client)
    await client.v1.checkout.sessions.expire_async(session.id)
    return session.id


@asynccontextmanager
async def idle(served: Served) -> AsyncIterator[None]:
    yield
    await until(lambda: served.double.pending() == 0)


async def test_an_event_is_signed_in_real_time_and_dated_in_product_time(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    async with idle(served):
        session = await start_checkout(client)
        await client.v1.checkout.sessions.expire_async(
            session.id, None, {"idempotency_key": "e-1"}
        )
    assert abs(stamp(shop.got[0][1]) - time.time()) < 60
    event = shop.events()[0]
    assert event.created == session.created
    assert event.api_version == _ApiVersion.CURRENT
    assert event.request is not None
    assert event.request.idempotency_key == "e-1"
    stored = await client.v1.events.retrieve_async(event.id)
    assert (event.pending_webhooks, stored.pending_webhooks) == (1, 0)
    assert stored.data.object["id"] == session.id


async def test_an_event_shows_the_object_as_it_was_then(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    intent = await sell(client, web)
    await client.v1.refunds.create_async({"payment_intent": intent, "amount": 100})
    await client.v1.refunds.create_async({"payment_intent": intent, "amount": 100})
    await shop.until(8)
    refunded = [
        event.data.object["amount_refunded"]
        for event in shop.events()
        if event.type == "charge.refunded"
    ]
    assert sorted(refunded) == [100, 200]


async def test_what_the_shop_refuses_comes_again_later_and_later(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    shop.statuses.extend([500, 404, 301])
    began = time.monotonic()
    async with idle(served):
        await expire_one(client)
    assert time.monotonic() - began > 0.2 + 0.4 + 0.8
    assert len({json.loads(body)["id"] for body, _ in shop.got}) == 1
    assert len(shop.got) == 4


def test_pauses_double_up_to_half_a_minute() -> None:
    pauses = [pause_after(attempts) for attempts in (0, 1, 2, 7, 8, 9000)]
    assert pauses == [0.2, 0.4, 0.8, 25.6, 30, 30]


async def test_a_dropped_event_comes_with_the_retry(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.DROP, 2)
    began = time.monotonic()
    async with idle(served):
        await expire_one(client)
    assert time.monotonic() - began > 0.2 + 0.4
    assert len(shop.events()) == 1


async def test_a_duplicate_is_the_same_event_twice(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.DUPLICATE, 1)
    async with idle(served):
        await expire_one(client)
    first, second = shop.events()
    assert first.id == second.id


async def test_a_delayed_event_is_late(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.DELAY, 1)
    began = time.monotonic()
    async with idle(served):
        await expire_one(client)
        assert served.double.pending() == 1
    assert time.monotonic() - began > 1.5
    assert len(shop.got) == 1


async def test_a_reordered_event_lets_the_next_one_pass(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.REORDER, 1)
    began = time.monotonic()
    async with idle(served):
        first = await expire_one(client)
        await until(lambda: not served.double.faults._orders)
        second = await expire_one(client)
    assert [event.data.object["id"] for event in shop.events()] == [second, first]
    assert time.monotonic() - began < 1.5


async def test_a_forged_event_comes_again_with_the_right_signature(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.FORGE, 1)
    shop.statuses.append(400)
    async with idle(served):
        await expire_one(client)
    forged, good = shop.got
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*forged, SECRET)
    stripe.Webhook.construct_event(*good, SECRET)


async def test_an_event_of_the_future_is_signed_for_an_hour_ahead(
    client: stripe.StripeClient, shop: Shop, served: Served
) -> None:
    served.double.faults.order("webhook", Fault.FUTURE, 1)
    shop.statuses.append(400)
    async with idle(served):
        await expire_one(client)
    ahead, good = (stamp(signature) - time.time() for _, signature in shop.got)
    assert 3500 < ahead < 3700
    assert abs(good) < 60
    assert len(shop.events()) == 2


@pytest.mark.parametrize("steps", range(5))
async def test_it_stops_also_when_it_was_just_woken(steps: int, shop: Shop) -> None:
    settings = DoubleSettings(shop.url, SECRET, "http://pay.example")
    store = Store(None)
    webhooks = Webhooks(settings, store, Faults())
    async with asyncio.timeout(5):
        async with webhooks.running():
            await asyncio.sleep(0.02)
            webhooks.wake()
            for _ in range(steps):
                await asyncio.sleep(0)
    store.close()


async def test_idle_counts_what_is_still_to_come(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop, served: Served
) -> None:
    shop.statuses.extend([500] * 50)
    async with idle(served):
        await expire_one(client)
        await shop.until(1)
        assert (await web.get("/_double/idle")).json() == {"pending": 1}
        shop.statuses.clear()
    assert (await web.get("/_double/idle")).json() == {"pending": 0}
