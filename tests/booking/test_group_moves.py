"""A group moves with the seats that accept; the others get everything back."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.moving import (
    LATER,
    answer,
    coach_of,
    propose,
    reschedule,
    student_of,
    tick,
)
from tests.booking.test_group_cancellation import a_group, send, statuses
from tests.booking.test_groups_api import a_seat, as_coach

HOUR = timedelta(hours=1)

Json = dict[str, Any]


async def asked(
    service: Service, paid: int, held: int = 0, **group: Any
) -> tuple[list[Json], Json]:
    """The seats of a group, and the coach's open proposal to them."""
    _, seats = await a_group(service, paid, held, **group)
    response = await propose(service, seats[0], coach_of(seats[0]))
    assert response.status_code == 201, response.text
    return seats, response.json()


async def say(service: Service, seat: Json, proposal: Json, how: str) -> Json:
    response = await answer(service, seat, proposal, how, student_of(seat))
    assert response.status_code == 200, response.text
    said: Json = response.json()
    return said


async def starts(service: Service, seats: list[Json]) -> list[Any]:
    views = [await given.shown(service, seat) for seat in seats]
    return [given.instant(view["start"]) for view in views]


async def test_a_group_waits_for_all_its_seats_and_then_moves(
    service: Service,
) -> None:
    seats, made = await asked(service, 3)

    first = await say(service, seats[0], made, "accept")
    await say(service, seats[1], made, "accept")
    before = await starts(service, seats)
    last = await say(service, seats[2], made, "accept")

    assert first["status"] == "open"
    assert before == [START] * 3
    assert last["status"] == "accepted"
    assert await starts(service, seats) == [LATER] * 3
    assert await statuses(service, seats) == ["confirmed"] * 3
    [moved] = await service.said("session_moved")
    assert set(moved.seat_ids) == {UUID(seat["seat_id"]) for seat in seats}
    assert moved.student_ids == tuple(
        UUID(next(s for s in seats if s["seat_id"] == str(seat_id))["student_id"])
        for seat_id in moved.seat_ids
    )
    assert (moved.by, moved.kind) == ("coach", "group")


async def test_who_declines_gets_everything_back_and_the_others_move(
    service: Service,
) -> None:
    seats, made = await asked(service, 3)
    await service.clock.until(START - 26 * HOUR)

    for seat, how in zip(seats, ("accept", "decline", "accept"), strict=True):
        await say(service, seat, made, how)

    assert await statuses(service, seats) == ["confirmed", "cancelled", "confirmed"]
    [cancelled] = await service.said("seat_cancelled")
    [moved] = await service.said("session_moved")
    assert (cancelled.by, cancelled.refund.percent) == ("coach", 100)
    assert str(cancelled.seat_id) == seats[1]["seat_id"]
    assert cancelled.start == START, "the mail says which time is given up"
    assert cancelled.sequence < moved.sequence
    assert UUID(seats[1]["seat_id"]) not in moved.seat_ids
    view = await as_coach(service, UUID(seats[0]["coach_id"]), seats[0]["id"])
    assert (view["seats_left"], view["start_version"]) == (1, 2)


async def test_a_group_of_which_nobody_accepts_stays(service: Service) -> None:
    seats, made = await asked(service, 2)

    await say(service, seats[0], made, "decline")
    last = await say(service, seats[1], made, "decline")

    assert last["status"] == "declined"
    assert await starts(service, seats) == [START] * 2
    assert await statuses(service, seats) == ["confirmed"] * 2
    [told] = await service.said("proposal_answered")
    assert told.status == "declined"


async def test_silence_until_the_end_is_no_consent(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "accept")
    assert given.instant(made["expires_at"]) == START - 24 * HOUR
    await service.clock.until(START - 24 * HOUR)
    waiting = (await given.shown(service, seats[0]))["proposals"]
    too_late = await answer(service, seats[1], made, "accept", student_of(seats[1]))

    await tick(service)
    await tick(service)

    assert waiting[0]["status"] == "open", "accepted by one: to be carried out"
    assert too_late.json()["slug"] == "proposal-closed"
    assert await statuses(service, seats) == ["confirmed", "cancelled"]
    assert (await starts(service, seats))[0] == LATER
    assert len(await service.said("session_moved")) == 1
    [cancelled] = await service.said("seat_cancelled")
    assert (cancelled.by, cancelled.refund.percent) == ("coach", 100)
    [told] = await service.said("proposal_answered")
    assert told.status == "accepted"


async def test_a_group_that_only_keeps_silent_stays(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "decline")
    await service.clock.until(START - 24 * HOUR)

    await tick(service)

    assert await starts(service, seats) == [START] * 2
    [told] = await service.said("proposal_answered")
    assert told.status == "expired"


async def test_the_last_one_to_answer_may_leave_instead(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "accept")
    await send(service, student_of(seats[1]), seats[1])

    await tick(service)

    assert (await starts(service, seats))[0] == LATER
    [moved] = await service.said("session_moved")
    assert moved.seat_ids == (UUID(seats[0]["seat_id"]),)


async def test_what_is_not_paid_for_does_not_move_along(service: Service) -> None:
    seats, made = await asked(service, 1, held=1)

    unpaid = await answer(service, seats[1], made, "accept", student_of(seats[1]))
    await say(service, seats[0], made, "accept")
    await service.hear(given.a_payment(seats[1]))

    assert unpaid.json()["slug"] == "wrong-status"
    assert await statuses(service, seats) == ["confirmed", "cancelled"]
    [refused] = await service.said("payment_refused")
    assert refused.reason == "cancelled"


async def test_money_for_a_seat_that_ran_out_before_the_move_goes_back(
    service: Service,
) -> None:
    seats, made = await asked(service, 1, held=1)
    service.clock.advance(minutes=15)
    await tick(service)
    await say(service, seats[0], made, "accept")

    await service.hear(given.a_payment(seats[1]))

    [refused] = await service.said("payment_refused")
    assert refused.reason == "moved"
    assert (await given.shown(service, seats[1]))["status"] == "expired"


async def test_a_seat_that_accepted_and_is_elsewhere_by_then_gets_everything_back(
    service: Service,
) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "accept")
    await given.a_confirmed_seat(
        service, student_id=UUID(seats[0]["student_id"]), start=LATER
    )

    await say(service, seats[1], made, "accept")

    assert await statuses(service, seats) == ["cancelled", "confirmed"]
    assert (await starts(service, seats))[1] == LATER


async def test_a_time_that_is_gone_at_the_end_moves_nobody(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "accept")
    coach_id = UUID(seats[0]["coach_id"])
    await given.a_confirmed_seat(service, coach_id=coach_id, start=LATER)

    lost = await answer(service, seats[1], made, "accept", student_of(seats[1]))
    await say(service, seats[1], made, "decline")

    assert lost.json()["slug"] == "slot-taken"
    assert await starts(service, seats) == [START] * 2
    assert await statuses(service, seats) == ["confirmed"] * 2
    [told] = await service.said("proposal_answered")
    assert told.status == "expired"


async def test_no_seat_sees_the_answer_of_another(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "accept")

    own, other = [(await given.shown(service, seat))["proposals"][0] for seat in seats]
    view = await as_coach(service, UUID(seats[0]["coach_id"]), seats[0]["id"])

    assert [each["seat_id"] for each in own["answers"]] == [seats[0]["seat_id"]]
    assert other["answers"] == []
    assert len(view["proposals"][0]["answers"]) == 1


async def test_a_seat_answers_once(service: Service) -> None:
    seats, made = await asked(service, 2)
    await say(service, seats[0], made, "decline")

    again = await answer(service, seats[0], made, "accept", student_of(seats[0]))

    assert (again.status_code, again.json()["slug"]) == (409, "proposal-closed")


async def test_students_never_move_a_group(service: Service) -> None:
    _, seats = await a_group(service, 2)

    moved = await reschedule(service, seats[0])
    proposed = await propose(service, seats[0], student_of(seats[0]))

    assert moved.status_code == proposed.status_code == 409
    assert moved.json()["slug"] == proposed.json()["slug"] == "group-not-moved"


async def test_who_moved_along_cancels_free_until_the_new_start(
    service: Service,
) -> None:
    seats, made = await asked(service, 1)
    await say(service, seats[0], made, "accept")
    await service.clock.until(LATER - HOUR)

    path = f"/v1/sessions/{seats[0]['id']}/cancel/timeline"
    shown = await service.http.get(path, headers=student_of(seats[0]))

    [step] = shown.json()["steps"]
    assert (step["percent"], step["rule"]) == (100, "moved by coach")
    assert given.instant(step["until"]) == LATER


async def test_the_coach_names_the_seat_whose_timeline_it_asks_for(
    service: Service,
) -> None:
    _, seats = await a_group(service, 2)
    path = f"/v1/sessions/{seats[0]['id']}/cancel/timeline"
    coach = coach_of(seats[0])

    which = await service.http.get(path, headers=coach)
    one = await service.http.get(
        path, params={"seat_id": seats[1]["seat_id"]}, headers=coach
    )

    assert which.json()["errors"][0]["field"] == "query.seat_id"
    assert one.json()["steps"][0]["percent"] == 100


async def test_the_old_time_is_free_once_the_group_has_moved(service: Service) -> None:
    seats, made = await asked(service, 1)
    await say(service, seats[0], made, "accept")
    coach_id = UUID(seats[0]["coach_id"])

    joined = await a_seat(service, coach_id, start=LATER)
    await service.hear(given.a_payment(joined))
    alone = await given.book(service, coach_id, start=START)

    assert joined["id"] == seats[0]["id"]
    [moved] = await service.said("session_moved")
    _, confirmed = await service.said("seat_confirmed")
    assert (confirmed.start_version, confirmed.sequence) == (2, moved.sequence)
    assert alone.status_code == 201


@pytest.mark.parametrize("answers", [("accept", "decline"), ("decline", "accept")])
async def test_the_order_of_answers_does_not_matter(
    service: Service, answers: tuple[str, str]
) -> None:
    seats, made = await asked(service, 2)

    for seat, how in zip(seats, answers, strict=True):
        await say(service, seat, made, how)

    left = await statuses(service, seats)
    assert left == ["confirmed" if how == "accept" else "cancelled" for how in answers]
