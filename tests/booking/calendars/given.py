"""A house whose coaches have calendars of their own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
from icalendar import Calendar, Event

from services.booking.actions import busy_calendars
from shared.contracts.scheduler import MinuteTickV1
from tests.booking import given
from tests.booking.calendars.hosts import Host
from tests.booking.given import Service

WEDNESDAY = "2026-06-17"


@dataclass(frozen=True)
class House:
    service: Service
    host: Host

    async def work(self) -> int:
        """What the worker finds due."""
        app = self.service.app
        return await busy_calendars.read_due(
            self.service.sessions, app.state.calendars, self.service.clock
        )

    async def tick(self) -> int:
        now = self.service.clock.now()
        await self.service.hear(
            MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=None)
        )
        return await self.work()

    async def subscribe(
        self, coach_id: UUID, path: str = "/kim.ics", name: str = "private"
    ) -> dict[str, Any]:
        answer = await self.service.http.put(
            f"/v1/coaches/{coach_id}/busy-calendars/{name}",
            json={"url": self.host.url + path},
            headers=given.coach(coach_id),
        )
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    async def shown(self, coach_id: UUID) -> list[dict[str, Any]]:
        answer = await self.service.http.get(
            f"/v1/coaches/{coach_id}/busy-calendars", headers=given.coach(coach_id)
        )
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def starts(self, coach_id: UUID, day: str = WEDNESDAY) -> list[str]:
        """The hours of the day at which the coach can be booked, in UTC."""
        answer = await self.service.http.get(
            f"/v1/coaches/{coach_id}/slots?from={day}&to={day}&timezone=UTC"
        )
        assert answer.status_code == 200, answer.text
        return [
            slot["start"][11:16]
            for each in answer.json()["days"]
            for slot in each["slots"]
        ]


def events(response: httpx2.Response) -> list[Event]:
    assert response.status_code == 200, response.text
    calendar = Calendar.from_ical(response.content)
    assert isinstance(calendar, Calendar)
    return list(calendar.events)
