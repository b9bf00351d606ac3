"""One running marketplace for each module and each way of running it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.flows.market import HouseMarket, in_process, on_servers
from tests.flows.on_servers import ServerHouse

pytest.register_assert_rewrite("tests.flows.outcomes")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    postgres_server: str, rabbitmq_server: tuple[str, str | None]
) -> AsyncIterator[HouseMarket[ServerHouse]]:
    """All services in this process, on RabbitMQ and PostgreSQL."""
    async with on_servers(postgres_server, rabbitmq_server) as running:
        yield running


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["on servers", "in process"]
)
async def any_market(
    request: pytest.FixtureRequest,
    postgres_server: str,
    rabbitmq_server: tuple[str, str | None],
) -> AsyncIterator[HouseMarket[Any]]:
    """The same on servers, and as it runs on a laptop."""
    if request.param == "in process":
        async with in_process() as laptop:
            yield laptop
    else:
        async with on_servers(postgres_server, rabbitmq_server) as servers:
            yield servers
