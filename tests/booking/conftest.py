from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from faststream.rabbit import RabbitBroker, TestRabbitBroker
from pydantic import SecretStr

from services.booking.app import create_app
from services.booking.settings import BookingSettings
from shared.db import engine_of
from tests.booking.given import Service
from tests.given import FixedClock, a_verifier


@pytest.fixture
async def service(
    database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[Service]:
    """Booking on a fresh database, without a broker and without its workers."""
    async with opened(await database("booking")) as service:
        yield service


@asynccontextmanager
async def opened(url: str, **settings_of_a_test: Any) -> AsyncIterator[Service]:
    """Booking on this database, and told this besides."""
    settings = BookingSettings(
        database_url=SecretStr(url),
        amqp_url=SecretStr("amqp://nowhere"),
        meeting_hosts=("meet.example",),
        **settings_of_a_test,
    )
    clock = FixedClock()
    app = create_app(
        settings, broker=RabbitBroker(), clock=clock, verifier=a_verifier()
    )
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        TestRabbitBroker(app.state.parts.broker),
        httpx2.AsyncClient(transport=transport, base_url="http://booking") as http,
    ):
        yield Service(app, http, clock)
    for resource in app.state.parts.resources:
        await resource.__aexit__(None, None, None)
    await engine_of(app.state.sessions).dispose()
