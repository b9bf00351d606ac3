"""People and ticks at once: one outcome, said once, and no deadlock."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from services.booking import events
from services.booking.models import Seat, Session
from tests.booking import given
from tests.booking.attending import (
    DAY,
    END,
    a_group,
    a_missed_seat,
    a_tick,
    came,
    do,
    minutes,
)
from tests.booking.given import Service
from tests.booking.test_races import deadlocks


async def ticks(service: Service, times: int = 4) -> None:
    """As many ticks of this instant at once."""
    due = a_tick(service.clock.now())

    async def one() -> None:
        async with service.sessions.begin() as session:
            await events.on_minute_tick_of_outcomes(due, session, service.clock.now())

    await asyncio.gather(*(one() for _ in range(times)))


async def outcomes(service: Service) -> Counter[tuple[str, str, bool]]:
    said = await service.said("seat_missed", "seat_completed")
    return Counter((str(each.seat_id), each.outcome, each.final) for each in said)


async def test_ticks_at_once_decide_finish_and_remind_once(service: Service) -> None:
    coach_id = await given.a_coach(service)
    seats = [
        await given.a_confirmed_seat(
            service, coach_id=coach_id, start=minutes(60 * each)
        )
        for each in range(6)
    ]
    seats += await a_group(service)
    for at in (minutes(5), END, END + DAY / 2, END + 3 * DAY):
        await service.clock.until(at)
        await ticks(service)
        await ticks(service, 1)  # what two had locked for each other

    found = await outcomes(service)
    assert set(found.values()) == {1}
    assert len(found) == 2 * len(seats)
    nudges = Counter(
        (each.session_id, each.party, each.seat_id)
        for each in await service.said("attendance_missing")
    )
    assert set(nudges.values()) == {1}
    assert await deadlocks(service) == 0


async def test_what_somebody_only_points_at_is_decided_by_this_tick(
    service: Service,
) -> None:
    await given.a_confirmed_seat(service)
    await service.clock.until(END + DAY / 2)
    async with service.sessions.begin() as other:
        for kind in (Session, Seat):
            pointed_at = select(kind).with_for_update(read=True, key_share=True)
            assert (await other.exec(pointed_at)).all()

        await ticks(service, 1)

    assert len(await outcomes(service)) == 1


async def test_what_somebody_is_just_changing_is_decided_and_final_by_their_ticks(
    service: Service,
) -> None:
    await given.a_confirmed_seat(service)
    for at in (END + DAY / 2, END + 3 * DAY):
        await service.clock.until(at)
        is_locked = asyncio.Event()
        changing = asyncio.create_task(change(service, is_locked))
        await is_locked.wait()
        await ticks(service, 1)
        await changing

    found = await outcomes(service)
    assert sorted(final for _, _, final in found) == [False, True]


async def change(service: Service, is_locked: asyncio.Event) -> None:
    async with service.sessions.begin() as other:
        await other.exec(select(Seat).with_for_update())
        is_locked.set()
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("verb", ["contest", "waive"])
async def test_of_a_no_show_one_side_and_the_tick_have_one_outcome(
    service: Service, verb: str
) -> None:
    missed = await a_missed_seat(service, "student")
    who = "student" if verb == "contest" else "coach"
    # the request read the clock just before the no-show became final
    await service.clock.until(minutes(15) + DAY)
    late = a_tick(service.clock.now())
    service.clock._now = minutes(15) + DAY - timedelta(seconds=1)

    async def finish() -> None:
        async with service.sessions.begin() as session:
            await events.on_minute_tick_of_outcomes(late, session, late.due_at)

    answers = await asyncio.gather(
        do(service, missed, verb, who), finish(), do(service, missed, verb, who)
    )

    slugs = [each.json().get("slug") for each in answers if each is not None]
    found = {key[1:] for key in await outcomes(service)}
    view = await given.shown(service, missed)
    if None in slugs:
        assert sorted(slugs, key=str) == [None, "wrong-status"]
        assert found == {("student", False), ("completed", True)}
        assert view["status"] == "completed"
    else:
        assert slugs == ["too-late", "too-late"]
        assert found == {("student", False), ("student", True)}
        assert view["status"] == "no_show"
    assert set((await outcomes(service)).values()) == {1}
    assert await deadlocks(service) == 0


async def test_everything_at_once_ends_in_one_outcome(service: Service) -> None:
    coach_id = await given.a_coach(service)
    seats = [
        await given.a_confirmed_seat(
            service, coach_id=coach_id, start=minutes(60 * each)
        )
        for each in range(4)
    ]
    group = await a_group(service)
    await came(service, group[0], "student")
    await service.clock.until(minutes(15))
    moves: list[Any] = [ticks(service)]
    for each in [seats[0], *group]:
        moves += [
            do(service, each, "check-in", "student"),
            do(service, each, "no-show", seat_id=each["seat_id"]),
            do(service, each, "cancel"),
            do(service, each, "start"),
            do(service, each, "problem", "student"),
        ]

    answers = await asyncio.gather(*moves)

    codes = {each.status_code for each in answers if each is not None}
    assert codes <= {200, 409, 422}
    found = await outcomes(service)
    assert set(found.values()) <= {1}
    assert len(await service.said("problem_reported")) == 4
    assert await deadlocks(service) == 0


async def test_strikes_of_a_tick_and_of_cancels_at_once_all_count(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    seats = [
        await given.a_confirmed_seat(
            service, coach_id=coach_id, start=minutes(60 * each)
        )
        for each in range(3)
    ]
    await came(service, seats[0], "student")

    await asyncio.gather(*(do(service, each, "cancel") for each in seats))
    await ticks(service)

    assert len(await service.said("coach_paused")) == 1
    assert await deadlocks(service) == 0
