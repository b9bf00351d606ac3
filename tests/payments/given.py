"""The payments service beside Stripe's double, and the world around the two."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
from fastapi import FastAPI, Request
from faststream.rabbit import RabbitBroker, TestRabbitBroker
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col, select
from starlette.responses import Response

from local.stripe.app import create_app as create_double
from local.stripe.double import Double
from local.stripe.settings import DoubleSettings
from local.stripe.webhooks import sign
from services.payments.actions import checkout, refunds
from services.payments.app import create_app
from services.payments.clients import Stripe
from services.payments.models import Payment, Refund
from services.payments.settings import PaymentsSettings
from shared.contracts import Event, Money
from shared.contracts.booking import (
    PaymentRefusedV1,
    RefundTerms,
    SeatCancelledV1,
    SeatExpiredV1,
    SeatHeldV1,
    SeatResoldV1,
)
from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from shared.db import Sessions
from shared.ids import new_id
from tests.given import NOW, FixedClock, a_verifier, bearer, deliver, published
from tests.serving import served

SECRET = "whsec_test"
WEBHOOK = "/payments/webhook/"
HOLD = timedelta(minutes=15)

GOOD = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
REFUNDS_LATER = "4000 0000 0000 7726"
REFUND_FAILS = "4000 0000 0000 5126"


def a_seat_held(**changes: Any) -> SeatHeldV1:
    start = NOW + timedelta(days=3)
    values: dict[str, Any] = {
        "occurred_at": NOW,
        "seat_id": new_id(),
        "session_id": new_id(),
        "coach_id": new_id(),
        "student_id": new_id(),
        "start": start,
        "end": start + timedelta(hours=1),
        "kind": "individual",
        "price": Money(amount=4999, currency="EUR"),
        "fee_percent": 15,
        "hold_expires_at": NOW + HOLD,
    }
    return SeatHeldV1(**values | changes)


def a_series(*prices: int) -> list[SeatHeldV1]:
    """Weekly seats of these prices, booked together."""
    student_id, series_id, start = new_id(), new_id(), NOW + timedelta(days=3)
    return [
        a_seat_held(
            student_id=student_id,
            series_id=series_id,
            series_size=len(prices),
            start=start + timedelta(weeks=week),
            end=start + timedelta(weeks=week, hours=1),
            price=Money(amount=price, currency="EUR"),
        )
        for week, price in enumerate(prices)
    ]


def expired(seat: SeatHeldV1) -> SeatExpiredV1:
    return SeatExpiredV1(occurred_at=NOW, seat_id=seat.seat_id)


def cancelled(seat: SeatHeldV1, refund: int | None = None) -> SeatCancelledV1:
    terms = None
    if refund is not None:
        terms = RefundTerms(amount=refund, currency="EUR", percent=50, rule="24 h")
    return SeatCancelledV1(
        occurred_at=NOW,
        seat_id=seat.seat_id,
        session_id=seat.session_id,
        coach_id=seat.coach_id,
        student_id=seat.student_id,
        start=seat.start,
        end=seat.end,
        game=None,
        kind="individual",
        was="confirmed" if refund else "held",
        by="student",
        reason=None,
        refund=terms,
        credit="none",
        sequence=1,
    )


def resold(seat: SeatHeldV1, refund: int) -> SeatResoldV1:
    return SeatResoldV1(
        occurred_at=NOW,
        seat_id=seat.seat_id,
        session_id=seat.session_id,
        coach_id=seat.coach_id,
        student_id=seat.student_id,
        start=seat.start,
        end=seat.end,
        game=None,
        kind="individual",
        refund=RefundTerms(amount=refund, currency="EUR", percent=100, rule="resale"),
    )


def refused(seat: SeatHeldV1, payment_id: str) -> PaymentRefusedV1:
    return PaymentRefusedV1(
        occurred_at=NOW,
        seat_id=seat.seat_id,
        payment_id=UUID(payment_id),
        reason="slot taken",
    )


@dataclass
class Post:
    """Where the double sends its webhooks: kept, and passed on when `forwards`."""

    kept: list[bytes] = field(default_factory=list)
    forwards: httpx2.AsyncClient | None = None

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post(WEBHOOK)
        async def take(request: Request) -> Response:
            body = await request.body()
            self.kept.append(body)
            if self.forwards is None:
                return Response()
            headers = {"Stripe-Signature": request.headers["Stripe-Signature"]}
            answer = await self.forwards.post(WEBHOOK, content=body, headers=headers)
            return Response(answer.content, answer.status_code)

        return app


@dataclass
class World:
    """The service under test, called as clients, Stripe, booking and time would."""

    app: FastAPI
    client: httpx2.AsyncClient
    stripe: httpx2.AsyncClient
    double: Double
    post: Post
    clock: FixedClock

    @property
    def sessions(self) -> Sessions:
        sessions: Sessions = self.app.state.sessions
        return sessions

    @property
    def vendor(self) -> Stripe:
        vendor: Stripe = self.app.state.stripe
        return vendor

    async def hear(self, *events: Event) -> None:
        await deliver(self.app.state.parts.broker, *events)

    async def ask_to_pay(self, seat: SeatHeldV1, **headers: str) -> httpx2.Response:
        return await self.client.post(
            "/v1/payments",
            json={"session_id": str(seat.session_id)},
            headers=bearer(seat.student_id, "student") | headers,
        )

    async def ask_to_pay_series(
        self, seats: list[SeatHeldV1], **headers: str
    ) -> httpx2.Response:
        return await self.client.post(
            "/v1/payments",
            json={"series_id": str(seats[0].series_id)},
            headers=bearer(seats[0].student_id, "student") | headers,
        )

    async def open_series(self, seats: list[SeatHeldV1]) -> dict[str, Any]:
        """A page on which the student may pay all of them."""
        await self.hear(*seats)
        response = await self.ask_to_pay_series(seats)
        assert response.status_code == 201, response.text
        payment: dict[str, Any] = response.json()
        return payment

    async def paid_series(self, seats: list[SeatHeldV1]) -> dict[str, Any]:
        payment = await self.open_series(seats)
        assert await self.use_card(payment) == 303
        await self.deliver()
        return await self.show(payment, seats[0].student_id)

    async def open_payment(self, seat: SeatHeldV1) -> dict[str, Any]:
        """A page that the student may pay on."""
        await self.hear(seat)
        response = await self.ask_to_pay(seat)
        assert response.status_code == 201, response.text
        payment: dict[str, Any] = response.json()
        return payment

    async def use_card(self, payment: dict[str, Any], number: str = GOOD) -> int:
        form = {"card_number": number, "expiry": "12/34", "cvc": "123", "action": "pay"}
        path = urlsplit(payment["checkout_url"]).path
        return (await self.stripe.post(path, data=form)).status_code

    async def paid(self, seat: SeatHeldV1, number: str = GOOD) -> dict[str, Any]:
        """A payment that succeeded, as everybody has heard."""
        payment = await self.open_payment(seat)
        assert await self.use_card(payment, number) == 303
        await self.deliver()
        return await self.show(payment, seat.student_id)

    async def show(self, payment: dict[str, Any], student_id: UUID) -> dict[str, Any]:
        response = await self.client.get(
            f"/v1/payments/{payment['id']}", headers=bearer(student_id, "student")
        )
        assert response.status_code == 200, response.text
        shown: dict[str, Any] = response.json()
        return shown

    async def sent_by_stripe(self) -> list[bytes]:
        """The events the double has made and not handed out here before."""
        async with asyncio.timeout(10):
            while self.double.store.undelivered():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        kept, self.post.kept = self.post.kept, []
        return kept

    async def deliver(self, *bodies: bytes) -> None:
        """These webhooks in this order; without any, all that Stripe has to say."""
        for body in bodies or await self.sent_by_stripe():
            assert (await self.webhook(body)).status_code == 200

    async def webhook(
        self, body: bytes, *, secret: str = SECRET, ahead: float = 0
    ) -> httpx2.Response:
        signature = sign(body, secret, int(time.time() + ahead))
        return await self.client.post(
            WEBHOOK, content=body, headers={"Stripe-Signature": signature}
        )

    async def fault(self, operation: str, kind: str, times: int = 1) -> None:
        order = {"operation": operation, "kind": kind, "times": times}
        response = await self.stripe.post("/_double/faults", json=order)
        assert response.status_code == 201, response.text

    async def asked(self, operation: str) -> list[dict[str, Any]]:
        """What Stripe was asked of this kind, oldest first."""
        response = await self.stripe.get("/_double/requests", params={"limit": 100})
        calls = response.json()["items"]
        return [call for call in calls if call["operation"] == operation][::-1]

    async def work(self) -> None:
        """What the workers do once every delay is over, until nothing is due."""
        for _ in range(10):
            await self.skip_delays()
            if not await self.step():
                return
        raise AssertionError("the workers never come to an end")

    async def step(self) -> int:
        """What the workers do now."""
        return await checkout.attend_to_due(
            self.sessions, self.vendor, self.clock
        ) + await refunds.send_due(self.sessions, self.vendor, self.clock)

    async def skip_delays(self) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self.sessions.begin() as session:
            for kind in (Payment, Refund):
                await session.exec(
                    update(kind)
                    .where(col(kind.due_at).is_not(None))
                    .values(due_at=past)
                )

    async def announced(self, *but: str) -> list[str]:
        return [
            event.name
            for event in await published(self.sessions)
            if event.name not in but
        ]

    async def payments(self) -> list[Payment]:
        async with self.sessions() as session:
            return list(await session.exec(select(Payment).order_by(col(Payment.id))))

    async def money_back(self) -> list[Event]:
        """What was announced of refunds."""
        return [
            event
            for event in await published(self.sessions)
            if isinstance(event, PaymentRefundedV1 | RefundFailedV1)
        ]

    async def amount_back_at_stripe(self) -> int:
        """Of the one payment there is, in minor units, by Stripe's account."""
        [payment] = await self.payments()
        listed = await self.stripe.get(
            "/v1/refunds",
            params={"payment_intent": payment.intent_id or ""},
            headers={"Authorization": "Bearer sk_test_x"},
        )
        return sum(each["amount"] for each in listed.json()["data"])

    async def refunds(self) -> list[Refund]:
        async with self.sessions() as session:
            return list(await session.exec(select(Refund).order_by(col(Refund.id))))


@asynccontextmanager
async def a_world(
    database_url: str, amqp_url: str | None = None
) -> AsyncIterator[World]:
    """The service on a fresh database, and a double of its own, both really served."""
    clock, post = FixedClock(), Post()
    async with served(post.app()) as post_url:
        double = create_double(
            DoubleSettings(
                webhook_url=post_url + WEBHOOK,
                webhook_secret=SECRET,
                public_url="https://checkout.example",
                stall_seconds=1,
            ),
            clock,
        )
        async with served(double) as double_url:
            app = create_app(
                settings(database_url, double_url, amqp_url or "amqp://nowhere"),
                broker=None if amqp_url else RabbitBroker(),
                clock=clock,
                verifier=a_verifier(),
            )
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            async with (
                AsyncExitStack() as stack,
                app.state.stripe,
                httpx2.AsyncClient(transport=transport, base_url="http://t") as client,
                httpx2.AsyncClient(base_url=double_url) as stripe,
            ):
                if not amqp_url:
                    await stack.enter_async_context(
                        TestRabbitBroker(app.state.parts.broker)
                    )
                yield World(app, client, stripe, double.state.double, post, clock)
            await app.state.sessions.kw["bind"].dispose()


def settings(database_url: str, stripe_url: str, amqp_url: str) -> PaymentsSettings:
    return PaymentsSettings(
        environment="local",
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(amqp_url),
        stripe_api_key=SecretStr("sk_test_payments"),
        stripe_webhook_secret=SecretStr(SECRET),
        stripe_api_base=stripe_url,
        checkout_success_url="https://shop.example/paid/{CHECKOUT_SESSION_ID}",
        checkout_cancel_url="https://shop.example/cancelled",
    )


def kind_of(body: bytes) -> str:
    kind: str = json.loads(body)["type"]
    return kind


def renamed(body: bytes) -> bytes:
    """The same news under another event id, as Stripe may send it."""
    event = json.loads(body)
    return json.dumps(event | {"id": f"evt_{new_id().hex}"}).encode()


def later(at: datetime, **delta: float) -> str:
    return (at + timedelta(**delta)).isoformat().removesuffix("+00:00") + "Z"
