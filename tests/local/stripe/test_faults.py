import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import stripe

from local.stripe.faults import Fault, Faults
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import Shop, sdk, sell, start_checkout

KEY: Any = {"idempotency_key": "p-1-1"}


async def order(
    web: httpx2.AsyncClient, operation: str, kind: str, times: int = 1
) -> None:
    fault = {"operation": operation, "kind": kind, "times": times}
    answer = await web.post("/_double/faults", json=fault)
    assert (answer.status_code, answer.json()) == (201, fault)


async def refunds_of(client: stripe.StripeClient, intent: str) -> int:
    listed = await client.v1.refunds.list_async({"payment_intent": intent})
    return len(listed.data)


async def refund(client: stripe.StripeClient, intent: str) -> stripe.Refund:
    return await client.v1.refunds.create_async({"payment_intent": intent}, KEY)


async def test_an_error_comes_before_any_effect(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    await order(web, "refunds.create", "error_500")
    with pytest.raises(stripe.APIError) as refused:
        await refund(client, intent)
    assert refused.value.headers is not None
    assert refused.value.headers["Stripe-Should-Retry"] == "false"
    assert await refunds_of(client, intent) == 0


async def test_a_lost_answer_leaves_the_effect(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    await order(web, "refunds.create", "lost_answer")
    with pytest.raises(stripe.APIConnectionError):
        await refund(client, intent)
    assert await refunds_of(client, intent) == 1
    assert (await refund(client, intent)).amount == 4500
    assert await refunds_of(client, intent) == 1


async def test_the_same_answer_may_be_lost_again(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    await order(web, "refunds.create", "lost_answer", times=2)
    for _ in range(2):
        with pytest.raises(stripe.APIConnectionError):
            await refund(client, intent)
    assert (await refund(client, intent)).amount == 4500


async def test_the_sdk_recovers_a_lost_answer_by_itself(
    client: stripe.StripeClient, web: httpx2.AsyncClient, served: Served
) -> None:
    await order(web, "checkout.sessions.create", "lost_answer")
    async with sdk(served.url, retries=1) as patient:
        session = await start_checkout(patient)
    listed = await client.v1.checkout.sessions.list_async()
    assert [each.id for each in listed.data] == [session.id]


async def test_a_timeout_does_the_work_when_nobody_waits_any_more(
    client: stripe.StripeClient, web: httpx2.AsyncClient, served: Served
) -> None:
    intent = await sell(client, web)
    await order(web, "refunds.create", "timeout")
    async with sdk(served.url, patience=0.1) as impatient:
        with pytest.raises(stripe.APIConnectionError):
            await refund(impatient, intent)
    assert await refunds_of(client, intent) == 0
    await asyncio.sleep(0.7)
    assert await refunds_of(client, intent) == 1
    assert (await refund(client, intent)).amount == 4500


async def test_a_card_error_is_a_402(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    await order(web, "*", "card_error")
    with pytest.raises(stripe.CardError) as refused:
        await start_checkout(client)
    assert refused.value.code == "card_declined"
    assert (await start_checkout(client)).status == "open"


async def test_a_rate_limit_is_a_429_as_often_as_ordered(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    await order(web, "checkout.sessions.create", "rate_limit", times=2)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            await start_checkout(client)
    assert (await start_checkout(client)).status == "open"


async def test_a_fault_befalls_only_its_operation(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    await order(web, "checkout.sessions.expire", "error_500")
    await order(web, "*", "rate_limit")
    with pytest.raises(stripe.RateLimitError):
        await start_checkout(client)
    session = await start_checkout(client)
    with pytest.raises(stripe.APIError):
        await client.v1.checkout.sessions.expire_async(session.id)
    assert shop.got == []


def test_every_operation_does_not_mean_the_webhook() -> None:
    faults = Faults()
    faults.order("*", Fault.ERROR_500, 1)
    assert faults.take("webhook", frozenset(Fault)) is None
    assert faults.take("refunds.create", frozenset(Fault)) is Fault.ERROR_500
    assert faults.take("refunds.create", frozenset(Fault)) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"operation": "refunds.destroy", "kind": "error_500"}, "body.operation"),
        ({"operation": "refunds.create", "kind": "flood"}, "body.kind"),
        ({"operation": "refunds.create", "kind": "drop"}, "body.kind"),
        ({"operation": "webhook", "kind": "error_500"}, "body.kind"),
        ({"operation": "*", "kind": "rate_limit", "times": 0}, "body.times"),
        ({"operation": "*", "kind": "rate_limit", "times": "2"}, "body.times"),
        ({"operation": "*", "kind": "rate_limit", "odds": 2}, "body.odds"),
        ({"kind": "rate_limit"}, "body.operation"),
    ],
)
async def test_a_fault_that_does_not_exist_is_a_problem(
    web: httpx2.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await web.post("/_double/faults", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_what_was_ordered_can_be_forgotten(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    await order(web, "refunds.create", "error_500", 2)
    intent = await sell(client, web)
    with pytest.raises(stripe.APIError):
        await refund(client, intent)

    for _ in range(2):
        assert (await web.delete("/_double/faults")).status_code == 204

    await client.v1.refunds.create_async({"payment_intent": intent})
    assert await refunds_of(client, intent) == 1


async def test_it_tells_what_it_was_asked_newest_first(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    await refund(client, intent)
    await order(web, "checkout.sessions.create", "lost_answer")
    with pytest.raises(stripe.APIConnectionError):
        await start_checkout(client)
    await web.get("/v1/nothing", headers={"Authorization": "Bearer sk_test_x"})
    answer = (await web.get("/_double/requests")).json()
    assert [(call["operation"], call["status"]) for call in answer["items"]] == [
        (None, 404),
        ("checkout.sessions.create", None),
        ("refunds.create", 200),
        ("checkout.sessions.retrieve", 200),
        ("checkout.sessions.create", 200),
    ]
    asked = answer["items"][2]
    assert asked["params"] == {"payment_intent": intent}
    assert (asked["method"], asked["path"]) == ("POST", "/v1/refunds")
    assert asked["idempotency_key"] == "p-1-1"
    assert asked["at"].endswith("Z")


async def test_what_it_was_asked_is_read_page_by_page_and_bounded(
    web: httpx2.AsyncClient, served: Served
) -> None:
    for _ in range(1005):
        call = served.double.calls.open("GET", "/v1/x", None, datetime.now(UTC))
        call.status = 404
    seen: list[int] = []
    cursor: str | None = None
    while cursor or not seen:
        query: dict[str, Any] = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = (await web.get("/_double/requests", params=query)).json()
        seen += [call["seq"] for call in page["items"]]
        cursor = page["next_cursor"]
    assert seen == list(range(1005, 5, -1))
    bad = await web.get("/_double/requests", params={"limit": 101})
    assert bad.status_code == 422


async def test_a_path_that_stripe_does_not_have_answers_as_stripe(
    web: httpx2.AsyncClient,
) -> None:
    answer = await web.get("/", headers={"Authorization": "Bearer sk_test_x"})
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
