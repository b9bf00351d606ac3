import asyncio
import time
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import stripe

from local.stripe.faults import Fault
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import sell, session_params, until

KEY: Any = {"idempotency_key": "p-1-1"}


async def refund(
    client: stripe.StripeClient, intent: str, amount: int = 1000
) -> stripe.Refund:
    return await client.v1.refunds.create_async(
        {"payment_intent": intent, "amount": amount}, KEY
    )


async def test_the_same_key_gives_the_first_answer_again(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    first = await refund(client, intent)
    again = await refund(client, intent)
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    listed = await client.v1.refunds.list_async({"payment_intent": intent})
    assert len(listed.data) == 1


async def test_other_parameters_under_the_key_are_an_error(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    await refund(client, intent)
    with pytest.raises(stripe.IdempotencyError) as refused:
        await refund(client, intent, amount=1001)
    assert refused.value.http_status == 400


async def test_another_operation_under_the_key_is_an_error(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    await refund(client, await sell(client, web))
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.checkout.sessions.create_async(session_params(), KEY)


async def test_a_500_is_the_answer_for_good(
    client: stripe.StripeClient, web: httpx2.AsyncClient, served: Served
) -> None:
    intent = await sell(client, web)
    served.double.faults.order("refunds.create", Fault.ERROR_500, 1)
    for _ in range(2):
        with pytest.raises(stripe.APIError) as refused:
            await refund(client, intent)
        assert refused.value.http_status == 500
    assert refused.value.headers is not None
    assert refused.value.headers["Idempotent-Replayed"] == "true"
    listed = await client.v1.refunds.list_async({"payment_intent": intent})
    assert listed.data == []


async def test_a_refusal_by_the_rules_is_kept_too(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    with pytest.raises(stripe.InvalidRequestError) as first:
        await refund(client, intent, amount=4501)
    with pytest.raises(stripe.InvalidRequestError) as again:
        await refund(client, intent, amount=4501)
    assert first.value.headers is not None
    assert again.value.headers is not None
    assert "Idempotent-Replayed" not in first.value.headers
    assert again.value.headers["Idempotent-Replayed"] == "true"


async def test_an_invalid_parameter_leaves_the_key_free(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    wrong: Any = {"payment_intent": intent, "amount": "much"}
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.refunds.create_async(wrong, KEY)
    assert (await refund(client, intent)).amount == 1000


async def test_a_rate_limit_leaves_the_key_free(
    client: stripe.StripeClient, web: httpx2.AsyncClient, served: Served
) -> None:
    intent = await sell(client, web)
    served.double.faults.order("refunds.create", Fault.RATE_LIMIT, 1)
    with pytest.raises(stripe.RateLimitError):
        await refund(client, intent)
    assert (await refund(client, intent)).amount == 1000


async def test_a_key_in_use_is_a_conflict(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intent = await sell(client, web)
    longer = replace(served.double.settings, stall_seconds=2)
    monkeypatch.setattr(served.double, "settings", longer)
    served.double.faults.order("refunds.create", Fault.TIMEOUT, 1)
    slow = asyncio.create_task(refund(client, intent))
    await until(lambda: served.double.keys_in_use != set())
    with pytest.raises(stripe.APIError) as refused:
        await refund(client, intent)
    assert refused.value.http_status == 409
    assert refused.value.error is not None
    assert refused.value.error.code == "idempotency_key_in_use"
    first = await slow
    assert (await refund(client, intent)).id == first.id


async def test_many_at_once_under_one_key_have_one_effect(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    made = await asyncio.gather(*(refund(client, intent) for _ in range(10)))
    assert len({each.id for each in made}) == 1


async def test_a_key_is_kept_for_a_day(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intent = await sell(client, web)
    first = await refund(client, intent)
    day = time.time() + 24 * 3600
    monkeypatch.setattr(time, "time", lambda: day - 60)
    assert (await refund(client, intent)).id == first.id
    monkeypatch.setattr(time, "time", lambda: day + 60)
    assert (await refund(client, intent)).id != first.id


async def test_a_key_has_at_most_255_characters(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.refunds.create_async(
            {"payment_intent": intent}, {"idempotency_key": "k" * 256}
        )


async def test_reading_ignores_keys(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"}
    for path in (f"/v1/payment_intents/{intent}", "/v1/refunds"):
        assert (await web.get(path, headers=headers)).status_code == 200
