"""A shop that sells through Stripe, and a payer."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import stripe
from aiohttp import web
from stripe.checkout import Session

SECRET = "whsec_test"
GOOD = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
ASKS_3DS = "4000 0025 0000 3155"
ASKS_3DS_AND_DECLINES = "4000 0084 0000 1629"
REFUNDS_LATER = "4000 0000 0000 7726"
REFUND_FAILS = "4000 0000 0000 5126"


async def until(come_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not come_true():  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def sdk(
    url: str, *, retries: int = 0, patience: float = 10
) -> AsyncIterator[stripe.StripeClient]:
    """The official SDK, speaking to `url`."""
    http = stripe.AIOHTTPClient(timeout=patience)
    try:
        yield stripe.StripeClient(
            "sk_test_x",
            base_addresses={"api": url},
            http_client=http,
            max_network_retries=retries,
        )
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]


@dataclass
class Shop:
    """Receives webhooks; `statuses` are its next answers, 200 when there are none."""

    url: str = ""
    got: list[tuple[bytes, str]] = field(default_factory=list)
    statuses: deque[int] = field(default_factory=deque)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen at `url` while the block lasts."""
        app = web.Application()
        app.router.add_post("/webhook", self._receive)
        runner = web.AppRunner(app)
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/webhook"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), request.headers["Stripe-Signature"]))
        return web.Response(status=self.statuses.popleft() if self.statuses else 200)

    def events(self) -> list[stripe.Event]:
        """All that came, with good signatures only."""
        return [
            stripe.Webhook.construct_event(body, signature, SECRET)
            for body, signature in self.got
        ]

    async def kinds(self, count: int) -> list[str]:
        """The types of the events, once `count` of them have come."""
        await self.until(count)
        return [event.type for event in self.events()]

    async def until(self, count: int) -> None:
        await until(lambda: len(self.got) >= count)


def session_params(**changes: Any) -> Any:
    params = {
        "mode": "payment",
        "success_url": "http://shop.example/paid?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.example/cart",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 4500,
                    "product_data": {"name": "Sixty minutes of coaching"},
                },
            }
        ],
        "payment_intent_data": {"metadata": {"payment": "p-1"}},
    }
    return params | changes


async def start_checkout(client: stripe.StripeClient, **changes: Any) -> Session:
    return await client.v1.checkout.sessions.create_async(session_params(**changes))


async def pay(
    payer: httpx2.AsyncClient, session: Session, number: str = GOOD, **fields: str
) -> httpx2.Response:
    form = {"card_number": number, "expiry": "12/34", "cvc": "123", "action": "pay"}
    return await payer.post(f"/c/pay/{session.id}", data=form | fields)


async def act(
    payer: httpx2.AsyncClient, session: Session, action: str
) -> httpx2.Response:
    return await payer.post(f"/c/pay/{session.id}", data={"action": action})


async def sell(
    client: stripe.StripeClient, payer: httpx2.AsyncClient, number: str = GOOD
) -> str:
    """A paid Checkout; returns its PaymentIntent's id."""
    session = await start_checkout(client)
    assert (await pay(payer, session, number)).status_code == 303
    session = await client.v1.checkout.sessions.retrieve_async(session.id)
    assert isinstance(session.payment_intent, str)
    return session.payment_intent
