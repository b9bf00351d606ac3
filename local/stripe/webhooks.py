"""Events on their way: signed, retried, now and then maltreated by a fault.

All of it follows real time, as the receiver's check of the signature does.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import structlog

from local.stripe.faults import OF_WEBHOOKS, WEBHOOK, Fault, Faults
from local.stripe.settings import DoubleSettings
from local.stripe.store import Delivery, Store

log = structlog.get_logger()

AT_ONCE = 16
POLL = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
GIVEN_UP_AFTER = 3 * 24 * 60 * 60
ANSWER_WITHIN = 10.0
DELAY = 2.0
"""Seconds by which `delay` is late, and for which `reorder` waits for another event."""

AHEAD = 60 * 60


class Webhooks:
    """Sends what the store holds for delivery; nothing is lost when it is stopped."""

    def __init__(self, settings: DoubleSettings, store: Store, faults: Faults) -> None:
        self._settings = settings
        self._store = store
        self._faults = faults
        self._wake = asyncio.Event()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._arrival = asyncio.Event()

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            starter = asyncio.create_task(self._start_what_is_due(http))
            try:
                yield
            finally:
                tasks = [starter, *self._sending.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_what_is_due(self, http: aiohttp.ClientSession) -> None:
        while True:
            self._wake.clear()
            for delivery in self._store.deliveries(time.time()):
                if len(self._sending) < AT_ONCE and delivery.seq not in self._sending:
                    self._sending[delivery.seq] = asyncio.create_task(
                        self._deliver(http, delivery)
                    )
            await _either(self._wake, POLL)

    async def _deliver(self, http: aiohttp.ClientSession, delivery: Delivery) -> None:
        try:
            arrived = await self._attempt(http, delivery)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("stripe.webhook_not_delivered", error=repr(error))
            arrived = False
        finally:
            del self._sending[delivery.seq]
        with self._store.transaction():
            self._settle(delivery, arrived=arrived)
        self._wake.set()
        if arrived:
            self._arrival.set()
            self._arrival = asyncio.Event()

    def _settle(self, delivery: Delivery, *, arrived: bool) -> None:
        now = time.time()
        if arrived:
            event = self._store.get("event", delivery.event)
            assert event is not None
            event.body["pending_webhooks"] = 0
            self._store.put(event)
        if arrived or now - delivery.first_at > GIVEN_UP_AFTER:
            self._store.delivered(delivery.seq)
        else:
            self._store.retry(delivery.seq, now + pause_after(delivery.attempts))

    async def _attempt(self, http: aiohttp.ClientSession, delivery: Delivery) -> bool:
        """Send it once; True when the receiver took it."""
        event = self._store.get("event", delivery.event)
        assert event is not None
        body = json.dumps(event.body).encode()
        fault = self._faults.take(WEBHOOK, OF_WEBHOOKS)
        match fault:
            case Fault.DROP:
                return False
            case Fault.DELAY:
                await asyncio.sleep(DELAY)
            case Fault.REORDER:
                await _either(self._arrival, DELAY)
        copies = 2 if fault is Fault.DUPLICATE else 1
        signature = self._signature(body, fault)
        sent = (self._send(http, body, signature) for _ in range(copies))
        return all(await asyncio.gather(*sent))

    async def _send(
        self, http: aiohttp.ClientSession, body: bytes, signature: str
    ) -> bool:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
        }
        async with http.post(
            self._settings.webhook_url,
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            return 200 <= response.status < 300

    def _signature(self, body: bytes, fault: Fault | None) -> str:
        secret = self._settings.webhook_secret
        if fault is Fault.FORGE:
            secret += "-forged"
        at = int(time.time()) + (AHEAD if fault is Fault.FUTURE else 0)
        return sign(body, secret, at)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event or for so long.

    Not with `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that
    meets the event, and whoever stops us would wait for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def sign(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header (scheme v1) for exactly these bytes."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


def pause_after(attempts: int) -> float:
    """Seconds until the next attempt, when `attempts` failed before this one."""
    return float(min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE))
