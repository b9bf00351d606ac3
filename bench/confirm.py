"""From Stripe's webhook to a confirmed seat and to the promise of its mails.

Payments, booking and notifications each run in a process of their own on PostgreSQL and
RabbitMQ; one signed webhook at a time is posted. A trigger in the databases tells when
each row is committed, so that nobody polls. The floor goes the same way with bare
hands: three commits over asyncpg with two confirmed messages in between.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import aio_pika
import asyncpg
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from bench.effort import Effort, interleaved
from bench.figures import Figure, ratio, slowest, typical
from bench.load import Connection, connected, request
from bench.relay import a_queue
from bench.servers import Servers, database, declare, ready, service
from bench.stock import CURRENCY, PRICE, Sale, a_coach, sell
from local.postgres import connect
from local.processes import free_port
from local.stripe.webhooks import sign
from services.booking.events import handlers as booking_handlers
from services.notifications.events import handlers as notifications_handlers
from services.payments.events import handlers as payments_handlers
from shared.ids import new_id

SECRET = "whsec_bench"  # noqa: S105 - signs nothing but this
WEBHOOK = "/payments/webhook/"
PATIENCE = 30.0
NAMES = ("payments", "booking", "notifications")

TELL = """
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_notify('bench', NEW.{key}::text); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER {when} ON {table} FOR EACH ROW
    WHEN ({condition}) EXECUTE FUNCTION tell()
"""
CONFIRMED = TELL.format(
    key="id",
    when="UPDATE OF status",
    table="seats",
    condition="NEW.status = 'confirmed'",
)
PROMISED = TELL.format(
    key="subject_id",
    when="INSERT",
    table="deliveries",
    condition="NEW.kind = 'booking_confirmed'",
)
PAYABLE = """
    INSERT INTO payables (seat_id, session_id, coach_id, student_id, kind, starts_at,
                          ends_at, amount, currency, fee_percent, hold_expires_at)
    VALUES ($1, $2, $3, $4, 'individual', $5, $6, $7, $8, 15, $9)
"""
PAYMENT = """
    WITH opened AS (
        INSERT INTO payments (id, seat_id, student_id, status, amount, currency,
                              attempt, checkout_id, expires_at, received, promised,
                              refunded, created_at)
        VALUES ($1, $2, $3, 'pending', $4, $5, 1, 'cs_bench', $6, 0, 0, 0, now())
        RETURNING id, seat_id, amount
    )
    INSERT INTO shares (payment_id, seat_id, amount, received, promised)
    SELECT id, seat_id, amount, 0, 0 FROM opened
"""
FLOOR = "CREATE TABLE floor (hop text, id uuid, body bytea, PRIMARY KEY (hop, id))"
HOP = "INSERT INTO floor VALUES ($1, $2, $3)"
PAYLOAD = b"x" * 500


@dataclass
class Arrivals:
    """When something was seen in a database, by its id."""

    seen: dict[str, asyncio.Future[float]] = field(default_factory=dict)

    def of(self, subject: str) -> asyncio.Future[float]:
        loop = asyncio.get_running_loop()
        return self.seen.setdefault(subject, loop.create_future())

    def told(self, *arguments: Any) -> None:
        """A listener of asyncpg; one about both sides of a session comes twice."""
        self.note(str(arguments[-1]))

    def note(self, subject: str) -> None:
        arrival = self.of(subject)
        if not arrival.done():
            arrival.set_result(perf_counter())


@dataclass
class Times:
    """Milliseconds from the start to each of the two ends, one pair of values a go."""

    confirmed: list[float] = field(default_factory=list)
    promised: list[float] = field(default_factory=list)

    async def note(
        self, began: float, arrivals: tuple[Arrivals, Arrivals], subject: str
    ) -> None:
        for values, ends in zip((self.confirmed, self.promised), arrivals, strict=True):
            async with asyncio.timeout(PATIENCE):
                values.append((await ends.of(subject) - began) * 1000)


@dataclass(frozen=True)
class Shop:
    """The three services, with seats that wait for their money."""

    http: Connection
    booking: asyncpg.Connection
    payments: asyncpg.Connection
    arrivals: tuple[Arrivals, Arrivals] = field(
        default_factory=lambda: (Arrivals(), Arrivals())
    )

    async def webhook(self, times: Times, seat: asyncpg.Record, payment: UUID) -> None:
        asked = a_webhook(seat, payment)
        began = perf_counter()
        status, _ = await self.http.ask(asked)
        if status != 200:
            raise RuntimeError(f"the webhook was answered {status}")
        await times.note(began, self.arrivals, str(seat["id"]))

    async def held_seats(self, count: int) -> list[tuple[asyncpg.Record, UUID]]:
        """Seats with the payments that are open for them."""
        until = datetime.now(UTC) + timedelta(minutes=30)
        coach_id = await a_coach(self.booking, "UTC", "09:00")
        sale = Sale(until + timedelta(days=2), timedelta(hours=2), count)
        seats = await sell(self.booking, coach_id, sale, "held", until)
        return [(seat, await self._payment(coach_id, seat, until)) for seat in seats]

    async def _payment(
        self, coach_id: UUID, seat: asyncpg.Record, until: datetime
    ) -> UUID:
        payment_id = new_id()
        ids = seat["id"], seat["session_id"]
        when = seat["starts_at"], seat["ends_at"]
        money = PRICE, CURRENCY
        await self.payments.execute(
            PAYABLE, *ids, coach_id, seat["student_id"], *when, *money, until
        )
        await self.payments.execute(
            PAYMENT, payment_id, seat["id"], seat["student_id"], *money, until
        )
        return payment_id


def a_webhook(seat: asyncpg.Record, payment_id: UUID) -> bytes:
    """Checkout is paid, as Stripe tells it, signed."""
    session = {
        "id": "cs_bench",
        "object": "checkout.session",
        "payment_status": "paid",
        "payment_intent": f"pi_{payment_id.hex}",
        "amount_total": PRICE,
        "currency": CURRENCY.lower(),
        "metadata": {
            "payment_id": str(payment_id),
            "seat_id": str(seat["id"]),
            "attempt": "1",
        },
    }
    event = {
        "id": f"evt_{new_id().hex}",
        "object": "event",
        "type": "checkout.session.completed",
        "data": {"object": session},
    }
    body = json.dumps(event).encode()
    signature = sign(body, SECRET, int(time.time()))
    return request("POST", WEBHOOK, {"Stripe-Signature": signature}, body)


@asynccontextmanager
async def a_shop(servers: Servers) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        ports, connections = {}, {}
        await declare(
            servers.amqp, payments_handlers, booking_handlers, notifications_handlers
        )
        for name in NAMES:
            url = await stack.enter_async_context(
                database(servers.postgres, f"services.{name}")
            )
            plain = url.replace("postgresql+asyncpg://", "postgresql://")
            connections[name] = await stack.enter_async_context(connect(plain))
            ports[name] = free_port()
            started = service(name, ports[name], url, **_environment(servers.amqp))
            stack.enter_context(started)
        await ready(*ports.values())
        [http] = await stack.enter_async_context(connected(ports["payments"], 1))
        shop = Shop(http, connections["booking"], connections["payments"])
        confirmed, promised = shop.arrivals
        await connections["booking"].execute(CONFIRMED)
        await connections["booking"].add_listener("bench", confirmed.told)
        await connections["notifications"].execute(PROMISED)
        await connections["notifications"].add_listener("bench", promised.told)
        yield shop


def _environment(amqp_url: str) -> dict[str, str]:
    nowhere = "http://127.0.0.1:1"
    return {
        "AMQP_URL": amqp_url,
        "STRIPE_API_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_API_BASE": nowhere,
        "CHECKOUT_SUCCESS_URL": nowhere,
        "CHECKOUT_CANCEL_URL": nowhere,
        "PUBLIC_URL": nowhere,
        "SMTP_HOST": "127.0.0.1",
    }


@dataclass(frozen=True)
class Relay:
    """The same way by hand: commit, message, commit, message, commit."""

    pool: asyncpg.Pool
    exchange: AbstractExchange
    arrivals: tuple[Arrivals, Arrivals] = field(
        default_factory=lambda: (Arrivals(), Arrivals())
    )

    async def pay(self, times: Times) -> None:
        subject, began = new_id(), perf_counter()
        await self._hop("paid", subject)
        await self._say("floor.paid", subject)
        await times.note(began, self.arrivals, str(subject))

    async def on_paid(self, message: AbstractIncomingMessage) -> None:
        subject = UUID(message.message_id)
        await self._hop("confirmed", subject)
        self.arrivals[0].note(str(subject))
        await self._say("floor.confirmed", subject)
        await message.ack()

    async def on_confirmed(self, message: AbstractIncomingMessage) -> None:
        subject = UUID(message.message_id)
        await self._hop("promised", subject)
        self.arrivals[1].note(str(subject))
        await message.ack()

    async def _hop(self, hop: str, subject: UUID) -> None:
        await self.pool.execute(HOP, hop, subject, PAYLOAD)

    async def _say(self, name: str, subject: UUID) -> None:
        message = aio_pika.Message(
            PAYLOAD,
            message_id=str(subject),
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self.exchange.publish(message, name)


@asynccontextmanager
async def a_relay(servers: Servers) -> AsyncIterator[Relay]:
    async with (
        database(servers.postgres, "services.booking") as url,
        asyncpg.create_pool(
            url.replace("postgresql+asyncpg://", "postgresql://"), min_size=3
        ) as pool,
        await aio_pika.connect(servers.amqp) as connection,
    ):
        await pool.execute(FLOOR)
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("events")
        relay = Relay(pool, exchange)
        paid = await a_queue(channel, "bench.paid", "floor.paid")
        confirmed = await a_queue(channel, "bench.confirmed", "floor.confirmed")
        await paid.consume(relay.on_paid)
        await confirmed.consume(relay.on_confirmed)
        yield relay


async def measure(servers: Servers, effort: Effort) -> list[Figure]:
    async with a_shop(servers) as shop, a_relay(servers) as relay:
        ours, floor = Times(), Times()
        medians = Times(), Times()

        async def services() -> float:
            for seat, payment in await shop.held_seats(effort.webhooks):
                await shop.webhook(ours, seat, payment)
            return _latest(ours, medians[0], effort.webhooks)

        async def by_hand() -> float:
            for _ in range(effort.webhooks):
                await relay.pay(floor)
            return _latest(floor, medians[1], effort.webhooks)

        both: dict[str, Callable[[], Awaitable[float]]] = {
            "services": services,
            "by hand": by_hand,
        }
        await interleaved(1, both)
        for times in (ours, floor, *medians):
            times.confirmed.clear()
            times.promised.clear()
        await interleaved(effort.pairs, both)
    return _figures(ours, floor, medians)


def _latest(times: Times, medians: Times, count: int) -> float:
    """Keep the medians of this go; answers the one to the promise of the mails."""
    medians.confirmed.append(slowest(times.confirmed[-count:], 0.5))
    medians.promised.append(slowest(times.promised[-count:], 0.5))
    return medians.promised[-1]


def _figures(ours: Times, floor: Times, medians: tuple[Times, Times]) -> list[Figure]:
    figures = []
    for label, times, each in (
        ("services", ours, medians[0]),
        ("by hand", floor, medians[1]),
    ):
        for end in ("confirmed", "promised"):
            name = f"webhook to {_LABELS[end]}, {label}"
            figures.append(typical(name, getattr(each, end), "ms p50"))
            figures.append(Figure(name, slowest(getattr(times, end)), "ms p99"))
    for end, label in _LABELS.items():
        raw = {
            "services": getattr(medians[0], end),
            "by hand": getattr(medians[1], end),
        }
        figures.append(ratio(f"services : by hand, to {label}", raw))
    return figures


_LABELS = {"confirmed": "the seat confirmed", "promised": "the mails promised"}
