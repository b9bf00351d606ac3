"""The channel that aio-pika works on: the methods of `aiormq.Channel`, without a wire.

Everything above is aio-pika's own: its exchanges, queues, messages, and how a channel
that was closed by an error is opened again.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from aiormq.abc import ConsumerCallback, DeliveredMessage
from aiormq.exceptions import (
    AMQPChannelError,
    ChannelInvalidStateError,
    ChannelPreconditionFailed,
    PublishError,
)
from pamqp.commands import Basic, Exchange, Queue
from pamqp.header import ContentHeader

from local.broker.messages import Message, encode
from local.broker.queues import Consumer
from local.broker.queues import Queue as BusQueue

if TYPE_CHECKING:
    from local.broker.client import Link

DIRECT_REPLY = "amq.rabbitmq.reply-to"
"""A name that RabbitMQ always knows. FastStream looks it up at start."""

NO_ROUTE = 312


class Delivery(NamedTuple):
    """A message that somebody has and has not answered; None: it was asked for."""

    queue: BusQueue
    message: Message
    consumer: Consumer | None


class Channel:
    """One channel of a `Link`. As with a server, an error closes it.

    aio-pika then opens another one in its place; unanswered messages come again.
    """

    def __init__(
        self,
        link: "Link",
        number: int,
        *,
        confirms: bool,
        return_raises: bool,
    ) -> None:
        self.connection = link
        self.number = number
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_return_callbacks: set[Any] = set()
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self._bus = link.bus
        self._confirms = confirms
        self._return_raises = return_raises
        self._prefetch = 0
        self._consumers: dict[str, tuple[BusQueue, Consumer]] = {}
        self._unanswered: dict[int, Delivery] = {}
        self._tags = count(1)
        self._published = count(1)

    def __str__(self) -> str:
        return str(self.number)

    @property
    def is_closed(self) -> bool:
        return self.closing.done()

    async def close(self, exc: Any = None) -> None:
        """Let go of consumers and messages. Closing twice is harmless."""
        self.end(exc if isinstance(exc, BaseException) else None)

    def end(self, error: BaseException | None) -> None:
        """Close for this reason; unanswered messages go back to their queues."""
        if self.is_closed:
            return
        if error is None:
            self.closing.set_result(None)
        else:
            self.closing.set_exception(error)
            self.closing.exception()
        self.stop_consuming()
        deliveries, self._unanswered = list(self._unanswered.values()), {}
        for queue in {each.queue for each in deliveries}:
            back = [each.message for each in deliveries if each.queue is queue]
            self._bus.requeue(queue, back)

    def stop_consuming(self) -> None:
        """No consumer of this channel gets another message."""
        for queue, consumer in self._consumers.values():
            queue.consumers.remove(consumer)
        self._consumers.clear()

    async def exchange_declare(
        self,
        exchange: str,
        *,
        exchange_type: str,
        passive: bool,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: dict[str, Any] | None,
        **_: Any,
    ) -> Exchange.DeclareOk:
        if auto_delete or internal or arguments:
            raise NotImplementedError("exchanges with options")
        with self._closed_by_errors():
            if passive:
                self._bus.exchange(exchange)
            else:
                self._bus.declare_exchange(exchange, exchange_type, durable)
        return Exchange.DeclareOk()

    async def queue_declare(
        self,
        queue: str,
        *,
        passive: bool,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: dict[str, Any] | None,
        **_: Any,
    ) -> Queue.DeclareOk:
        if exclusive or auto_delete:
            raise NotImplementedError("exclusive and self-deleting queues")
        if queue == DIRECT_REPLY:
            return Queue.DeclareOk(queue, 0, 0)
        with self._closed_by_errors():
            if not passive:
                self._bus.declare_queue(queue, durable, arguments or {})
            found = self._bus.queue(queue)
        return Queue.DeclareOk(queue, len(found.ready), len(found.consumers))

    async def queue_bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str,
        arguments: dict[str, Any] | None = None,
        **_: Any,
    ) -> Queue.BindOk:
        if arguments:
            raise NotImplementedError("bindings with arguments")
        with self._closed_by_errors():
            self._bus.bind(queue, exchange, routing_key)
        return Queue.BindOk()

    async def basic_qos(
        self, *, prefetch_count: int, prefetch_size: int, global_: bool, **_: Any
    ) -> Basic.QosOk:
        """Counts for consumers that start from now on."""
        if prefetch_size or global_:
            raise NotImplementedError("a prefetch in bytes, or one for the channel")
        self._prefetch = prefetch_count
        return Basic.QosOk()

    async def basic_publish(
        self,
        body: bytes,
        *,
        exchange: str,
        routing_key: str,
        properties: Basic.Properties,
        mandatory: bool,
        immediate: bool,
        **_: Any,
    ) -> Basic.Ack | DeliveredMessage | None:
        """Confirmed when it is in the journal.

        What no queue takes is dropped unless `mandatory`; then it comes back, or raises
        PublishError on a channel opened so.
        """
        if immediate or properties.expiration:
            raise NotImplementedError("immediate, or a message that expires by itself")
        properties.message_id = properties.message_id or uuid4().hex
        header = encode(properties, body)
        with self._closed_by_errors():
            routed = self._bus.publish(exchange, routing_key, header, body)
        # Consumers get their turn, and a loop of publishes does not block the process.
        await asyncio.sleep(0)
        if not self._confirms:
            return None
        if routed or not mandatory:
            return Basic.Ack(next(self._published))
        return self._return(body, properties, exchange, routing_key)

    def _return(
        self, body: bytes, properties: Basic.Properties, exchange: str, key: str
    ) -> DeliveredMessage:
        frame = Basic.Return(NO_ROUTE, "NO_ROUTE", exchange, key)
        header = ContentHeader(body_size=len(body), properties=properties)
        returned = self._delivered(frame, header, body)
        if self._return_raises:
            raise PublishError(returned, frame)
        for callback in self.on_return_callbacks:
            callback(returned)
        return returned

    async def basic_consume(
        self,
        queue: str,
        consumer_callback: ConsumerCallback,
        *,
        no_ack: bool,
        exclusive: bool,
        consumer_tag: str | None = None,
        **_: Any,
    ) -> Basic.ConsumeOk:
        if no_ack or exclusive:
            raise NotImplementedError("consumers that never answer, or exclusive ones")
        tag = consumer_tag or f"ctag{self.number}.{uuid4().hex}"
        with self._closed_by_errors():
            source = self._bus.queue(queue)
        receive = partial(self._receive, source, tag, consumer_callback)
        consumer = Consumer(receive, self._prefetch)
        self._consumers[tag] = (source, consumer)
        source.consumers.append(consumer)
        source.pump()
        return Basic.ConsumeOk(tag)

    async def basic_cancel(self, consumer_tag: str, **_: Any) -> Basic.CancelOk:
        """What was delivered already is still to be answered."""
        if consumer_tag in self._consumers:
            queue, consumer = self._consumers.pop(consumer_tag)
            queue.consumers.remove(consumer)
        return Basic.CancelOk(consumer_tag)

    async def basic_get(
        self, queue: str = "", no_ack: bool = False, **_: Any
    ) -> DeliveredMessage:
        with self._closed_by_errors():
            source = self._bus.queue(queue)
        if not source.ready:
            return self._delivered(Basic.GetEmpty(), ContentHeader(), b"")
        message = source.take()
        tag = next(self._tags)
        frame = Basic.GetOk(
            tag,
            message.deliveries > 0,
            message.exchange,
            message.routing_key,
            len(source.ready),
        )
        if no_ack:
            self._bus.settle(source, message)
        else:
            self._unanswered[tag] = Delivery(source, message, None)
        return self._delivered(frame, message.content_header(), message.body)

    async def basic_ack(
        self, delivery_tag: int, multiple: bool = False, **_: Any
    ) -> None:
        for delivery in self._answered(delivery_tag, multiple):
            self._bus.settle(delivery.queue, delivery.message)
            delivery.queue.pump()

    async def basic_nack(
        self,
        delivery_tag: int,
        multiple: bool = False,
        requeue: bool = True,
        **_: Any,
    ) -> None:
        for delivery in self._answered(delivery_tag, multiple):
            if requeue:
                self._bus.requeue(delivery.queue, [delivery.message])
            else:
                self._bus.reject(delivery.queue, delivery.message)
                delivery.queue.pump()

    async def basic_reject(
        self, delivery_tag: int, *, requeue: bool = True, **_: Any
    ) -> None:
        await self.basic_nack(delivery_tag, requeue=requeue)

    def _receive(
        self,
        queue: BusQueue,
        consumer_tag: str,
        callback: ConsumerCallback,
        consumer: Consumer,
        message: Message,
    ) -> None:
        tag = next(self._tags)
        self._unanswered[tag] = Delivery(queue, message, consumer)
        frame = Basic.Deliver(
            consumer_tag,
            tag,
            message.deliveries > 0,
            message.exchange,
            message.routing_key,
        )
        delivered = self._delivered(frame, message.content_header(), message.body)
        self.connection.run(callback(delivered))

    def _delivered(
        self, frame: Any, header: ContentHeader, body: bytes
    ) -> DeliveredMessage:
        # This class is all of aiormq's channel that is ever called.
        channel: Any = self
        return DeliveredMessage(frame, header, body, channel)

    def _answered(self, tag: int, multiple: bool) -> list[Delivery]:
        """Take the deliveries that an answer is about."""
        with self._closed_by_errors():
            if tag not in self._unanswered:
                raise ChannelPreconditionFailed(
                    f"PRECONDITION_FAILED - unknown delivery tag {tag}"
                )
        tags = [each for each in self._unanswered if each <= tag] if multiple else [tag]
        answered = [self._unanswered.pop(each) for each in tags]
        for delivery in answered:
            if delivery.consumer is not None:
                delivery.consumer.unanswered -= 1
        return answered

    @contextmanager
    def _closed_by_errors(self) -> Iterator[None]:
        if self.is_closed:
            raise ChannelInvalidStateError(f"channel {self} closed")
        try:
            yield
        except AMQPChannelError as error:
            self.end(error)
            raise
