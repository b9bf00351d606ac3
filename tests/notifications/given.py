"""The notifications service beside a mailbox, and what it hears."""

import email
import email.policy
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, TypeVar
from uuid import UUID

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker, TestRabbitBroker
from icalendar import Calendar, Event
from pydantic import SecretStr
from sqlmodel import col, select, update

from local.mailbox import Sink, Store, start_smtp
from local.processes import free_port
from services.notifications.actions import sending
from services.notifications.app import create_app
from services.notifications.clients import Postman
from services.notifications.domain import House
from services.notifications.models import Contact, Delivery
from services.notifications.settings import NotificationsSettings
from shared import contracts
from shared.contracts.accounts import (
    EmailVerificationRequestedV1,
    PasswordResetRequestedV1,
    UserChangedV1,
    UserRegisteredV1,
)
from shared.contracts.booking import (
    CoachPausedV1,
    OfferMadeV1,
    ProposalAnsweredV1,
    ProposalMadeV1,
    SeatCancelledV1,
    SeatConfirmedV1,
    SeatMissedV1,
    SessionMovedV1,
)
from shared.db import Sessions, engine_of
from shared.ids import new_id
from tests.given import NOW, FixedClock, a_verifier, deliver

E = TypeVar("E", bound=contracts.Event)

PUBLIC = "https://play.example"
HOUSE = House("Scrimline", "no-reply@scrimline.example", PUBLIC)
START = datetime(2026, 6, 19, 18, tzinfo=UTC)

ADA = new_id()
"""The student: in Berlin, reads English."""

KIM = new_id()
"""The coach: in Kolkata, reads American English."""


def a_user(user_id: UUID = ADA, **changes: Any) -> UserRegisteredV1:
    return UserRegisteredV1.model_validate(_user(user_id) | changes)


def a_changed_user(user_id: UUID = ADA, **changes: Any) -> UserChangedV1:
    return UserChangedV1.model_validate(_user(user_id) | {"version": 2} | changes)


def _user(user_id: UUID) -> dict[str, Any]:
    student = user_id == ADA
    return {
        "occurred_at": NOW,
        "user_id": user_id,
        "version": 1,
        "email": "ada@mail.example" if student else "kim@mail.example",
        "email_verified": True,
        "display_name": "Ada" if student else "Kim",
        "timezone": "Europe/Berlin" if student else "Asia/Kolkata",
        "locale": "en" if student else "en-US",
        "roles": ["student" if student else "coach"],
        "suspended": False,
    }


def confirmed(**changes: Any) -> SeatConfirmedV1:
    """Ada's seat in a session with Kim, on a Friday at 18:00 UTC."""
    values = {
        "occurred_at": NOW,
        "seat_id": new_id(),
        "session_id": new_id(),
        "coach_id": KIM,
        "student_id": ADA,
        "start": START,
        "end": START + timedelta(hours=1),
        "game": "rocket-league",
        "kind": "individual",
        "start_version": 0,
        "paid_by": "money",
        "goals": None,
    }
    return SeatConfirmedV1.model_validate(values | changes)


def cancelled(seat: SeatConfirmedV1, **changes: Any) -> SeatCancelledV1:
    values = seat.model_dump(exclude={"event_id", "correlation_id"}) | {
        "was": "confirmed",
        "by": "student",
        "reason": None,
        "refund": {
            "amount": 2500,
            "currency": "EUR",
            "percent": 50,
            "rule": "tier 24h",
        },
        "credit": "none",
        "sequence": 1,
    }
    return SeatCancelledV1.model_validate(values | changes)


def moved(seat: SeatConfirmedV1, **changes: Any) -> SessionMovedV1:
    """The seat's session, a day later; the student's wish."""
    day = timedelta(days=1)
    values = seat.model_dump(exclude={"event_id", "correlation_id"}) | {
        "seat_ids": (seat.seat_id,),
        "student_ids": (seat.student_id,),
        "old_start": seat.start,
        "old_end": seat.end,
        "start": seat.start + day,
        "end": seat.end + day,
        "start_version": seat.start_version + 1,
        "sequence": 1,
        "by": "student",
        "reason": None,
    }
    return SessionMovedV1.model_validate(values | changes)


def _proposal(seat: SeatConfirmedV1, **changes: Any) -> dict[str, Any]:
    return moved(seat).model_dump(exclude={"event_id", "correlation_id"}) | {
        "proposal_id": new_id(),
        "by": "coach",
        "status": "open",
        "expires_at": NOW + timedelta(days=1),
        **changes,
    }


def proposed(seat: SeatConfirmedV1, **changes: Any) -> ProposalMadeV1:
    """The coach would like to have the session a day later."""
    return ProposalMadeV1.model_validate(_proposal(seat, **changes))


def answered(made: ProposalMadeV1, **changes: Any) -> ProposalAnsweredV1:
    values = made.model_dump(exclude={"event_id", "correlation_id"})
    return ProposalAnsweredV1.model_validate(values | {"status": "accepted"} | changes)


def offered(seat: SeatConfirmedV1, **changes: Any) -> OfferMadeV1:
    """The seat's time, for half an hour, before it was booked."""
    values = seat.model_dump(exclude={"event_id", "correlation_id"}) | {
        "waitlist_id": new_id(),
        "price": {"amount": 4500, "currency": "EUR"},
        "expires_at": NOW + timedelta(minutes=30),
    }
    return OfferMadeV1.model_validate(values | changes)


def of(seat: SeatConfirmedV1, event: type[E], **values: Any) -> E:
    """Something that happened to the seat."""
    fields = seat.model_dump(exclude={"event_id", "correlation_id", "goals"})
    earned = {"amount": 4999, "currency": "EUR", "source": "money"}
    return event.model_validate(fields | {"earned": earned, "reason": None} | values)


def missed(
    seat: SeatConfirmedV1, outcome: str = "coach", **changes: Any
) -> SeatMissedV1:
    """Who did not come; provisional until the day after."""
    percent = 0 if outcome == "student" else 100
    refund = {"amount": 4999 * percent // 100, "currency": "EUR"}
    values = {
        "version": 1,
        "outcome": outcome,
        "final": False,
        "provisional_until": START + timedelta(hours=25),
        "by": "system",
        "refund": refund | {"percent": percent, "rule": "no_show"},
    }
    return of(seat, SeatMissedV1, **values | changes)


def paused(version: int = 1) -> CoachPausedV1:
    """Kim's listing, for 90 days."""
    until = NOW + timedelta(days=90)
    return CoachPausedV1(
        occurred_at=NOW, coach_id=KIM, version=version, strikes=3, until=until
    )


def _token(**changes: Any) -> dict[str, Any]:
    return {
        "occurred_at": NOW,
        "user_id": ADA,
        "email": "ada@mail.example",
        "token": "s3cr&t",
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    } | changes


def to_verify(**changes: Any) -> EmailVerificationRequestedV1:
    return EmailVerificationRequestedV1.model_validate(_token(**changes))


def to_reset(**changes: Any) -> PasswordResetRequestedV1:
    return PasswordResetRequestedV1.model_validate(_token(**changes))


def said_again(event: contracts.Event) -> contracts.Event:
    """The same news under another event id."""
    return event.model_copy(update={"event_id": new_id()})


@dataclass
class World:
    """The service under test, its mailbox, and time. Its workers do not run alone."""

    app: FastAPI
    store: Store
    sink: Sink
    port: int
    clock: FixedClock

    @property
    def sessions(self) -> Sessions:
        sessions: Sessions = self.app.state.sessions
        return sessions

    @property
    def postman(self) -> Postman:
        return a_postman(self.port)

    async def hear(self, *events: contracts.Event) -> None:
        await deliver(self.app.state.parts.broker, *events)

    async def hear_of_both(self) -> None:
        await self.hear(a_user(ADA), a_user(KIM))

    async def step(self) -> int:
        """What a sender does now."""
        return await sending.send_due(self.sessions, self.postman, HOUSE, self.clock)

    async def work(self) -> None:
        """What senders do until nothing is due."""
        for _ in range(20):
            if not await self.step():
                return
        raise AssertionError("the senders never come to an end")

    async def skip_delays(self) -> None:
        """Let every pause and every claim be over."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self.sessions.begin() as session:
            await session.exec(update(Delivery).values(due_at=past))

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """What arrived, oldest first, parsed from its bytes."""
        return [
            email.message_from_bytes(source, policy=email.policy.default)
            for each in reversed(self.store.messages(to))
            if (source := self.store.source(each.id)) is not None
        ]

    def subjects(self, to: str | None = None) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails(to)]

    async def deliveries(self) -> Sequence[Delivery]:
        async with self.sessions() as session:
            query = select(Delivery).order_by(col(Delivery.id))
            return (await session.exec(query)).all()

    async def states(self) -> list[str]:
        return [each.state.value for each in await self.deliveries()]

    async def contact(self, user_id: UUID) -> Contact | None:
        async with self.sessions() as session:
            return await session.get(Contact, user_id)

    async def restart_mailbox(self) -> None:
        self.sink = await start_smtp("127.0.0.1", self.port, self.store)


@asynccontextmanager
async def a_world(
    database_url: str, amqp_url: str | None = None, **changes: Any
) -> AsyncIterator[World]:
    """The service on a fresh database, its mails into a mailbox of its own."""
    store, clock = Store(), FixedClock()
    # Not one of those that a connection may take while the mailbox is down.
    sink = await start_smtp("127.0.0.1", free_port(), store)
    values: dict[str, Any] = {
        "environment": "local",
        "database_url": SecretStr(database_url),
        "amqp_url": SecretStr(amqp_url or "amqp://nowhere"),
        "smtp_host": "127.0.0.1",
        "smtp_port": sink.port,
        "public_url": PUBLIC + "/",
    }
    app = create_app(
        NotificationsSettings(**values | changes),
        broker=None if amqp_url else RabbitBroker(),
        clock=clock,
        verifier=a_verifier(),
    )
    world = World(app, store, sink, sink.port, clock)
    try:
        async with AsyncExitStack() as stack:
            if not amqp_url:
                await stack.enter_async_context(
                    TestRabbitBroker(app.state.parts.broker)
                )
            yield world
    finally:
        await world.sink.close()
        await engine_of(world.sessions).dispose()
        store.close()


def a_postman(port: int, **changes: Any) -> Postman:
    return Postman("127.0.0.1", port, hello="scrimline.example", **changes)


def text_of(mail: EmailMessage, subtype: str = "plain") -> str:
    """The text or HTML part."""
    part = mail.get_body((subtype,))
    assert part is not None
    content: str = part.get_content()
    return content


def calendar_of(mail: EmailMessage) -> Calendar:
    """The calendar beside the text; the attached file is the same."""
    [inline] = [p for p in mail.walk() if p.get_content_type() == "text/calendar"]
    [attached] = mail.iter_attachments()
    source = attached.get_content()
    assert inline.get_content().splitlines() == source.decode().splitlines()
    calendar = Calendar.from_ical(source)
    assert isinstance(calendar, Calendar)
    assert inline.get_param("method") == calendar["METHOD"]
    return calendar


def entry_of(mail: EmailMessage) -> Event:
    [entry] = calendar_of(mail).walk("VEVENT")
    assert isinstance(entry, Event)
    return entry
