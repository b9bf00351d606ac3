"""One queue: the order of its messages, and who gets the next one."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local.broker.messages import Message

ARGUMENTS = {
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-message-ttl",
    "x-overflow",
    "x-queue-type",
}
"""What a declaration may say. Strategy and overflow change nothing here: a dead letter
moves in one step, and no queue has a limit to its length."""


@dataclass(eq=False)
class Consumer:
    """Gets up to `prefetch` messages that it has not answered yet; 0 is no limit."""

    receive: Callable[["Consumer", Message], None]
    prefetch: int
    unanswered: int = 0

    @property
    def has_room(self) -> bool:
        return not self.prefetch or self.unanswered < self.prefetch


class Queue:
    """Messages wait in `ready` and are in `unacked` from delivery to answer."""

    def __init__(self, name: str, durable: bool, arguments: dict[str, Any]) -> None:
        self.name = name
        self.durable = durable
        self.arguments = arguments
        self.ready: deque[Message] = deque()
        self.unacked: dict[int, Message] = {}
        self.consumers: deque[Consumer] = deque()
        self.timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self.ready) + len(self.unacked)

    def due_at(self, now: float) -> float | None:
        """When a message that comes `now` expires."""
        ttl = self.arguments.get("x-message-ttl")
        return None if ttl is None else now + ttl / 1000

    def is_deadly(self, message: Message) -> bool:
        """Whether it came back more often than `x-delivery-limit` allows."""
        limit = self.arguments.get("x-delivery-limit")
        return limit is not None and message.deliveries > limit

    def take(self) -> Message:
        """The next message, which is unacked from now on."""
        message = self.ready.popleft()
        self.unacked[message.id] = message
        return message

    def take_expired(self, now: float) -> Message | None:
        """Remove the next message if its time is over."""
        if self.ready and (due := self.ready[0].due) is not None and due <= now:
            return self.ready.popleft()
        return None

    def give_back(self, messages: Iterable[Message]) -> None:
        """Put unacked messages back to the front, in their old order."""
        for message in sorted(messages, key=lambda each: each.id, reverse=True):
            self.ready.appendleft(self.unacked.pop(message.id))

    def pump(self) -> None:
        """Hand out messages, to the consumers in turn, while one has room."""
        while self.ready and (consumer := self._next_consumer()):
            consumer.unanswered += 1
            consumer.receive(consumer, self.take())

    def _next_consumer(self) -> Consumer | None:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            if consumer.has_room:
                self.consumers.rotate(-1)
                return consumer
            self.consumers.rotate(-1)
        return None
