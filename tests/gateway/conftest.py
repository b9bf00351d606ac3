from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.gateway.services import Echo, served_together
from tests.serving import served

Start = Callable[..., Awaitable[httpx2.AsyncClient]]
SERVICES = ("accounts", "coaches", "booking", "payments")


@pytest.fixture
async def database_url(database: Callable[[str], Awaitable[str]]) -> str:
    return await database("gateway")


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """`client = await start(setting=…)`: a gateway on a port, on echoing services.

    `in_process=True` hands the services' applications over instead of addresses.
    """
    async with AsyncExitStack() as stack:

        async def run(
            *,
            in_process: bool = False,
            apps: dict[str, Any] | None = None,
            **given: Any,
        ) -> httpx2.AsyncClient:
            services = {name: Echo(name) for name in SERVICES} | (apps or {})
            urls = {}
            if not in_process:
                apart = {k: v for k, v in services.items() if f"{k}_url" not in given}
                addresses = await stack.enter_async_context(served_together(apart))
                urls = {f"{name}_url": url for name, url in addresses.items()}
            given.setdefault("database_url", SecretStr(database_url))
            settings = GatewaySettings(**{**urls, **given})
            gateway = create_app(settings, services if in_process else None)
            url = await stack.enter_async_context(served(gateway))
            return await stack.enter_async_context(httpx2.AsyncClient(base_url=url))

        yield run


@pytest.fixture
async def client(start: Start) -> httpx2.AsyncClient:
    return await start()
