"""RabbitMQ: one topic exchange, one queue per handler, and a ladder of delayed retries.

A handler runs in one transaction together with its claim in the inbox, so a message
that comes twice acts once. What it raises sends the message round by one of four shared
delay queues and back into the handler's own queue; at the end of the ladder it goes to
`<queue>.dead`. While something is down (`is_outage`) there is no end: the last delay
repeats. No order is promised.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from time import perf_counter
from typing import Any, TypeVar

import pydantic
import structlog
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import AckMessage
from faststream.message import StreamMessage
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitQueue,
)
from opentelemetry.trace import StatusCode
from sqlmodel.ext.asyncio.session import AsyncSession

from shared import inbox, logs, traces
from shared.clock import Clock
from shared.contracts import Event
from shared.db import Sessions
from shared.metrics import Metrics
from shared.outages import is_outage

log = structlog.get_logger()

DELAYS = {"1s": 1, "10s": 10, "1m": 60, "10m": 600}
"""The ladder: the name of each delay queue and its seconds."""

PREFETCH = 32
CONFIRM_TIMEOUT = 10.0

ATTEMPT = "x-attempt"
OUTAGES = "x-outages"
ERROR = "x-error"

DELIVERY_LIMIT = 50
"""Redeliveries (consumer gone, process killed) before a message counts as deadly."""

UNFIT = (pydantic.ValidationError, JSONDecodeError, UnicodeDecodeError)
"""What a message raises that is not what its contract says."""

E = TypeVar("E", bound=Event)
Handle = Callable[[E, AsyncSession, datetime], Awaitable[None]]


def events_exchange(declare: bool = False) -> RabbitExchange:
    """Where all services publish; routing key = the event's name."""
    return RabbitExchange(
        "events", type=ExchangeType.TOPIC, durable=True, declare=declare
    )


def delay_exchange(delay: str, declare: bool = False) -> RabbitExchange:
    """The way into one delay queue; the routing key names the queue to come back to."""
    return RabbitExchange(
        f"retry.{delay}", type=ExchangeType.FANOUT, durable=True, declare=declare
    )


def handler_queue(name: str, event: type[Event], declare: bool = False) -> RabbitQueue:
    """The queue of one handler; only looked up at run time: `migrate` declares it."""
    return RabbitQueue(
        name,
        routing_key=event.name,
        queue_type=QueueType.QUORUM,
        durable=True,
        declare=declare,
        arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_queue_name(name),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": DELIVERY_LIMIT,
        },
    )


def delay_queue(delay: str) -> RabbitQueue:
    """Where a failed message waits; its own queue is where it goes after the TTL."""
    return RabbitQueue(
        f"retry.{delay}",
        queue_type=QueueType.QUORUM,
        durable=True,
        arguments={
            "x-message-ttl": int(DELAYS[delay] * 1000),
            "x-dead-letter-exchange": "",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def dead_queue_name(queue: str) -> str:
    return f"{queue}.dead"


@dataclass(frozen=True)
class Handler:
    """One function that hears one event; its queue is `<service>.<function>`."""

    queue: str
    event: type[Event]
    handle: Handle[Any]


class Handlers:
    """The messages a service hears. `events.py` fills one of these.

    A handler is `async def on_<what_happened>(event, session, now)`. It runs in a
    transaction that already holds its claim in the inbox and commits when it returns,
    before the message is acknowledged; so its effects happen exactly once.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.items: list[Handler] = []

    def on(self, event: type[E]) -> Callable[[Handle[E]], Handle[E]]:
        """Hear `event` with the decorated function."""

        def register(handle: Handle[E]) -> Handle[E]:
            queue = f"{self.service}.{handle.__name__}"
            self.items.append(Handler(queue, event, handle))
            return handle

        return register


class Ladder(BaseMiddleware):
    """Sends a message whose handler failed up the ladder of delays, then acknowledges.

    If that publish fails too, the message is not acknowledged and comes again.
    """

    def __init__(
        self,
        msg: Any,
        /,
        *,
        context: Any,
        broker: RabbitBroker,
        metrics: Metrics,
        tracer: traces.Tracer,
    ) -> None:
        super().__init__(msg, context=context)
        self.broker = broker
        self.metrics = metrics
        self.tracer = tracer

    async def consume_scope(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        started = perf_counter()
        queue = self.context.get_local("handler_").queue.name
        service = queue.partition(".")[0]
        with (
            logs.context(service=service, correlation_id=msg.correlation_id),
            traces.consumer_span(self.tracer, msg.headers, queue) as span,
        ):
            try:
                return await call_next(msg)
            except Exception as error:
                span.set_status(StatusCode.ERROR)
                outcome = await self._postpone(msg, queue, error)
                self.metrics.event_handled(queue, outcome, perf_counter() - started)
                raise AckMessage from error

    async def _postpone(
        self, msg: StreamMessage[Any], queue: str, error: Exception
    ) -> str:
        headers, delay = next_stop(msg.headers, error)
        log.warning(
            "event.failed",
            queue=queue,
            retry_in=delay,
            error=headers[ERROR],
            exc_info=None if isinstance(error, UNFIT) else error,
        )
        await self.broker.publish(
            msg.body,
            "" if delay else dead_queue_name(queue),
            delay_exchange(delay) if delay else None,
            routing_key=queue if delay else "",
            headers=headers,
            message_id=msg.message_id,
            correlation_id=msg.correlation_id,
            content_type=msg.content_type,
            persist=True,
            timeout=CONFIRM_TIMEOUT,
        )
        if delay is None:
            return "dead"
        return "outage" if is_outage(error) else "retried"


def next_stop(
    headers: dict[str, Any], error: Exception
) -> tuple[dict[str, Any], str | None]:
    """The delay a failed message goes to, None for the dead queue, and its headers.

    A message that does not fit its contract is dead at once: it will never fit.
    """
    ladder = list(DELAYS)
    outages, attempts = int(headers.get(OUTAGES, 0)), int(headers.get(ATTEMPT, 0))
    headers = {**headers, ERROR: in_a_line(error)}
    if is_outage(error):
        headers[OUTAGES] = outages + 1
        return headers, ladder[min(outages, len(ladder) - 1)]
    headers[ATTEMPT] = attempts + 1
    if isinstance(error, UNFIT):
        return headers, None
    return headers, ladder[attempts] if attempts < len(ladder) else None


def in_a_line(error: Exception) -> str:
    """What went wrong, without what further lines tell of the message's content."""
    first_line, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first_line}"[:300]


def broker_options() -> dict[str, Any]:
    """How every broker is made: it waits for RabbitMQ, also after an outage."""
    return {
        "fail_fast": False,
        "reconnect_interval": 1.0,
        "default_channel": Channel(publisher_confirms=True, on_return_raises=True),
        "logger": None,
    }


def make_broker(url: str) -> RabbitBroker:
    return RabbitBroker(url, **broker_options())


def attach(
    broker: RabbitBroker,
    handlers: Handlers,
    sessions: Sessions,
    clock: Clock,
    metrics: Metrics,
    tracer: traces.Tracer,
) -> None:
    """Make `broker` call the handlers, each in a transaction with its inbox claim."""

    def ladder(msg: Any, /, *, context: Any) -> Ladder:
        return Ladder(
            msg, context=context, broker=broker, metrics=metrics, tracer=tracer
        )

    broker.add_middleware(ladder)
    for each in handlers.items:
        subscribe = broker.subscriber(
            handler_queue(each.queue, each.event),
            events_exchange(),
            channel=Channel(prefetch_count=PREFETCH, on_return_raises=True),
            ack_policy=AckPolicy.NACK_ON_ERROR,
        )
        subscribe(_consumer(each, sessions, clock, metrics))


def _consumer(
    handler: Handler, sessions: Sessions, clock: Clock, metrics: Metrics
) -> Callable[..., Awaitable[None]]:
    async def consume(event: Event) -> None:
        started = perf_counter()
        async with sessions.begin() as session:
            new = await inbox.claim(session, handler.queue, event.event_id)
            if new:
                await handler.handle(event, session, clock.now())
        outcome = "ok" if new else "duplicate"
        metrics.event_handled(handler.queue, outcome, perf_counter() - started)

    consume.__annotations__["event"] = handler.event
    consume.__name__ = handler.queue.partition(".")[2]
    return consume


async def declare_topology(broker: RabbitBroker, handlers: Handlers) -> None:
    """Declare all that the handlers need; done by `migrate`, before any relay starts.

    What is published before its queue exists is lost by AMQP's rules. Repeating it
    changes nothing. `broker` must be connected and may be one with more rights.
    """
    events = await broker.declare_exchange(events_exchange(declare=True))
    for delay in DELAYS:
        exchange = await broker.declare_exchange(delay_exchange(delay, declare=True))
        await (await broker.declare_queue(delay_queue(delay))).bind(exchange)
    for each in handlers.items:
        await broker.declare_queue(
            RabbitQueue(
                dead_queue_name(each.queue), queue_type=QueueType.QUORUM, durable=True
            )
        )
        queue = await broker.declare_queue(
            handler_queue(each.queue, each.event, declare=True)
        )
        await queue.bind(events, routing_key=each.event.name)
