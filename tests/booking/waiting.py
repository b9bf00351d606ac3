"""The line for a coach, as a booking test stands in it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from shared.contracts.booking import SeatCancelledV1, SeatExpiredV1, WaitlistDueV1
from shared.contracts.scheduler import MinuteTickV1
from tests.booking import given
from tests.booking.given import START, Service

HOUR = timedelta(hours=1)
ONE_HOUR_A_DAY = {
    "timezone": "UTC",
    "rules": [{"weekday": day, "start": "12:00", "end": "13:00"} for day in range(7)],
}


async def a_coach(service: Service, **options: Any) -> UUID:
    """With one hour a day, from noon."""
    return await given.a_coach(service, schedule=ONE_HOUR_A_DAY, **options)


async def join(
    service: Service,
    coach_id: UUID,
    student_id: UUID | None = None,
    since: datetime = START,
    until: datetime = START + HOUR,
    **body: Any,
) -> httpx2.Response:
    wanted = {
        "from": since.isoformat(),
        "to": until.isoformat(),
        "duration_minutes": 60,
    }
    return await service.http.post(
        f"/v1/coaches/{coach_id}/waitlist",
        json=wanted | body,
        headers=given.student(student_id),
    )


async def a_wait(service: Service, *args: Any, **options: Any) -> dict[str, Any]:
    response = await join(service, *args, **options)
    assert response.status_code == 201, response.text
    entry: dict[str, Any] = response.json()
    return entry


async def entries(service: Service, student_id: UUID) -> list[dict[str, Any]]:
    response = await service.http.get(
        "/v1/me/waitlist", headers=given.student(student_id)
    )
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["items"]
    return found


async def statuses(service: Service, *students: UUID) -> list[str]:
    """Of each student's newest entry."""
    return [(await entries(service, each))[0]["status"] for each in students]


def tick(service: Service) -> MinuteTickV1:
    now = service.clock.now()
    return MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=None)


async def pass_minutes(service: Service, minutes: int) -> None:
    service.clock.advance(minutes=minutes)
    await relay(service, tick(service))


async def relay(service: Service, *news: Any) -> None:
    """Deliver the news, and what booking says of it to itself."""
    heard = {each.event_id for each in await service.said()}
    await service.hear(*news)
    own = (WaitlistDueV1, SeatCancelledV1, SeatExpiredV1)
    while fresh := [
        each
        for each in await service.said()
        if each.event_id not in heard and isinstance(each, own)
    ]:
        heard |= {each.event_id for each in fresh}
        await service.hear(*fresh)


async def give_up(service: Service, held: dict[str, Any]) -> None:
    """Its student cancels, and booking hears of it."""
    response = await service.http.post(
        f"/v1/sessions/{held['id']}/cancel",
        json={},
        headers=given.student(UUID(held["student_id"])),
    )
    assert response.status_code == 200, response.text
    await relay(service, (await service.said("seat_cancelled"))[-1])


async def handle(service: Service, handler: Any, event: Any) -> None:
    """Deliver one event beside others that are being handled."""
    async with service.sessions.begin() as session:
        await handler(event, session, service.clock.now())
