import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from pydantic import ValidationError

from services.notifications.app import SENDERS
from services.notifications.events import handlers
from services.notifications.settings import NotificationsSettings
from shared.broker import declare_topology, events_exchange, make_broker
from shared.contracts import Event
from shared.service import backlog
from tests.notifications.given import (
    ADA,
    KIM,
    World,
    a_user,
    a_world,
    cancelled,
    confirmed,
    to_verify,
)


async def test_mails_go_out_by_themselves_through_real_servers(
    database: Callable[[str], Awaitable[str]], amqp_vhost: str
) -> None:
    """Handlers and senders together, as the process runs them."""
    seat = confirmed()
    others = make_broker(amqp_vhost)
    async with a_world(await database("notifications"), amqp_vhost) as world, others:
        await declare_topology(others, handlers)

        async def say(*events: Event) -> None:
            for event in events:
                await others.publish(
                    event,
                    exchange=events_exchange(),
                    routing_key=event.name,
                    persist=True,
                )

        async with world.app.router.lifespan_context(world.app):
            await say(to_verify(), seat, a_user(KIM), a_user(ADA))
            await arrived(world, 3)
            await say(cancelled(seat), seat, a_user(ADA), a_user(KIM))
            await arrived(world, 5)
            assert (await backlog(world.app.state.parts))["mails"] == 0

    assert len(world.app.state.parts.workers) == SENDERS + 1


async def arrived(world: World, count: int) -> None:
    async with asyncio.timeout(20):
        while len(world.store.messages()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        while (await backlog(world.app.state.parts))["mails"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert len(world.store.messages()) == count


async def test_it_says_that_it_lives(world: World) -> None:
    transport = httpx2.ASGITransport(world.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.get("/health/live")
        elsewhere = await client.get("/v1/notifications")

    assert answer.status_code == 200
    assert elsewhere.status_code == 404
    assert elsewhere.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("missing", ["SMTP_HOST", "PUBLIC_URL", "DATABASE_URL"])
def test_it_does_not_start_without_what_it_needs(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = {
        "SMTP_HOST": "smtp.example",
        "PUBLIC_URL": "https://play.example",
        "DATABASE_URL": "postgresql+asyncpg://x",
        "AMQP_URL": "amqp://x",
    }
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    assert NotificationsSettings().smtp_host == "smtp.example"

    monkeypatch.delenv(missing)

    with pytest.raises(ValidationError, match=missing.lower()):
        NotificationsSettings()
