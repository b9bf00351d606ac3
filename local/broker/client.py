"""The client's side: a broker of FastStream whose connection ends in a `MessageBus`."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from itertools import count
from typing import Any

import structlog
from aio_pika import Connection, RobustChannel
from aio_pika.abc import TimeoutType, UnderlayConnection
from aio_pika.tools import CallbackCollection, OneShotCallback
from faststream.rabbit import RabbitBroker

from local.broker.bus import MessageBus
from local.broker.channel import Channel

log = structlog.get_logger()


class Link:
    """The connection that aio-pika works on: the methods of `aiormq.Connection`."""

    basic_nack = True

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channels: list[Channel] = []
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        bus.connect(self)

    async def ready(self) -> None:
        """There is nothing to wait for."""

    async def channel(
        self,
        channel_number: int | None = None,
        publisher_confirms: bool = True,
        on_return_raises: bool = False,
    ) -> Channel:
        number = channel_number or next(self._numbers)
        channel = Channel(
            self, number, confirms=publisher_confirms, return_raises=on_return_raises
        )
        self._channels = [each for each in self._channels if not each.is_closed]
        self._channels.append(channel)
        return channel

    def run(self, consuming: Coroutine[Any, Any, Any]) -> None:
        """Let a consumer work on a message for as long as the connection lasts."""
        task = asyncio.get_running_loop().create_task(consuming)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("broker.consumer_failed", exc_info=error)

    async def close(self, exc: Any = None) -> None:
        """End all channels and consumers. Closing twice is harmless."""
        if self.closing.done():
            return
        error = asyncio.CancelledError(exc)
        self.closing.set_exception(error)
        self.closing.exception()
        self.bus.disconnect(self)
        # First all, so that what one channel gives back does not go to the next.
        for channel in self._channels:
            channel.stop_consuming()
        for channel in self._channels:
            channel.end(error)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class LocalConnection(Connection):
    """aio-pika's connection over a `Link`; it never has to reconnect."""

    CHANNEL_CLASS = RobustChannel

    def __init__(self, bus: MessageBus, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bus = bus
        self.reconnect_callbacks: CallbackCollection[Any, []] = CallbackCollection(self)

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ARG002, ASYNC109
        """Raises AMQPConnectionError when the bus is closed."""
        link: Any = Link(self._bus)
        closed = OneShotCallback(self._on_connection_close)
        link.closing.add_done_callback(closed)
        self.transport = UnderlayConnection(connection=link, close_callback=closed)
        await self._on_connected()


class LocalBroker(RabbitBroker):
    """FastStream's broker on a bus; takes what `RabbitBroker` takes, but for the URL.

    Several may share one bus: each has its own context, consumers and channels.
    """

    def __init__(self, bus: MessageBus, **options: Any) -> None:
        super().__init__("amqp://local/", **options)
        # FastStream passes these on to aio-pika's `connect_robust`.
        self._connection_kwargs["connection_class"] = partial(LocalConnection, bus)
