"""RabbitMQ for one process, under which FastStream and aio-pika run unchanged.

`MessageBus` is what a server would be; a `LocalBroker` is one service's way to it.
Queues behave as quorum queues do. What the services do not use is refused with
NotImplementedError instead of being half there: header exchanges, exclusive and
self-deleting queues, length limits, a prefetch shared by a channel, messages that
expire by themselves.
"""

from local.broker.bus import MessageBus
from local.broker.client import LocalBroker

__all__ = ["LocalBroker", "MessageBus"]
