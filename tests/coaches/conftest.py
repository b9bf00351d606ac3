from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from faststream.rabbit import RabbitBroker
from pydantic import SecretStr

from services.coaches.app import create_app
from services.coaches.settings import CoachesSettings
from shared.db import engine_of
from tests.coaches.given import Service
from tests.given import FixedClock, a_verifier


@pytest.fixture
async def service(
    database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[Service]:
    settings = CoachesSettings(
        database_url=SecretStr(await database("coaches")),
        amqp_url=SecretStr("amqp://nowhere"),
    )
    clock = FixedClock()
    app = create_app(
        settings, broker=RabbitBroker(), clock=clock, verifier=a_verifier()
    )
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://coaches"
    ) as http:
        yield Service(app, http, clock)
    await engine_of(app.state.sessions).dispose()
