"""A service as small as can be, for tests of what all services share."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Response
from faststream.rabbit import RabbitBroker
from pydantic import Field
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from shared import outbox, service
from shared.broker import Handlers
from shared.contracts.booking import SeatExpiredV1
from shared.errors import Conflict
from shared.idempotency import make_router
from shared.ids import new_id
from shared.inputs import Bool, HttpsUrl, Input, Instant, Int, Line, Output, Text
from shared.pages import Page, PageQuery
from shared.settings import ServiceSettings
from shared.web import Transaction
from tests.given import NOW, FixedClock, a_verifier


class Order(Input):
    name: Line
    count: Annotated[Int, Field(ge=0)] = 1
    gift: Bool = False
    at: Instant | None = None
    link: HttpsUrl | None = None
    note: Text = ""


class Receipt(Output):
    id: str
    at: Instant | None


class Sample:
    """What its handler saw, what its routes did, and how they shall fail."""

    def __init__(self, database_url: str, broker: RabbitBroker | None = None) -> None:
        self.handled: list[SeatExpiredV1] = []
        self.fail_with: list[Exception] = []
        self.ordered = 0
        self.handlers = Handlers("sample")
        self.handlers.on(SeatExpiredV1)(self.on_seat_expired)
        settings = ServiceSettings.model_validate(
            {"database_url": database_url, "amqp_url": "amqp://nowhere"}
        )
        self.parts = service.assemble(
            "sample",
            settings,
            self.handlers,
            router=make_router(),
            broker=broker or RabbitBroker(),
            clock=FixedClock(),
            verifier=a_verifier(),
        )
        self._routes()
        self.app: FastAPI = service.make_app(self.parts)

    async def on_seat_expired(
        self, event: SeatExpiredV1, session: AsyncSession, now: datetime
    ) -> None:
        assert now == NOW
        await outbox.publish(session, SeatExpiredV1(occurred_at=now, seat_id=new_id()))
        if self.fail_with:
            raise self.fail_with.pop(0)
        self.handled.append(event)

    def _routes(self) -> None:
        router = self.parts.router
        assert router is not None

        @router.post("/orders", status_code=201)
        async def order(
            body: Order, session: Transaction, response: Response
        ) -> Receipt:
            """Publishes an event, so that its effect can be counted."""
            await outbox.publish(
                session, SeatExpiredV1(occurred_at=NOW, seat_id=new_id())
            )
            if body.name == "refused":
                raise Conflict("Not this one.", hint="another")
            if body.name == "late":
                await session.exec(text("SELECT pg_sleep(0.3)"))  # type: ignore[call-overload]
            self.ordered += 1
            response.headers["Location"] = f"/orders/{self.ordered}"
            return Receipt(id=str(self.ordered), at=body.at)

        @router.get("/numbers")
        async def numbers(
            keyset: PageQuery, upto: Annotated[int, Query()] = 5
        ) -> Page[int]:
            after = keyset.after(int)
            start = after[0] + 1 if after else 0
            rows = list(range(start, upto))[: keyset.limit + 1]
            return keyset.page(rows, key=lambda n: [n], view=lambda n: n)

        @router.get("/breaks")
        async def breaks(how: str) -> None:
            raise {"outage": ConnectionError, "bug": ZeroDivisionError}[how]
