"""What the database refuses, whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import Status
from services.booking.models import Move, Seat, Session
from shared.ids import new_id
from tests.booking.given import START, Service
from tests.given import NOW

HOUR = timedelta(hours=1)


@pytest.fixture
async def session(service: Service) -> AsyncIterator[AsyncSession]:
    async with service.sessions() as session:
        yield session


def a_session(
    coach_id: UUID,
    start: datetime = START,
    status: Status = Status.HELD,
    buffer: timedelta = timedelta(0),
) -> Session:
    return Session(
        coach_id=coach_id,
        starts_at=start,
        ends_at=start + HOUR,
        blocked_from=start - buffer,
        blocked_until=start + HOUR + buffer,
        status=status,
        kind="individual",
        game=None,
    )


def a_seat(session_id: UUID, student_id: UUID, start: datetime = START) -> Seat:
    return Seat(
        session_id=session_id,
        student_id=student_id,
        starts_at=start,
        ends_at=start + HOUR,
        status=Status.HELD,
        price=6000,
        currency="USD",
        fee_percent=15,
        tiers=[[24, 100]],
        goals=None,
        created_at=NOW,
        hold_expires_at=NOW + HOUR,
    )


@pytest.mark.parametrize("status", [Status.HELD, Status.CONFIRMED, Status.IN_PROGRESS])
async def test_a_coach_is_in_one_session_at_a_time(
    session: AsyncSession, status: Status
) -> None:
    coach_id = new_id()
    session.add(a_session(coach_id, status=status))
    await session.flush()
    session.add(a_session(coach_id, START + HOUR / 2))

    with pytest.raises(IntegrityError, match="a_coach_is_in_one_session_at_a_time"):
        await session.flush()


async def test_buffers_are_part_of_what_a_session_blocks(session: AsyncSession) -> None:
    coach_id = new_id()
    session.add(a_session(coach_id, buffer=timedelta(minutes=10)))
    await session.flush()
    session.add(a_session(coach_id, START + HOUR + timedelta(minutes=9)))

    with pytest.raises(IntegrityError, match="a_coach_is_in_one_session_at_a_time"):
        await session.flush()


@pytest.mark.parametrize("gone", [Status.CANCELLED, Status.EXPIRED])
async def test_what_ended_and_what_touches_is_free(
    session: AsyncSession, gone: Status
) -> None:
    coach_id = new_id()
    session.add(a_session(coach_id, status=gone))
    session.add(a_session(coach_id))
    session.add(a_session(coach_id, START + HOUR))
    session.add(a_session(new_id()))

    await session.flush()


async def test_a_student_is_in_one_session_at_a_time(session: AsyncSession) -> None:
    student_id = new_id()
    one, other = a_session(new_id()), a_session(new_id(), START + HOUR / 2)
    session.add_all([one, other])
    await session.flush()
    session.add(a_seat(one.id, student_id))
    await session.flush()
    session.add(a_seat(other.id, student_id, START + HOUR / 2))

    with pytest.raises(IntegrityError, match="a_student_is_in_one_session_at_a_time"):
        await session.flush()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"hold_expires_at": None}, "a_hold_runs_out"),
        (
            {"refund_amount": 6001, "refund_percent": 100, "refund_status": "pending"},
            "a_refund_is_part_of_the_price",
        ),
        ({"refund_amount": 10}, "a_refund_is_whole"),
        ({"status": Status.CANCELLED}, "somebody_cancelled_a_cancelled_seat"),
    ],
)
async def test_a_seat_makes_sense(
    session: AsyncSession, change: dict[str, object], rule: str
) -> None:
    booked = a_session(new_id())
    session.add(booked)
    await session.flush()
    seat = a_seat(booked.id, new_id())
    for name, value in change.items():
        setattr(seat, name, value)
    session.add(seat)

    with pytest.raises(IntegrityError, match=rule):
        await session.flush()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"capacity": 2}, "only_a_group_has_several_seats"),
        (
            {"kind": "group", "capacity": 2, "min_participants": 3},
            "a_session_has_room_for_those_it_needs",
        ),
        (
            {"kind": "group", "min_participants": 0},
            "a_session_has_room_for_those_it_needs",
        ),
        (
            {"kind": "group", "fate": Fate.CALLED_OFF},
            "what_was_called_off_does_not_take_place",
        ),
    ],
)
async def test_a_session_makes_sense(
    session: AsyncSession, change: dict[str, object], rule: str
) -> None:
    booked = a_session(new_id())
    for name, value in change.items():
        setattr(booked, name, value)
    session.add(booked)

    with pytest.raises(IntegrityError, match=rule):
        await session.flush()


async def a_group_of_two(session: AsyncSession) -> tuple[UUID, list[Seat]]:
    booked = a_session(new_id())
    booked.kind, booked.capacity = "group", 2
    session.add(booked)
    await session.flush()
    seats = [a_seat(booked.id, new_id()) for _ in range(3)]
    return booked.id, seats


async def test_a_session_has_a_place_for_every_seat(session: AsyncSession) -> None:
    _, seats = await a_group_of_two(session)
    session.add_all(seats[:2])
    await session.flush()
    session.add(seats[2])

    with pytest.raises(IntegrityError, match="a_session_has_a_place_for_every_seat"):
        await session.flush()


async def test_a_seat_that_returns_needs_a_place(session: AsyncSession) -> None:
    _, seats = await a_group_of_two(session)
    seats[2].status = Status.EXPIRED
    session.add_all(seats)
    await session.flush()
    seats[2].status = Status.CONFIRMED

    with pytest.raises(IntegrityError, match="a_session_has_a_place_for_every_seat"):
        await session.flush()


async def test_of_two_who_take_the_last_place_without_a_lock_one_does(
    service: Service,
) -> None:
    async with service.sessions.begin() as session:
        _, seats = await a_group_of_two(session)
        session.add(seats[0])

    async def take(seat: Seat) -> bool:
        try:
            async with service.sessions.begin() as session:
                session.add(seat)
        except IntegrityError:
            return False
        return True

    assert sorted(await asyncio.gather(*map(take, seats[1:]))) == [False, True]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE history SET by = 'me'", "DELETE FROM history", "TRUNCATE history"],
)
async def test_history_is_only_ever_added_to(
    session: AsyncSession, statement: str
) -> None:
    booked = a_session(new_id())
    seat = a_seat(booked.id, new_id())
    session.add(booked)
    await session.flush()
    session.add(seat)
    await session.flush()
    session.add(
        Move(
            seat_id=seat.id,
            at=NOW,
            from_status=None,
            to_status=Status.HELD,
            by="student",
            reason=None,
        )
    )
    await session.flush()

    with pytest.raises(DBAPIError, match="history is only ever added to"):
        await session.exec(text(statement))  # type: ignore[call-overload]
