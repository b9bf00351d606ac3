"""One running marketplace for each way of running it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.house import House
from tests.flows.market import HouseMarket, in_process, on_servers
from tests.flows.on_servers import ServerHouse

pytest.register_assert_rewrite("tests.flows.outcomes")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def market(
    postgres_server: str, rabbitmq_server: tuple[str, str | None]
) -> AsyncIterator[HouseMarket[ServerHouse]]:
    """All services in this process, on RabbitMQ and PostgreSQL."""
    async with on_servers(postgres_server, rabbitmq_server) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def laptop() -> AsyncIterator[HouseMarket[House]]:
    """All services in this process, with what stands in for servers."""
    async with in_process() as running:
        yield running


@pytest.fixture(params=["market", "laptop"])
def any_market(request: pytest.FixtureRequest) -> HouseMarket[Any]:
    """The same on servers, and as it runs on a laptop."""
    running: HouseMarket[Any] = request.getfixturevalue(request.param)
    return running
