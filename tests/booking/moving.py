"""Moves and proposals as clients ask for them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from shared.contracts.scheduler import MinuteTickV1
from tests.booking import given
from tests.booking.given import START, Service

LATER = START + timedelta(days=3)
"""A Saturday at noon."""

LATE = START - timedelta(hours=10)
"""When it is too late to move alone on the default terms."""

SILENT = {"X-Nothing": "1"}
"""The headers of somebody who is not signed in."""

Json = dict[str, Any]


def student_of(session: Json) -> dict[str, str]:
    return given.student(UUID(session["student_id"]))


def coach_of(session: Json) -> dict[str, str]:
    return given.coach(UUID(session["coach_id"]))


async def reschedule(
    service: Service,
    session: Json,
    start: datetime = LATER,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx2.Response:
    return await service.http.post(
        f"/v1/sessions/{session['id']}/reschedule",
        json={"start": start.isoformat()} | body,
        headers=headers or student_of(session),
    )


async def propose(
    service: Service,
    session: Json,
    headers: dict[str, str],
    start: datetime = LATER,
    **body: Any,
) -> httpx2.Response:
    return await service.http.post(
        f"/v1/sessions/{session['id']}/proposals",
        json={"start": start.isoformat()} | body,
        headers=headers,
    )


async def a_proposal(
    service: Service,
    session: Json,
    by: str = "coach",
    start: datetime = LATER,
    **body: Any,
) -> Json:
    """One of this side that is open now."""
    headers = coach_of(session) if by == "coach" else student_of(session)
    response = await propose(service, session, headers, start, **body)
    assert response.status_code == 201, response.text
    proposal: Json = response.json()
    return proposal


async def answer(
    service: Service,
    session: Json,
    proposal: Json,
    how: str,
    headers: dict[str, str],
) -> httpx2.Response:
    """`how`: accept or decline."""
    path = f"/v1/sessions/{session['id']}/proposals/{proposal['id']}/{how}"
    return await service.http.post(path, headers=headers)


async def agree(service: Service, session: Json, proposal: Json) -> Json:
    """The other side accepts; the session as its student sees it then."""
    asked = coach_of if proposal["proposed_by"] == "student" else student_of
    response = await answer(service, session, proposal, "accept", asked(session))
    assert response.status_code == 200, response.text
    return await given.shown(service, session)


async def open_ones(service: Service, session: Json) -> list[Json]:
    """The proposals that wait for an answer, as the student sees them."""
    view = await given.shown(service, session)
    return [each for each in view["proposals"] if each["status"] == "open"]


async def percent(service: Service, session: Json) -> int:
    """What cancelling gives the student now."""
    response = await service.http.get(
        f"/v1/sessions/{session['id']}/cancel/quote", headers=student_of(session)
    )
    assert response.status_code == 200, response.text
    found: int = response.json()["percent"]
    return found


async def a_late_one(service: Service, **options: Any) -> dict[str, Any]:
    """A paid session, at a time when its student needs a proposal."""
    paid = await given.a_confirmed_seat(service, **options)
    await service.clock.until(LATE)
    return paid


async def tick(service: Service) -> None:
    """The minute's tick of this instant."""
    await service.hear(
        MinuteTickV1(
            occurred_at=service.clock.now(),
            due_at=service.clock.now(),
            previous_due_at=None,
        )
    )
