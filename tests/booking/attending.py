"""What people and time do to a session, for tests of its life."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlmodel import col, update

from services.booking import events
from services.booking.models import Seat, Session
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service

END = START + timedelta(hours=1)
DAY = timedelta(hours=24)


def minutes(after_start: float) -> datetime:
    return START + timedelta(minutes=after_start)


def people(session: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Everybody who might call, by what they are to the session."""
    return {
        "anonymous": {},
        "student": given.student(UUID(session["student_id"])),
        "other student": given.student(),
        "coach": given.coach(UUID(session["coach_id"])),
        "other coach": given.coach(new_id()),
        "admin": given.admin(),
    }


async def do(
    service: Service,
    session: dict[str, Any],
    verb: str,
    who: str = "coach",
    **body: Any,
) -> httpx2.Response:
    if verb == "no-show":
        body = {"party": "student"} | body
    if verb == "cancel":
        body = {"reason": "ill"} | body
    path = f"/v1/sessions/{session['id']}/{verb}"
    return await service.http.post(path, json=body, headers=people(session)[who])


async def done(
    service: Service,
    session: dict[str, Any],
    verb: str,
    who: str = "coach",
    **body: Any,
) -> dict[str, Any]:
    """As `do`, of what is allowed."""
    response = await do(service, session, verb, who, **body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def a_tick(at: datetime) -> MinuteTickV1:
    return MinuteTickV1(occurred_at=at, due_at=at, previous_due_at=None)


async def tick(service: Service, at: datetime | None = None) -> None:
    """The minute's tick of that instant, to which the clock is moved; default: now."""
    if at is not None:
        await service.clock.until(at)
    due = a_tick(service.clock.now())
    async with service.sessions.begin() as session:
        await events.on_minute_tick_of_outcomes(due, session, service.clock.now())


async def came(service: Service, session: dict[str, Any], *who: str) -> None:
    """These check in at the start."""
    await service.clock.until(START)
    for each in who:
        await done(service, session, "check-in", each)


async def a_missed_seat(
    service: Service, missed: str = "student", **options: Any
) -> dict[str, Any]:
    """A seat whose no-show is provisional, decided by the tick."""
    seat = await given.a_confirmed_seat(service, **options)
    present = {"student": ["coach"], "coach": ["student"], "both": []}[missed]
    await came(service, seat, *present)
    at = END + timedelta(hours=2) if missed == "both" else minutes(15)
    await tick(service, at)
    view = await given.shown(service, seat)
    assert view["no_show"] == missed
    return view


async def in_status(service: Service, status: str) -> dict[str, Any]:
    """A session whose seat is in that status, put there by hand where time would."""
    held = await given.a_hold(service)
    if status == "held":
        return held
    if status == "expired":
        values: dict[str, Any] = {"status": "expired"}
    else:
        await service.hear(given.a_payment(held))
        values = {"status": status}
    if status == "cancelled":
        values["cancelled_by"] = "student"
    if status == "no_show":
        values |= {"no_show": "student", "provisional_until": END + DAY}
    async with service.sessions.begin() as session:
        seat = update(Seat).where(col(Seat.id) == UUID(held["seat_id"]))
        await session.exec(seat.values(values))
        booked = update(Session).where(col(Session.id) == UUID(held["id"]))
        await session.exec(booked.values(status=status))
    return await given.shown(service, held)


async def a_group(service: Service, size: int = 3) -> list[dict[str, Any]]:
    """The seats of a confirmed group, each as its student sees it; paid but for one."""
    first = await given.a_confirmed_seat(service)
    rows = []
    async with service.sessions.begin() as session:
        booked = await session.get_one(Session, UUID(first["id"]))
        booked.kind, booked.capacity = "group", size
        await session.flush()
        seat = await session.get_one(Seat, UUID(first["seat_id"]))
        for _ in range(size - 1):
            values = seat.model_dump() | {"id": new_id(), "student_id": new_id()}
            rows.append(Seat(**values | {"payment_id": new_id()}))
        session.add_all(rows)
    others = [first | {"student_id": str(each.student_id)} for each in rows]
    return [await given.shown(service, each) for each in [first, *others]]
