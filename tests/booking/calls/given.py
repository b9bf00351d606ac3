"""A house with providers of calls, and what happens in it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlmodel import col, select

from services.booking.actions import rooms
from services.booking.models import Room
from shared.contracts.accounts import UserRegisteredV1
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.calls.vendors import Vendors
from tests.booking.given import START, Service
from tests.given import NOW


@dataclass(frozen=True)
class House:
    service: Service
    vendors: Vendors

    async def tick(self) -> None:
        """The minute's tick, and then all that a worker finds due."""
        now = self.service.clock.now()
        tick = MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=None)
        await self.service.hear(tick)
        await self.work()

    async def work(self) -> int:
        app = self.service.app
        hosts = app.state.doorman.rooms
        return await rooms.attend_to_due(
            self.service.sessions, hosts, self.service.clock
        )

    async def rooms(self) -> list[Room]:
        async with self.service.sessions() as session:
            query = select(Room).order_by(col(Room.id))
            return list((await session.exec(query)).all())

    async def room(self) -> Room:
        [room] = await self.rooms()
        return room

    async def a_session(self, meeting: str = "daily", **policy: Any) -> dict[str, Any]:
        """A confirmed seat of Ada with Kim."""
        terms = {"meeting": meeting} | policy
        coach_id = await given.a_coach(self.service, policy=terms)
        student_id = new_id()
        await self.service.hear(
            a_user(coach_id, "Kim", roles=["coach"]), a_user(student_id, "Ada")
        )
        return await given.a_confirmed_seat(
            self.service, coach_id=coach_id, student_id=student_id
        )

    async def join(
        self, session: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """By the student, unless somebody else is named."""
        who = headers or given.student(UUID(session["student_id"]))
        return await self.service.http.post(
            f"/v1/sessions/{session['id']}/join", headers=who
        )

    async def joined(
        self, session: dict[str, Any], headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        response = await self.join(session, headers)
        assert response.status_code == 200, response.text
        ticket: dict[str, Any] = response.json()
        return ticket

    def at(self, before: timedelta) -> None:
        """Move to so long before START."""
        self.service.clock.advance(
            seconds=(START - before - self.service.clock.now()).total_seconds()
        )


def coach_of(session: dict[str, Any]) -> dict[str, str]:
    return given.coach(UUID(session["coach_id"]))


def a_user(user_id: UUID, name: str, **changes: Any) -> UserRegisteredV1:
    values: dict[str, Any] = {
        "occurred_at": NOW,
        "user_id": user_id,
        "version": 1,
        "email": f"{name.lower()}@mail.example",
        "email_verified": True,
        "display_name": name,
        "timezone": "Europe/Berlin",
        "locale": "en",
        "roles": ["student"],
        "suspended": False,
    }
    return UserRegisteredV1(**(values | changes))
