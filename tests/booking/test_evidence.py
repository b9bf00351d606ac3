"""What shows that somebody came is kept once, and only while it counts."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from services.booking.actions.attendance import note_evidence
from services.booking.domain.attendance import Evidence, Side
from services.booking.models import Attendance, Seat, Session
from tests.booking import given
from tests.booking.given import START, Service

END = START + timedelta(hours=1)


async def comes(
    service: Service,
    held: dict[str, Any],
    party: Side,
    at: datetime,
    kind: Evidence = Evidence.JOINED,
) -> bool:
    async with service.sessions.begin() as session:
        booked = await session.get_one(Session, UUID(held["id"]))
        seat = await session.get_one(Seat, UUID(held["seat_id"]))
        mine = seat if party == "student" else None
        return await note_evidence(session, booked, mine, party, kind, at)


async def noted(service: Service) -> list[tuple[str, str, datetime]]:
    async with service.sessions() as session:
        rows = await session.exec(select(Attendance).order_by(col(Attendance.id)))
        return [(each.party, each.kind.value, each.at) for each in rows]


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (START - timedelta(minutes=15, microseconds=1), False),
        (START - timedelta(minutes=15), True),
        (START, True),
        (END, True),
        (END + timedelta(microseconds=1), False),
    ],
)
async def test_evidence_counts_from_a_quarter_of_an_hour_before_to_the_end(
    service: Service, at: datetime, counts: bool
) -> None:
    held = await given.a_hold(service)

    assert await comes(service, held, "student", at) is counts
    assert len(await noted(service)) == counts


async def test_coming_again_adds_nothing_and_the_first_time_is_kept(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    later = START + timedelta(minutes=1)

    for at in (START, later):
        for party in ("student", "coach"):
            assert await comes(service, held, party, at)
        assert await comes(service, held, "coach", at, Evidence.STARTED)

    assert await noted(service) == [
        ("student", "joined", START),
        ("coach", "joined", START),
        ("coach", "started", START),
    ]


async def test_coming_twice_at_once_is_noted_once(service: Service) -> None:
    held = await given.a_hold(service)

    clicks = [comes(service, held, "coach", START) for _ in range(8)]

    assert all(await asyncio.gather(*clicks))
    assert len(await noted(service)) == 1


async def test_what_was_seen_before_a_move_is_seen_anew_after_it(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    await comes(service, held, "coach", START)
    async with service.sessions.begin() as session:
        await session.exec(update(Session).values(start_version=2))

    await comes(service, held, "coach", START)

    assert len(await noted(service)) == 2


async def test_a_student_comes_to_a_seat_and_a_coach_to_the_session(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    nobody = await comes_without_seat(service, held)

    assert "a_student_comes_to_a_seat" in str(nobody)


async def comes_without_seat(
    service: Service, held: dict[str, Any]
) -> IntegrityError | None:
    async with service.sessions() as session:
        booked = await session.get_one(Session, UUID(held["id"]))
        try:
            await note_evidence(
                session, booked, None, "student", Evidence.JOINED, START
            )
        except IntegrityError as refused:
            return refused
    return None
