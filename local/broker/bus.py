"""The server's side: exchanges, queues, and the way of every message through them."""

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import structlog
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from local.broker.exchanges import TYPES, Exchange
from local.broker.journal import Journal
from local.broker.messages import Message, dead_letter_header
from local.broker.queues import ARGUMENTS, Queue

log = structlog.get_logger()


class Closable(Protocol):
    """A connection, as far as the bus knows it."""

    async def close(self, exc: Any = ...) -> None: ...


class MessageBus:
    """All queues of one process. Not for several threads, nor for several loops.

    With a `path` everything declared durable is still there after a restart, also after
    a kill -9: messages that were confirmed and not acknowledged come again, delayed
    ones at their time by the wall clock. Raises RuntimeError when another process uses
    the file. With None all is forgotten at `close`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._journal = Journal(path)
        self._queues = {queue.name: queue for queue in self._journal.queues()}
        self._exchanges = {each.name: each for each in self._journal.exchanges()}
        last = 0
        for message in self._journal.messages():
            self._queues[message.queue].ready.append(message)
            last = message.id
        self._ids = count(last + 1)
        self._connections: set[Closable] = set()
        self._watchers: set[asyncio.Future[None]] = set()
        self._closed = False

    def pending(self) -> dict[str, int]:
        """Messages per queue: ready, delayed, and delivered without an answer."""
        return {queue.name: len(queue) for queue in self._queues.values()}

    async def changed(self) -> None:
        """Return when the next message comes, goes or moves."""
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    async def close(self) -> None:
        """End connections, consumers and timers, and let go of the file.

        Unanswered messages stay in the journal. Closing twice is harmless.
        """
        self._closed = True
        for connection in list(self._connections):
            await connection.close()
        for queue in self._queues.values():
            if queue.timer is not None:
                queue.timer.cancel()
        self._journal.close()

    def connect(self, connection: Closable) -> None:
        """From the first connection on, delayed messages move at their time."""
        if self._closed:
            raise AMQPConnectionError("the bus is closed")
        self._connections.add(connection)
        for queue in self._queues.values():
            self._arm(queue)

    def disconnect(self, connection: Closable) -> None:
        self._connections.discard(connection)

    def exchange(self, name: str) -> Exchange:
        """Raises ChannelNotFoundEntity, as RabbitMQ answers 404."""
        if name not in self._exchanges:
            raise ChannelNotFoundEntity(f"NOT_FOUND - no exchange '{name}'")
        return self._exchanges[name]

    def queue(self, name: str) -> Queue:
        """Raises ChannelNotFoundEntity, as RabbitMQ answers 404."""
        if name not in self._queues:
            raise ChannelNotFoundEntity(f"NOT_FOUND - no queue '{name}'")
        return self._queues[name]

    def declare_exchange(self, name: str, exchange_type: str, durable: bool) -> None:
        """Repeating it is harmless; ChannelPreconditionFailed when it was different."""
        if exchange_type not in TYPES:
            raise NotImplementedError(f"exchanges of type {exchange_type}")
        wanted = Exchange(name, exchange_type, durable)
        known = self._exchanges.get(name)
        if known is None:
            self._journal.add_exchange(wanted)
            self._exchanges[name] = wanted
        elif (known.type, known.durable) != (exchange_type, durable):
            raise ChannelPreconditionFailed(
                f"PRECONDITION_FAILED - inequivalent arg for exchange '{name}'"
            )

    def declare_queue(
        self, name: str, durable: bool, arguments: dict[str, Any]
    ) -> None:
        """Repeating it is harmless; ChannelPreconditionFailed when it was different."""
        if unknown := arguments.keys() - ARGUMENTS:
            raise NotImplementedError(f"queue arguments {', '.join(sorted(unknown))}")
        wanted = Queue(name, durable, arguments)
        known = self._queues.get(name)
        if known is None:
            self._journal.add_queue(wanted)
            self._queues[name] = wanted
        elif (known.durable, known.arguments) != (durable, arguments):
            raise ChannelPreconditionFailed(
                f"PRECONDITION_FAILED - inequivalent arg for queue '{name}'"
            )

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Repeating it is harmless."""
        binding = (routing_key, self.queue(queue).name)
        bindings = self.exchange(exchange).bindings
        if binding not in bindings:
            self._journal.add_binding(exchange, routing_key, queue)
            bindings.append(binding)

    def publish(
        self, exchange: str, routing_key: str, header: bytes, body: bytes
    ) -> bool:
        """Whether a queue took the message; it is in the journal by then."""
        names = self._route(exchange, routing_key)
        if names:
            self._put(names, exchange, routing_key, header, body)
        return bool(names)

    def settle(self, queue: Queue, message: Message) -> None:
        """The message is done with."""
        self._journal.remove(message)
        del queue.unacked[message.id]
        self._notify()

    def reject(self, queue: Queue, message: Message) -> None:
        """The message is refused: a dead letter, or gone when the queue has no place
        for those.
        """
        self._bury(queue, message, "rejected")
        del queue.unacked[message.id]
        self._notify()

    def requeue(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Delivered in vain: the messages come again, before all others."""
        for message in messages:
            message.deliveries += 1
        deadly = [each for each in messages if queue.is_deadly(each)]
        again = [each for each in messages if each not in deadly]
        self._journal.count_deliveries(again)
        for message in deadly:
            self._bury(queue, message, "delivery_limit")
            del queue.unacked[message.id]
        queue.give_back(again)
        self._arm(queue)
        self._notify()
        queue.pump()

    def _route(self, exchange: str, routing_key: str) -> list[str]:
        """The default exchange, '', leads to the queue that the key names."""
        if exchange == "":
            return [routing_key] if routing_key in self._queues else []
        return self.exchange(exchange).queues_for(routing_key)

    def _put(
        self,
        names: list[str],
        exchange: str,
        routing_key: str,
        header: bytes,
        body: bytes,
        instead_of: Message | None = None,
    ) -> None:
        now = time.time()
        queues = [self._queues[name] for name in names]
        messages = [
            Message(
                next(self._ids),
                queue.name,
                exchange,
                routing_key,
                header,
                body,
                queue.due_at(now),
            )
            for queue in queues
        ]
        self._journal.add(messages, instead_of)
        for queue, message in zip(queues, messages, strict=True):
            queue.ready.append(message)
            queue.pump()
            self._arm(queue)
        self._notify()

    def _bury(self, queue: Queue, message: Message, reason: str) -> None:
        """Send a message that died in `queue` where its dead letters go."""
        exchange: str | None = queue.arguments.get("x-dead-letter-exchange")
        if exchange is None:
            self._journal.remove(message)
            return
        key = queue.arguments.get("x-dead-letter-routing-key", message.routing_key)
        names = self._route(exchange, key) if self._knows(exchange) else []
        if not names:
            log.warning("broker.dead_letter_lost", queue=queue.name, routing_key=key)
        header = dead_letter_header(message, reason)
        self._put(names, exchange, key, header, message.body, message)

    def _knows(self, exchange: str) -> bool:
        return exchange == "" or exchange in self._exchanges

    def _arm(self, queue: Queue) -> None:
        """Wake up when the first message of `queue` expires."""
        if self._connections and queue.ready and (due := queue.ready[0].due):
            loop = asyncio.get_running_loop()
            when = loop.time() + max(0.0, due - time.time())
            if queue.timer is None or queue.timer.when() > when:
                if queue.timer is not None:
                    queue.timer.cancel()
                queue.timer = loop.call_at(when, self._expire, queue)

    def _expire(self, queue: Queue) -> None:
        queue.timer = None
        now = time.time()
        while message := queue.take_expired(now):
            self._bury(queue, message, "expired")
        self._arm(queue)
        self._notify()

    def _notify(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
