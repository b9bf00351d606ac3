"""Things a booking test starts from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from shared.contracts import Event, Money
from shared.contracts.coaches import GameRate, ProfileChangedV1
from shared.contracts.payments import PaymentSucceededV1
from shared.db import Sessions, engine_of
from shared.ids import new_id
from shared.statements import Statement
from tests.given import NOW, FixedClock, bearer, deliver, published

START = NOW + timedelta(days=2)
"""A Wednesday at noon, inside the hours of `a_coach`."""

OPEN_ALL_DAY = {
    "timezone": "UTC",
    "rules": [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)],
}


@dataclass(frozen=True)
class Service:
    """Booking on a database of its own, with a clock that a test moves."""

    app: FastAPI
    http: httpx2.AsyncClient
    clock: FixedClock

    @property
    def sessions(self) -> Sessions:
        sessions: Sessions = self.app.state.sessions
        return sessions

    async def hear(self, *events: Event) -> None:
        """Deliver the events, one after the other, to the handlers."""
        await deliver(self.app.state.parts.broker, *events)

    async def said(self, *names: str) -> list[Any]:
        """The published events of these short names, such as `seat_held`; else all."""
        wanted = {f"booking.{name}.v1" for name in names}
        events = await published(self.sessions)
        return [each for each in events if not names or each.name in wanted]


@contextmanager
def counted_queries(service: Service) -> Iterator[list[str]]:
    """The statements that the service sends within the block."""
    engine = engine_of(service.sessions).sync_engine
    statements: list[str] = []
    fetch = Statement.fetch

    def count(*args: Any) -> None:
        statements.append(args[2])

    async def count_direct(statement: Statement, *args: Any, **kwargs: Any) -> Any:
        statements.append(statement.text)
        return await fetch(statement, *args, **kwargs)

    event.listen(engine, "before_cursor_execute", count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statement, "fetch", count_direct)
        yield statements
    event.remove(engine, "before_cursor_execute", count)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def student(user_id: UUID | None = None) -> dict[str, str]:
    return bearer(user_id or new_id(), "student")


def coach(user_id: UUID) -> dict[str, str]:
    return bearer(user_id, "coach")


def coach_of(session: dict[str, Any]) -> dict[str, str]:
    return coach(UUID(session["coach_id"]))


def admin() -> dict[str, str]:
    return bearer(new_id(), "admin")


def a_profile(coach_id: UUID, **changes: Any) -> ProfileChangedV1:
    """A listed coach at 60 dollars an hour, 90 for chess."""
    values: dict[str, Any] = {
        "occurred_at": NOW,
        "coach_id": coach_id,
        "version": 1,
        "display_name": "Kim",
        "verified": True,
        "listed": True,
        "accepting": True,
        "currency": "USD",
        "hourly_rate": 6000,
        "group_rate": None,
        "games": [GameRate(slug="chess", hourly_rate=9000)],
    }
    return ProfileChangedV1(**(values | changes))


async def a_coach(
    service: Service,
    *,
    schedule: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    **profile: Any,
) -> UUID:
    """A coach who works round the clock on the default terms, unless told otherwise."""
    coach_id = new_id()
    await service.hear(a_profile(coach_id, **profile))
    await put(service, coach_id, "schedule", schedule or OPEN_ALL_DAY)
    if policy is not None:
        await put(service, coach_id, "booking-policy", policy)
    return coach_id


GROUPS = {"enabled": True, "capacity": 3, "min_participants": 1}


async def a_coach_of_groups(
    service: Service, *, group: dict[str, Any] | None = None, **options: Any
) -> UUID:
    """Up to three students at 20 dollars an hour each, one is enough."""
    policy = options.pop("policy", {}) | {"group": GROUPS | (group or {})}
    return await a_coach(service, policy=policy, **({"group_rate": 2000} | options))


async def put(
    service: Service, coach_id: UUID, what: str, body: dict[str, Any]
) -> dict[str, Any]:
    response = await service.http.put(
        f"/v1/coaches/{coach_id}/{what}", json=body, headers=coach(coach_id)
    )
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def book(
    service: Service,
    coach_id: UUID,
    student_id: UUID | None = None,
    start: datetime = START,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx2.Response:
    """Ask for an hour with the coach."""
    wanted = {
        "coach_id": str(coach_id),
        "start": start.isoformat(),
        "duration_minutes": 60,
    }
    return await service.http.post(
        "/v1/sessions",
        json=wanted | body,
        headers=student(student_id) | (headers or {}),
    )


async def a_hold(
    service: Service,
    coach_id: UUID | None = None,
    student_id: UUID | None = None,
    start: datetime = START,
    **body: Any,
) -> dict[str, Any]:
    """The answer to a booking that succeeded."""
    coach_id = coach_id or await a_coach(service)
    response = await book(service, coach_id, student_id, start, **body)
    assert response.status_code == 201, response.text
    held: dict[str, Any] = response.json()
    return held


def a_payment(held: dict[str, Any], **changes: Any) -> PaymentSucceededV1:
    """All of the seat's price arrived."""
    values = {
        "occurred_at": NOW,
        "payment_id": new_id(),
        "seat_ids": [held["seat_id"]],
        "amount": Money(**held["price"]),
        "at": NOW,
    }
    return PaymentSucceededV1(**(values | changes))


async def a_confirmed_seat(service: Service, **options: Any) -> dict[str, Any]:
    """A seat that was held and paid for."""
    held = await a_hold(service, **options)
    await service.hear(a_payment(held))
    return await shown(service, held)


async def shown(service: Service, session: dict[str, Any]) -> dict[str, Any]:
    """The session as its student sees it now."""
    response = await service.http.get(
        f"/v1/sessions/{session['id']}", headers=student(UUID(session["student_id"]))
    )
    assert response.status_code == 200, response.text
    view: dict[str, Any] = response.json()
    return view
