import asyncio

import httpx2
import pytest
import stripe
from stripe.checkout import Session

from local.stripe.page import shown_amount
from tests.given import FixedClock
from tests.local.stripe.given import (
    ASKS_3DS,
    ASKS_3DS_AND_DECLINES,
    DECLINED,
    GOOD,
    Shop,
    act,
    pay,
    start_checkout,
)

PAID = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
]


async def now_of(client: stripe.StripeClient, session: Session) -> Session:
    return await client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    )


async def test_a_good_card_pays_and_leads_back_to_the_shop(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    session = await start_checkout(client)
    answer = await pay(web, session)
    assert answer.status_code == 303
    assert answer.headers["Location"] == (
        f"http://shop.example/paid?session={session.id}"
    )
    paid = await now_of(client, session)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount_received) == ("succeeded", 4500)
    assert intent.metadata["payment"] == "p-1"
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.metadata["payment"] == "p-1"
    assert sorted(await shop.kinds(4)) == sorted(PAID)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (DECLINED, "declined"),
        ("4000 0000 0000 9995", "insufficient funds"),
        ("4000 0000 0000 0069", "expired"),
        ("4000 0000 0000 0127", "security code"),
        ("4000 0000 0000 0119", "processing"),
        ("4111 1111 1111 1111", "test cards"),
    ],
)
async def test_a_declined_card_is_told_why_and_may_try_again(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    shop: Shop,
    number: str,
    reason: str,
) -> None:
    session = await start_checkout(client)
    answer = await pay(web, session, number)
    assert answer.status_code == 402
    alert = answer.text.split('role="alert">')[1].split("<")[0]
    assert reason in alert
    declined = await now_of(client, session)
    assert declined.status == "open"
    intent = declined.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    await shop.until(3)
    failed = {event.type: event for event in shop.events()}
    about = failed["payment_intent.payment_failed"].data.object
    assert about["metadata"]["payment"] == "p-1"
    assert (await pay(web, session)).status_code == 303
    assert (await now_of(client, session)).payment_status == "paid"


async def test_attempts_share_one_intent_and_have_a_charge_each(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    intents, charges = set(), set()
    for number in (DECLINED, DECLINED, GOOD):
        await pay(web, session, number)
        intent = (await now_of(client, session)).payment_intent
        assert isinstance(intent, stripe.PaymentIntent)
        assert isinstance(intent.latest_charge, stripe.Charge)
        intents.add(intent.id)
        charges.add(intent.latest_charge.id)
    assert (len(intents), len(charges)) == (1, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "4242 4242 4242 4241"},
        {"expiry": "01/20"},
        {"cvc": "1"},
        {"number": ""},
    ],
)
async def test_what_cannot_be_a_card_is_no_attempt_to_pay(
    client: stripe.StripeClient,
    web: httpx2.AsyncClient,
    shop: Shop,
    fields: dict[str, str],
) -> None:
    session = await start_checkout(client)
    answer = await pay(web, session, **fields)
    assert (answer.status_code, shop.got) == (402, [])
    assert 'role="alert"' in answer.text
    assert (await now_of(client, session)).payment_intent is None


async def test_paying_twice_at_once_charges_once(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    session = await start_checkout(client)
    answers = await asyncio.gather(*(pay(web, session) for _ in range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 7 + [303]
    assert sorted(await shop.kinds(4)) == sorted(PAID)


async def test_a_paid_checkout_says_so_and_leads_on(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    await pay(web, session)
    page = await web.get(f"/c/pay/{session.id}")
    assert page.status_code == 200
    assert "already paid" in page.text
    assert f"http://shop.example/paid?session={session.id}" in page.text


async def test_an_expired_checkout_cannot_be_paid(
    client: stripe.StripeClient, web: httpx2.AsyncClient, clock: FixedClock
) -> None:
    session = await start_checkout(client)
    clock.advance(days=1)
    answer = await pay(web, session)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert (await now_of(client, session)).payment_status == "unpaid"


async def test_cancelling_leads_back_and_leaves_the_checkout_open(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    answer = await act(web, session, "cancel")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "http://shop.example/cart"
    assert (await now_of(client, session)).status == "open"


async def test_without_a_page_to_go_back_to_nothing_offers_it(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client, cancel_url=None)
    assert "cancel" not in (await web.get(f"/c/pay/{session.id}")).text.lower()
    assert (await act(web, session, "cancel")).status_code == 402


async def test_3d_secure_charges_after_the_payer_agreed(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    session = await start_checkout(client)
    asked = await pay(web, session, ASKS_3DS)
    assert asked.status_code == 200
    assert 'value="authorize"' in asked.text
    assert 'value="authorize"' in (await web.get(f"/c/pay/{session.id}")).text
    waiting = (await now_of(client, session)).payment_intent
    assert isinstance(waiting, stripe.PaymentIntent)
    assert (waiting.status, waiting.latest_charge) == ("requires_action", None)
    assert (await act(web, session, "authorize")).status_code == 303
    assert (await now_of(client, session)).payment_status == "paid"
    assert sorted(await shop.kinds(5)) == sorted(
        [*PAID, "payment_intent.requires_action"]
    )


async def test_failed_3d_secure_leads_back_to_the_card(
    client: stripe.StripeClient, web: httpx2.AsyncClient, shop: Shop
) -> None:
    session = await start_checkout(client)
    await pay(web, session, ASKS_3DS)
    failed = await act(web, session, "fail")
    assert failed.status_code == 402
    assert "authenticate" in failed.text
    assert 'name="card_number"' in failed.text
    kinds = await shop.kinds(3)
    assert "payment_intent.payment_failed" in kinds
    assert (await pay(web, session)).status_code == 303


async def test_a_card_may_be_declined_after_3d_secure(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    await pay(web, session, ASKS_3DS_AND_DECLINES)
    assert (await act(web, session, "authorize")).status_code == 402
    assert (await now_of(client, session)).status == "open"


@pytest.mark.parametrize("action", ["authorize", "fail"])
async def test_nothing_is_authorized_that_was_not_asked(
    client: stripe.StripeClient, web: httpx2.AsyncClient, action: str
) -> None:
    session = await start_checkout(client)
    assert (await act(web, session, action)).status_code == 402
    assert (await now_of(client, session)).payment_intent is None


async def test_an_unknown_action_is_a_problem(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    answer = await act(web, session, "steal")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "body.action"


async def test_an_unknown_checkout_is_a_404_page(web: httpx2.AsyncClient) -> None:
    answer = await web.get("/c/pay/cs_test_none")
    assert answer.status_code == 404
    assert "There is no such checkout" in answer.text


async def test_the_page_has_no_scripts_and_a_strict_policy(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(client)
    page = await web.get(f"/c/pay/{session.id}")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "form-action 'self' http://shop.example" in policy
    assert "<script" not in page.text
    assert "Test double" in page.text


async def test_what_the_seller_wrote_is_shown_as_text(
    client: stripe.StripeClient, web: httpx2.AsyncClient
) -> None:
    session = await start_checkout(
        client,
        line_items=[
            {
                "quantity": 1,
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 4500,
                    "product_data": {"name": "<b>bold</b>"},
                },
            }
        ],
    )
    page = await web.get(f"/c/pay/{session.id}")
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.text


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (4500, "usd", "$45.00"),
        (4505, "eur", "€45.05"),
        (4500, "jpy", "¥4,500"),
        (4500, "kwd", "KWD4.500"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(
    amount: int, currency: str, shown: str
) -> None:
    assert shown_amount(amount, currency) == shown
