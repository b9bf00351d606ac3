"""What is still to be done, asked of every process and of RabbitMQ.

RabbitMQ tells how many messages are ready, not how many are being handled; so each
process counts its own. A message on its way between the two is seen by neither: only
when nothing has begun or changed since the look before, a look counts as calm.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import aio_pika
import httpx2
from aio_pika.abc import AbstractChannel, AbstractConnection
from fastapi import FastAPI
from faststream import BaseMiddleware
from faststream.message import StreamMessage
from pydantic import BaseModel

from shared import service
from shared.broker import DELAYS
from shared.contracts.scheduler import Tick

PATH = "/local/pending"
TIMEOUT = 5.0

Counts = dict[str, int]


class Report(BaseModel):
    """What one process has to do. `begun` counts all deliveries since it started.

    `work` is committed and not done, by kind; `handling` are the messages in its hands,
    by queue, for all of its queues; `ticks` names those queues that carry ticks.
    """

    work: Counts
    handling: Counts
    ticks: list[str]
    begun: int


class Deliveries:
    """The messages that this process has in its hands; a middleware of its broker."""

    def __init__(self) -> None:
        self.begun = 0
        self.open: Counter[str] = Counter()

    def __call__(self, msg: Any, /, *, context: Any) -> "Delivery":
        return Delivery(msg, context=context, deliveries=self)


class Delivery(BaseMiddleware):
    """One message, from its arrival until its effects or its retry are stored."""

    def __init__(self, msg: Any, /, *, context: Any, deliveries: Deliveries) -> None:
        super().__init__(msg, context=context)
        self._deliveries = deliveries

    async def consume_scope(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        queue = self.context.get_local("handler_").queue.name
        self._deliveries.begun += 1
        self._deliveries.open[queue] += 1
        try:
            return await call_next(msg)
        finally:
            self._deliveries.open[queue] -= 1


def add_report(app: FastAPI, deliveries: Deliveries) -> None:
    """Let the service's app answer PATH with its Report."""
    parts = app.state.parts

    @app.get(PATH, include_in_schema=False)
    async def report() -> Report:
        handlers = parts.handlers.items
        return Report(
            work=await service.backlog(parts),
            handling={each.queue: deliveries.open[each.queue] for each in handlers},
            ticks=[each.queue for each in handlers if issubclass(each.event, Tick)],
            begun=deliveries.begun,
        )


class Backlog:
    """The work of all processes together; whoever cannot be asked counts as one.

    A service may be several processes, each under a name of its own.
    """

    def __init__(self, services: Mapping[str, str], double: str, amqp_url: str) -> None:
        self._services = services
        self._double = double
        self._ready = ReadyMessages(amqp_url)
        self._http = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._last: dict[str, object] = {}

    async def close(self) -> None:
        await self._ready.close()
        await self._http.aclose()

    async def pending(self) -> Counts:
        """Everything: outboxes, queues, delays, webhooks, mails; not dead letters."""
        reports, counts = await self._reports(self._services)
        for name, report in reports.items():
            counts.update({f"{name}.{kind}": n for kind, n in report.work.items()})
            counts.update(report.handling)
        queues = {queue for each in reports.values() for queue in each.handling}
        delays = [f"retry.{delay}" for delay in DELAYS]
        await self._add_ready(counts, [*queues, *delays])
        counts["stripe.webhooks"] = await self.sweep_double()
        return self._watched("all", counts, reports)

    async def tick_consequences(self) -> Counts:
        """The ticks that are due and not said, and those that are not handled yet."""
        reports, counts = await self._reports(self._services)
        if scheduler := reports.get("scheduler"):
            counts.update(
                {f"scheduler.{kind}": n for kind, n in scheduler.work.items()}
            )
        for report in reports.values():
            counts.update({queue: report.handling[queue] for queue in report.ticks})
        queues = {queue for report in reports.values() for queue in report.ticks}
        await self._add_ready(counts, queues)
        return self._watched("ticks", counts, reports)

    async def sweep_double(self) -> int:
        """Have the double do what is due; how much it still has to do, 1 if unknown."""
        try:
            answer = await self._http.get(f"{self._double}/_double/idle")
            answer.raise_for_status()
            return int(answer.json()["pending"])
        except httpx2.HTTPError:
            return 1

    async def _reports(
        self, services: Mapping[str, str]
    ) -> tuple[dict[str, Report], Counter[str]]:
        """What each process says, and a 1 for each that says nothing."""
        answers = await asyncio.gather(*map(self._report, services.values()))
        said = dict(zip(services, answers, strict=True))
        reports = {name: report for name, report in said.items() if report}
        down = Counter({f"{name}.down": 1 for name in said if name not in reports})
        return reports, down

    async def _report(self, url: str) -> Report | None:
        try:
            answer = await self._http.get(f"{url}{PATH}")
            answer.raise_for_status()
            return Report.model_validate(answer.json())
        except httpx2.HTTPError:
            return None

    async def _add_ready(self, counts: Counter[str], queues: Iterable[str]) -> None:
        try:
            counts.update(await self._ready.count(queues))
        except (
            OSError,
            TimeoutError,
            aio_pika.exceptions.AMQPError,
            aio_pika.exceptions.ChannelInvalidStateError,
        ):
            counts["rabbitmq.down"] = 1

    def _watched(
        self, what: str, counts: Counter[str], reports: Mapping[str, Report]
    ) -> Counts:
        seen = (dict(counts), {name: each.begun for name, each in reports.items()})
        changed = self._last.get(what) != seen
        self._last[what] = seen
        return {**counts, "moving": int(changed)}


class ReadyMessages:
    """Looks queues up, which RabbitMQ allows everybody; connects when it must."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._one_look = asyncio.Lock()

    async def count(self, queues: Iterable[str]) -> Counts:
        """Ready messages by queue. Raises AMQPError or OSError if it cannot know."""
        async with self._one_look, asyncio.timeout(TIMEOUT):
            try:
                channel = await self._connected()
                return {queue: await _ready(channel, queue) for queue in queues}
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> AbstractChannel:
        if self._channel is None:
            self._connection = await aio_pika.connect(self._url, timeout=TIMEOUT)
            self._channel = await self._connection.channel()
        return self._channel


async def _ready(channel: AbstractChannel, queue: str) -> int:
    found = await channel.declare_queue(queue, passive=True)
    return found.declaration_result.message_count or 0
