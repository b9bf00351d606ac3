"""The marketplace as its people and its operators see it, for tests of whole flows."""

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import httpx2

from local import seeds
from local.demo.client import Json, Person, attached_calendar, call, until
from local.demo.walk import Walk
from local.doors import free_base
from local.house import House
from local.settings import LocalSettings
from local.stripe.double import Double
from local.stripe.faults import WEBHOOK, Fault
from tests.flows.on_servers import ServerHouse, migrated_databases
from tests.servers.rabbitmq import create_vhost, delete_vhost

H = TypeVar("H", bound=House)

AUTHENTICATED = "4000 0025 0000 3155"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Market:
    """A running marketplace. Each test brings people of its own, as a `Walk`."""

    gateway: httpx2.AsyncClient
    mailbox: httpx2.AsyncClient
    stripe: httpx2.AsyncClient

    async def advance(self, by: timedelta) -> datetime:
        """Move time for everybody; return the new now, when its ticks are handled."""
        seconds = int(by.total_seconds())
        if not seconds:
            answer = await call(self.gateway, "GET", "/local/clock")
        else:
            body = {"advance_seconds": seconds}
            answer = await call(self.gateway, "POST", "/local/clock", json=body)
        return datetime.fromisoformat(answer["now"])

    async def idle(self) -> None:
        """Return once no event, mail, refund or webhook is under way any more."""
        await call(self.gateway, "GET", "/local/idle")

    def walk(self) -> Walk:
        """People that nobody else knows."""
        return Walk(self.gateway, self.mailbox, self.advance)

    async def open_shop(self) -> tuple[Walk, list[Json]]:
        """A verified coach, a student, and the slots that the student sees."""
        walk = self.walk()
        await walk.a_coach_opens_shop()
        await walk.an_admin_verifies()
        return walk, await walk.a_student_finds_a_slot()

    async def fault(self, operation: str, kind: Fault, times: int = 1) -> None:
        order = {"operation": operation, "kind": kind, "times": times}
        (await self.stripe.post("/_double/faults", json=order)).raise_for_status()

    async def forget_faults(self) -> None:
        (await self.stripe.delete("/_double/faults")).raise_for_status()

    @asynccontextmanager
    async def all_webhooks(self, kind: Fault) -> AsyncIterator[None]:
        """Every webhook suffers this fault while the block lasts, and none after it."""
        await self.fault(WEBHOOK, kind, 1_000)
        try:
            yield
        finally:
            await self.forget_faults()

    async def session(self, walk: Walk, session: Json, status: str) -> Json:
        """The session, once its student sees it in this status."""
        return dict(
            await until(
                f"a session that is {status}",
                lambda: walk.student.get(f"/v1/sessions/{session['id']}"),
                lambda seen: seen["status"] == status,
            )
        )

    async def calendar_mails(self, person: Person, method: str) -> list[Json]:
        """All mails to a person whose calendar entry has this METHOD."""
        response = await self.mailbox.get("/api/messages", params={"to": person.email})
        return [
            mail
            for mail in response.raise_for_status().json()
            if mail["attachments"] and method in attached_calendar(mail)
        ]

    async def pages_at_stripe(self, payment_id: str) -> list[Json]:
        """The Checkout Sessions that were opened for one of our payments."""
        pages = await self._listed("/v1/checkout/sessions")
        return [
            each for each in pages if each["metadata"].get("payment_id") == payment_id
        ]

    async def refunds_at_stripe(self, payment_id: str | None = None) -> list[Json]:
        """The refunds that Stripe made, of one of our payments or of all."""
        refunds = await self._listed("/v1/refunds")
        return [
            each
            for each in refunds
            if payment_id in (None, each["metadata"].get("payment_id"))
        ]

    async def _listed(self, path: str) -> list[Json]:
        found: list[Json] = []
        more = True
        while more:
            after = {"starting_after": found[-1]["id"]} if found else {}
            response = await self.stripe.get(path, params={"limit": 100} | after)
            page = response.raise_for_status().json()
            found += page["data"]
            more = page["has_more"]
        return found


@dataclass(frozen=True)
class HouseMarket(Market, Generic[H]):
    """A marketplace in this process, with its inside open to the test."""

    house: H

    @property
    def double(self) -> Double:
        double: Double = self.house.double.state.double
        return double

    async def webhooks_were_tried(self) -> None:
        """Return once each webhook on its way has been sent, in vain, once more."""
        far = time.time() + 3_600
        deliveries = self.double.store.deliveries
        before = {each.seq: each.attempts for each in deliveries(far)}

        async def tried() -> bool:
            waiting = deliveries(far)
            return bool(waiting) and all(
                each.attempts > before.get(each.seq, 0) for each in waiting
            )

        await until("webhooks sent in vain", tried)


@asynccontextmanager
async def on_servers(
    postgres_url: str, rabbitmq: tuple[str, str | None]
) -> AsyncIterator[HouseMarket[ServerHouse]]:
    """All services on real servers; nothing may have died or be left to do at the end."""
    async with migrated_databases(postgres_url) as urls:
        with own_vhost(*rabbitmq) as amqp_url:
            settings = LocalSettings(port_base=free_base())
            house = ServerHouse(settings, urls, amqp_url)
            async with opened(house) as market:
                yield market
                await house.idle()
                assert await house.dead() == {}


@contextmanager
def own_vhost(amqp_url: str, management_url: str | None) -> Iterator[str]:
    """An empty vhost; the given one where no management API can make others."""
    if management_url is None:
        yield amqp_url
        return
    name = f"test-{secrets.token_hex(6)}"
    create_vhost(management_url, name)
    try:
        yield f"{amqp_url.rpartition('/')[0]}/{name}"
    finally:
        delete_vhost(management_url, name)


@asynccontextmanager
async def in_process() -> AsyncIterator[HouseMarket[House]]:
    """The house as it runs on a laptop, with its own database and bus."""
    house = House(LocalSettings(port_base=free_base()), kept=False)
    async with opened(house) as market:
        yield market


@asynccontextmanager
async def opened(house: H) -> AsyncIterator[HouseMarket[H]]:
    settings = house.settings
    key = {"Authorization": f"Bearer {house.keys.stripe_api}"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(house.open())
        await seeds.basics(house)

        async def client(url: str, headers: dict[str, str]) -> httpx2.AsyncClient:
            http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT)
            return await stack.enter_async_context(http)

        yield HouseMarket(
            await client(settings.gateway_url, {}),
            await client(settings.mailbox_url, {}),
            await client(settings.stripe_url, key),
            house,
        )
