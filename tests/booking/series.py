"""Series that a booking test starts from."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from shared.contracts import Money
from tests.booking import given
from tests.booking.given import START, Service

WEEK = timedelta(weeks=1)


def wanted(coach_id: UUID, count: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "coach_id": str(coach_id),
        "first_start": START.isoformat(),
        "count": count,
        "duration_minutes": 60,
    } | changes


def weeks(count: int, first: datetime = START) -> list[str]:
    return [(first + n * WEEK).isoformat() for n in range(count)]


async def preview(
    service: Service, coach_id: UUID, student_id: UUID | None = None, **body: Any
) -> dict[str, Any]:
    response = await service.http.post(
        "/v1/series/preview",
        json=wanted(coach_id, **body),
        headers=given.student(student_id),
    )
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def book(
    service: Service,
    coach_id: UUID,
    student_id: UUID | None = None,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx2.Response:
    asked = wanted(coach_id, **body)
    return await service.http.post(
        "/v1/series",
        json={"starts": weeks(asked["count"])} | asked,
        headers=given.student(student_id) | (headers or {}),
    )


async def a_series(
    service: Service, coach_id: UUID | None = None, **body: Any
) -> dict[str, Any]:
    coach_id = coach_id or await given.a_coach(service)
    response = await book(service, coach_id, **body)
    assert response.status_code == 201, response.text
    series: dict[str, Any] = response.json()
    return series


async def a_paid_series(service: Service, **options: Any) -> dict[str, Any]:
    series = await a_series(service, **options)
    await service.hear(a_payment(series))
    return await shown(service, series)


def a_payment(series: dict[str, Any], **changes: Any) -> Any:
    seats = [each["seat_id"] for each in series["sessions"]]
    paid = {"seat_ids": seats, "amount": Money(**series["price"])}
    return given.a_payment(series["sessions"][0], **(paid | changes))


def its_student(series: dict[str, Any]) -> dict[str, str]:
    return given.student(UUID(series["student_id"]))


async def shown(service: Service, series: dict[str, Any]) -> dict[str, Any]:
    response = await service.http.get(
        f"/v1/series/{series['id']}", headers=its_student(series)
    )
    assert response.status_code == 200, response.text
    view: dict[str, Any] = response.json()
    return view


async def cancel(
    service: Service, series: dict[str, Any], **body: Any
) -> httpx2.Response:
    path = f"/v1/series/{series['id']}/cancel"
    return await service.http.post(path, json=body, headers=its_student(series))


def statuses(series: dict[str, Any]) -> list[str]:
    return [each["status"] for each in series["sessions"]]
