from typing import Any

import httpx2
import pytest
import stripe

from tests.given import FixedClock
from tests.local.stripe.conftest import Served
from tests.local.stripe.given import (
    DECLINED,
    Shop,
    pay,
    sell,
    session_params,
    start_checkout,
    until,
)


def item(amount: int = 4500, currency: str = "usd", quantity: int = 1) -> Any:
    return {
        "quantity": quantity,
        "price_data": {
            "currency": currency,
            "unit_amount": amount,
            "product_data": {"name": "Coaching"},
        },
    }


async def test_a_checkout_starts_open_and_unpaid(
    client: stripe.StripeClient, clock: FixedClock
) -> None:
    session = await start_checkout(
        client,
        client_reference_id="p-1",
        metadata={"payment": "p-1"},
        line_items=[item(quantity=2), item(amount=100)],
    )
    now = int(clock.now().timestamp())
    assert session.url == f"http://pay.example/c/pay/{session.id}"
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_total, session.currency) == (9100, "usd")
    assert (session.created, session.expires_at) == (now, now + 24 * 3600)
    assert session.client_reference_id == "p-1"
    assert session.metadata is not None
    assert session.metadata["payment"] == "p-1"
    assert session.payment_intent is None
    same = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert same.to_dict() == session.to_dict()


@pytest.mark.parametrize("seconds", [30 * 60, 24 * 3600])
async def test_a_checkout_lives_between_30_minutes_and_a_day(
    client: stripe.StripeClient, clock: FixedClock, seconds: int
) -> None:
    at = int(clock.now().timestamp()) + seconds
    assert (await start_checkout(client, expires_at=at)).expires_at == at
    beyond = at + (1 if seconds > 3600 else -1)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await start_checkout(client, expires_at=beyond)
    assert refused.value.param == "expires_at"


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"line_items": [item(amount=49)]}, "line_items", "amount_too_small"),
        ({"line_items": [item(29, "gbp")]}, "line_items", "amount_too_small"),
        ({"line_items": [item(0)]}, "line_items", "amount_too_small"),
        ({"line_items": [item(10**8)]}, "line_items", "amount_too_large"),
        ({"line_items": [item(), item(currency="eur")]}, "line_items", None),
        (
            {"line_items": [item(currency="zzz")]},
            "line_items[0][price_data][currency]",
            None,
        ),
        (
            {"line_items": [item(quantity=0)]},
            "line_items[0][quantity]",
            "parameter_invalid_integer",
        ),
        (
            {"line_items": [{"price_data": item()["price_data"]}]},
            "line_items[0][quantity]",
            "parameter_missing",
        ),
        (
            {"line_items": [{"quantity": 1}]},
            "line_items[0][price_data]",
            "parameter_missing",
        ),
        ({"success_url": "paid"}, "success_url", "url_invalid"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
        ({"cancel_url": "http://["}, "cancel_url", "url_invalid"),
        ({"mode": "gift"}, "mode", None),
        ({"surprise": "1"}, "surprise", "parameter_unknown"),
    ],
)
async def test_a_checkout_that_stripe_would_refuse_is_refused(
    client: stripe.StripeClient, changes: Any, param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await start_checkout(client, **changes)
    assert (refused.value.http_status, refused.value.param) == (400, param)
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["mode", "line_items", "success_url"])
async def test_what_a_checkout_needs_is_asked_for(
    client: stripe.StripeClient, name: str
) -> None:
    params: Any = session_params()
    del params[name]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.create_async(params)
    assert (refused.value.param, refused.value.code) == (name, "parameter_missing")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": "subscription"}, "mode subscription"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax"),
        ({"ui_mode": "elements"}, "ui_mode"),
        ({"allowed_payment_method_types": ["card", "link"]}, "payment methods"),
        ({"payment_intent_data": {"capture_method": "manual"}}, "capturing"),
        ({"payment_intent_data": {"on_behalf_of": "acct_1"}}, "on_behalf_of"),
        ({"line_items": [{"price": "price_1", "quantity": 1}]}, "price"),
    ],
)
async def test_what_the_double_cannot_do_it_says(
    client: stripe.StripeClient, changes: Any, named: str
) -> None:
    with pytest.raises(stripe.APIError, match=named) as refused:
        await start_checkout(client, **changes)
    assert refused.value.http_status == 501


async def test_an_operation_that_is_not_here_is_named(
    client: stripe.StripeClient,
) -> None:
    with pytest.raises(stripe.APIError, match=r"customers\.create") as refused:
        await client.v1.customers.create_async({"email": "ann@shop.example"})
    assert refused.value.http_status == 501


async def test_an_unknown_id_is_a_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.retrieve_async("cs_test_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer pk_test_x", "Basic ???", "Basic cGtfeDo="]
)
async def test_nothing_is_answered_without_a_secret_key(
    web: httpx2.AsyncClient, authorization: str
) -> None:
    answer = await web.get(
        "/v1/refunds", headers={"Authorization": authorization} if authorization else {}
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_curl_may_send_the_key_as_a_user_name(web: httpx2.AsyncClient) -> None:
    answer = await web.get("/v1/refunds", auth=("sk_test_x", ""))
    assert answer.status_code == 200
    assert answer.headers["Request-Id"].startswith("req_")


async def test_an_open_checkout_expires_on_request_and_only_once(
    client: stripe.StripeClient, shop: Shop
) -> None:
    session = await start_checkout(client)
    expired = await client.v1.checkout.sessions.expire_async(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        await client.v1.checkout.sessions.expire_async(session.id)
    assert await shop.kinds(1) == ["checkout.session.expired"]


async def test_a_paid_checkout_cannot_be_expired(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    await pay(web, session)
    with pytest.raises(stripe.InvalidRequestError, match="complete"):
        await client.v1.checkout.sessions.expire_async(session.id)


async def test_a_checkout_expires_when_product_time_says_so(
    client: stripe.StripeClient, clock: FixedClock, shop: Shop
) -> None:
    at = int(clock.now().timestamp()) + 1800
    session = await start_checkout(client, expires_at=at)
    clock.advance(seconds=1799)
    still = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert still.status == "open"
    clock.advance(seconds=1)
    gone = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert gone.status == "expired"
    assert await shop.kinds(1) == ["checkout.session.expired"]


async def test_a_checkout_expires_with_nobody_looking(
    client: stripe.StripeClient, clock: FixedClock, shop: Shop
) -> None:
    session = await start_checkout(client)
    clock.advance(days=1)
    await shop.until(1)
    assert shop.events()[0].data.object["id"] == session.id


async def test_sweeping_twice_expires_once(
    client: stripe.StripeClient, clock: FixedClock, shop: Shop, served: Served
) -> None:
    await start_checkout(client)
    clock.advance(days=1)
    served.app.state.sweep()
    served.app.state.sweep()
    await until(lambda: served.app.state.pending() == 0)
    assert len(shop.got) == 1


async def test_an_unpaid_intent_ends_with_its_checkout(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    await pay(web, session, DECLINED)
    gone = await client.v1.checkout.sessions.expire_async(
        session.id, {"expand": ["payment_intent"]}
    )
    assert isinstance(gone.payment_intent, stripe.PaymentIntent)
    assert gone.payment_intent.status == "canceled"


async def test_the_checkout_of_an_intent_is_found(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    wanted = await sell(client, web)
    await sell(client, web)
    found = await client.v1.checkout.sessions.list_async({"payment_intent": wanted})
    assert [session.payment_intent for session in found.data] == [wanted]


async def test_a_list_is_read_page_by_page_newest_first(
    client: stripe.StripeClient,
) -> None:
    made = [(await start_checkout(client)).id for _ in range(5)]
    first = await client.v1.checkout.sessions.list_async({"limit": 2})
    assert first.has_more
    read = [session.id async for session in first.auto_paging_iter()]
    assert read == made[::-1]
    back = await client.v1.checkout.sessions.list_async(
        {"limit": 2, "ending_before": made[0]}
    )
    assert [session.id for session in back.data] == [made[2], made[1]]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"starting_after": "cs_none"}, "starting_after"),
    ],
)
async def test_a_page_that_does_not_exist_is_refused(
    client: stripe.StripeClient, params: Any, named: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.list_async(params)
    assert refused.value.param == named


async def test_objects_are_expanded_in_place_of_their_ids(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    intent = await sell(client, web)
    found = await client.v1.checkout.sessions.list_async(
        {
            "payment_intent": intent,
            "expand": ["data.payment_intent.latest_charge", "data.line_items"],
        }
    )
    expanded = found.data[0].payment_intent
    assert isinstance(expanded, stripe.PaymentIntent)
    assert isinstance(expanded.latest_charge, stripe.Charge)
    assert expanded.latest_charge.amount == 4500
    assert found.data[0].line_items is not None


@pytest.mark.parametrize("path", ["amount_total", "payment_intent.x", "a.b.c.d.e"])
async def test_what_cannot_be_expanded_is_refused(
    client: stripe.StripeClient, web: httpx2.AsyncClient, path: str
) -> None:
    session = await start_checkout(client)
    await pay(web, session)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.retrieve_async(session.id, {"expand": [path]})
    assert refused.value.param == "expand"
