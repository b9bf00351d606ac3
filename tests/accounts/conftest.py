from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.accounts.app import create_app
from services.accounts.clients import new_signing_key
from services.accounts.settings import AccountsSettings
from shared import db
from shared.db import Sessions
from tests.given import FixedClock

Database = Callable[[str], Awaitable[str]]


def settings_for(database_url: str, **changes: Any) -> AccountsSettings:
    return AccountsSettings.model_validate(
        {
            "environment": "local",
            "database_url": database_url,
            "amqp_url": "amqp://nowhere",
            "signing_keys": [new_signing_key()],
            "argon2_memory_kib": 64,
            "argon2_passes": 1,
            **changes,
        }
    )


@pytest.fixture
async def app(database: Database) -> AsyncIterator[FastAPI]:
    settings = settings_for(await database("accounts"))
    app = create_app(settings, broker=RabbitBroker(), clock=FixedClock())
    yield app
    await db.engine_of(app.state.sessions).dispose()


@pytest.fixture
def sessions(app: FastAPI) -> Sessions:
    sessions: Sessions = app.state.sessions
    return sessions


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test"
    ) as client:
        yield client
