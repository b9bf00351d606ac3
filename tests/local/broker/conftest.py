"""`join`: the same tests on the bus and on RabbitMQ."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from faststream.rabbit import RabbitBroker

from local.broker import LocalBroker, MessageBus
from tests.local.broker.given import Join


@pytest.fixture(params=["local", "rabbitmq"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> MessageBus | str:
    """A bus of ours, then the URL of a real server."""
    if request.param == "local":
        return MessageBus(tmp_path / "broker.sqlite")
    url: str = request.getfixturevalue("amqp_vhost")
    return url


@pytest.fixture
async def join(server: MessageBus | str) -> AsyncIterator[Join]:
    made: list[RabbitBroker] = []

    def make(**options: Any) -> RabbitBroker:
        options |= {"logger": None, "graceful_timeout": 0.1}
        if isinstance(server, MessageBus):
            made.append(LocalBroker(server, **options))
        else:
            made.append(RabbitBroker(server, **options))
        return made[-1]

    yield make
    for broker in made:
        await broker.stop()
    if isinstance(server, MessageBus):
        await server.close()
