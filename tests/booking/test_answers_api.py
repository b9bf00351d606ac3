"""What becomes of a proposal: accepted, declined, run out, overtaken."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.moving import (
    LATER,
    SILENT,
    a_late_one,
    a_proposal,
    agree,
    answer,
    coach_of,
    open_ones,
    percent,
    propose,
    reschedule,
    student_of,
    tick,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def test_accepting_moves_the_session(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid, reason="a tournament")

    response = await answer(service, paid, made, "accept", student_of(paid))

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "accepted"
    view = await given.shown(service, paid)
    assert given.instant(view["start"]) == LATER
    assert view["start_version"] == 2
    [step] = view["moves"]
    assert (step["by"], step["proposal_id"]) == ("coach", made["id"])
    [moved] = await service.said("session_moved")
    assert (moved.by, moved.reason, moved.sequence) == ("coach", "a tournament", 1)
    [told] = await service.said("proposal_answered")
    assert (told.status, told.by, told.overtaken) == ("accepted", "coach", False)
    assert (told.old_start, told.start) == (START, LATER)


async def test_declining_moves_nothing(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)

    response = await answer(service, paid, made, "decline", student_of(paid))

    assert response.json()["status"] == "declined"
    assert response.json()["answers"] == [
        {
            "seat_id": paid["seat_id"],
            "accepted": False,
            "at": "2026-06-15T12:00:00Z",
        }
    ]
    assert (await given.shown(service, paid))["start"] == paid["start"]
    assert not await service.said("session_moved")
    [told] = await service.said("proposal_answered")
    assert told.status == "declined"


async def test_a_late_student_proposes_and_the_coach_accepts(service: Service) -> None:
    paid = await a_late_one(service)
    made = await a_proposal(service, paid, "student")

    view = await agree(service, paid, made)

    assert made["proposed_by"] == "student"
    assert given.instant(view["start"]) == LATER
    [moved] = await service.said("session_moved")
    assert moved.by == "student"


async def test_a_late_move_that_the_coach_accepts_does_not_launder_a_late_cancel(
    service: Service,
) -> None:
    paid = await a_late_one(service)
    await agree(service, paid, await a_proposal(service, paid, "student"))
    await service.clock.until(LATER - 40 * HOUR)

    response = await service.http.post(
        f"/v1/sessions/{paid['id']}/cancel", json={}, headers=student_of(paid)
    )

    assert response.json()["refund"]["percent"] == 0
    [cancelled] = await service.said("seat_cancelled")
    assert (cancelled.refund.amount, cancelled.refund.rule) == (0, "moved")


async def test_the_mark_is_taken_when_the_coach_accepts(service: Service) -> None:
    """Not when the student asked: the coach may have lost the time since then."""
    policy = {"cancellation_tiers": [[48, 100], [24, 50], [0, 0]]}
    coach_id = await given.a_coach(service, policy=policy)
    paid = await given.a_confirmed_seat(service, coach_id=coach_id)
    await service.clock.until(START - 30 * HOUR)
    made = await a_proposal(service, paid, "student")
    await service.clock.until(START - 20 * HOUR)

    await agree(service, paid, made)

    await service.clock.until(LATER - 60 * HOUR)
    assert await percent(service, paid) == 0


async def test_a_move_of_the_coachs_is_free_to_cancel_until_the_new_start(
    service: Service,
) -> None:
    paid = await a_late_one(service)
    await agree(service, paid, await a_proposal(service, paid, "student"))
    await agree(service, paid, await a_proposal(service, paid, start=LATER + DAY))
    await service.clock.until(LATER + DAY - timedelta(seconds=1))

    quoted = await service.http.get(
        f"/v1/sessions/{paid['id']}/cancel/quote", headers=student_of(paid)
    )

    assert quoted.json()["percent"] == 100
    assert quoted.json()["tier"] == "moved by coach"
    assert given.instant(quoted.json()["free_until"]) == LATER + DAY


async def test_the_students_own_next_move_ends_that(service: Service) -> None:
    paid = await a_late_one(service)
    await agree(service, paid, await a_proposal(service, paid))
    moved = await reschedule(service, paid, LATER + DAY)
    await service.clock.until(LATER + DAY - HOUR)

    assert moved.status_code == 200
    assert await percent(service, paid) == 0


async def test_a_time_that_was_lost_meanwhile_is_not_accepted(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)
    await given.a_hold(service, UUID(paid["coach_id"]), start=LATER)

    response = await answer(service, paid, made, "accept", student_of(paid))

    assert (response.status_code, response.json()["slug"]) == (409, "slot-taken")
    assert response.json()["alternatives"]
    assert len(await open_ones(service, paid)) == 1
    service.clock.advance(minutes=15)
    assert (await agree(service, paid, made))["start_version"] == 2


async def test_notice_that_ran_while_the_coach_thought_does_not_stop_it(
    service: Service,
) -> None:
    paid = await a_late_one(service)
    soon = service.clock.now() + 3 * HOUR
    made = await a_proposal(service, paid, "student", soon)
    await service.clock.until(soon - HOUR / 2)

    assert given.instant((await agree(service, paid, made))["start"]) == soon


@pytest.mark.parametrize("how", ["accept", "decline"])
async def test_an_answer_counts_once(service: Service, how: str) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)
    await answer(service, paid, made, how, student_of(paid))

    again = [
        await answer(service, paid, made, each, student_of(paid))
        for each in ("accept", "decline")
    ]

    status = {"accept": "accepted", "decline": "declined"}[how]
    for each in again:
        assert (each.status_code, each.json()["slug"]) == (409, "proposal-closed")
        assert each.json()["proposal_status"] == status
    assert len(await service.said("proposal_answered")) == 1


async def test_a_proposal_runs_out_on_every_read_and_by_tick(service: Service) -> None:
    paid = await given.a_confirmed_seat(service, start=START + 4 * DAY)
    made = await a_proposal(service, paid, start=START + 5 * DAY)
    service.clock.advance(days=2, seconds=-1)
    before = await open_ones(service, paid)
    service.clock.advance(seconds=1)

    after = await open_ones(service, paid)
    late_answer = await answer(service, paid, made, "accept", student_of(paid))
    assert not await service.said("proposal_answered")
    await tick(service)
    await tick(service)

    assert (before, after) == ([made], [])
    assert late_answer.json()["slug"] == "proposal-closed"
    assert late_answer.json()["proposal_status"] == "expired"
    [told] = await service.said("proposal_answered")
    assert (told.status, told.overtaken) == ("expired", False)
    assert told.student_ids == (UUID(paid["student_id"]),)


async def test_what_ran_out_makes_room_before_any_tick(service: Service) -> None:
    paid = await given.a_confirmed_seat(service, start=START + 4 * DAY)
    await a_proposal(service, paid, start=START + 5 * DAY)
    service.clock.advance(days=2)

    again = await propose(service, paid, coach_of(paid), START + 6 * DAY)

    assert again.status_code == 201
    [told] = await service.said("proposal_answered")
    assert told.status == "expired"


@pytest.mark.parametrize("what", ["cancel", "move"])
async def test_cancelling_and_moving_end_open_proposals(
    service: Service, what: str
) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)
    if what == "move":
        await reschedule(service, paid, LATER + DAY)
    else:
        path = f"/v1/sessions/{paid['id']}/cancel"
        await service.http.post(path, json={}, headers=student_of(paid))

    response = await answer(service, paid, made, "accept", student_of(paid))

    assert response.json()["slug"] == "proposal-closed"
    assert not await open_ones(service, paid)
    [told] = await service.said("proposal_answered")
    assert (told.status, told.overtaken) == ("expired", True)


async def test_an_accepted_proposal_ends_the_other_sides(service: Service) -> None:
    paid = await a_late_one(service)
    made = await a_proposal(service, paid)
    other = await a_proposal(service, paid, "student", LATER + DAY)

    view = await agree(service, paid, made)

    assert [each["status"] for each in view["proposals"]] == ["accepted", "expired"]
    told = {each.proposal_id: each for each in await service.said("proposal_answered")}
    assert told[UUID(other["id"])].overtaken


@pytest.mark.parametrize("how", ["accept", "decline"])
@pytest.mark.parametrize("by", ["coach", "student"])
async def test_only_the_other_side_answers(service: Service, how: str, by: str) -> None:
    paid = await a_late_one(service)
    made = await a_proposal(service, paid, by)
    own = coach_of(paid) if by == "coach" else student_of(paid)

    answers = [
        await answer(service, paid, made, how, headers)
        for headers in (
            SILENT,
            own,
            given.admin(),
            given.student(),
            given.coach(new_id()),
        )
    ]
    nowhere = await answer(service, paid, {"id": new_id()}, how, student_of(paid))

    assert [each.status_code for each in answers] == [401, 403, 403, 404, 404]
    assert nowhere.status_code == 404
    assert len(await open_ones(service, paid)) == 1


async def test_after_a_late_move_the_student_needs_the_coach_however_far_ahead(
    service: Service,
) -> None:
    paid = await a_late_one(service)
    await agree(service, paid, await a_proposal(service, paid, "student"))

    response = await reschedule(service, paid, LATER + DAY)

    assert await percent(service, paid) == 0
    assert response.json()["slug"] == "needs-proposal"
