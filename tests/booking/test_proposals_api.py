"""One side proposes another time, the other accepts or declines."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service, counted_queries
from tests.booking.moving import (
    LATE,
    LATER,
    SILENT,
    a_late_one,
    a_proposal,
    agree,
    answer,
    coach_of,
    open_ones,
    propose,
    reschedule,
    student_of,
)
from tests.given import NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def test_a_coachs_proposal_waits_and_holds_nothing(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    path = f"/v1/sessions/{paid['id']}/proposals"

    response = await propose(service, paid, coach_of(paid), reason="a tournament")

    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["Location"] == f"{path}/{made['id']}"
    assert {name: made[name] for name in made if name != "id"} == {
        "start": "2026-06-20T12:00:00Z",
        "end": "2026-06-20T13:00:00Z",
        "proposed_by": "coach",
        "reason": "a tournament",
        "status": "open",
        "created_at": "2026-06-15T12:00:00Z",
        "expires_at": "2026-06-17T12:00:00Z",
        "answers": [],
    }
    assert (await given.shown(service, paid))["proposals"] == [made]
    listed = await service.http.get(path, headers=student_of(paid))
    assert listed.json() == {"items": [made], "next_cursor": None}
    one = await service.http.get(response.headers["Location"], headers=student_of(paid))
    assert one.json() == made
    other = await given.book(service, UUID(paid["coach_id"]), start=LATER)
    assert other.status_code == 201, "the proposed time is not held"
    [told] = await service.said("proposal_made")
    assert (told.by, told.status, told.reason) == ("coach", "open", "a tournament")
    assert (told.old_start, told.start, told.end) == (START, LATER, LATER + HOUR)
    assert told.student_ids == (UUID(paid["student_id"]),)


@pytest.mark.parametrize(
    "start",
    [
        NOW + timedelta(minutes=7),  # off the grid, inside the notice
        NOW + 90 * DAY,  # beyond the horizon
    ],
)
async def test_their_own_settings_do_not_bind_a_coach_who_proposes(
    service: Service, start: datetime
) -> None:
    paid = await given.a_confirmed_seat(service)
    closed = {"timezone": "UTC"}
    await given.put(service, UUID(paid["coach_id"]), "schedule", closed)

    view = await agree(service, paid, await a_proposal(service, paid, start=start))

    assert given.instant(view["start"]) == start


async def test_overlaps_bind_everybody(service: Service) -> None:
    policy = {"buffer_after": 30}
    coach_id = await given.a_coach(service, policy=policy)
    paid = await a_late_one(service, coach_id=coach_id)
    await given.a_hold(service, coach_id, start=LATER)

    answers = [
        await propose(service, paid, headers, start)
        for headers in (coach_of(paid), student_of(paid))
        for start in (LATER + HOUR / 2, LATER + HOUR)
    ]

    assert {each.json()["slug"] for each in answers} == {"slot-taken"}
    assert all(each.json()["alternatives"] for each in answers)


async def test_a_student_proposes_listed_times_though_at_shorter_notice(
    service: Service,
) -> None:
    paid = await a_late_one(service)
    soon = service.clock.now() + HOUR

    beyond = await propose(service, paid, student_of(paid), NOW + 90 * DAY)
    off_grid = await propose(
        service, paid, student_of(paid), LATER + timedelta(minutes=7)
    )
    at_short_notice = await propose(service, paid, student_of(paid), soon)

    assert beyond.json()["reasons"][0]["code"] == "horizon"
    assert off_grid.json()["reasons"][0]["code"] == "off_grid"
    assert at_short_notice.status_code == 201


async def test_a_student_who_may_move_alone_needs_no_proposal(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await propose(service, paid, student_of(paid))

    assert (response.status_code, response.json()["slug"]) == (
        409,
        "no-proposal-needed",
    )


async def test_proposals_of_the_student_count_as_its_moves(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    for n in range(2):
        await reschedule(service, paid, LATER + n * HOUR)
    await service.clock.until(LATER - 10 * HOUR)
    made = await a_proposal(service, paid, "student", LATER + DAY)
    await agree(service, paid, made)

    response = await propose(service, paid, student_of(paid), LATER + 2 * DAY)
    coachs = await propose(service, paid, coach_of(paid), LATER + 2 * DAY)

    assert response.json()["slug"] == "too-many-moves"
    assert coachs.status_code == 201


async def test_a_student_does_not_propose_a_time_of_its_own_other_session(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    other = await given.a_coach(service)
    await given.a_confirmed_seat(
        service, coach_id=other, student_id=UUID(paid["student_id"]), start=LATER
    )
    await service.clock.until(LATE)

    own = await propose(service, paid, student_of(paid))
    made = await a_proposal(service, paid)
    accepted = await answer(service, paid, made, "accept", student_of(paid))

    assert own.json()["slug"] == accepted.json()["slug"] == "student-busy"
    assert len(await open_ones(service, paid)) == 1, "the coach's waits on"


async def test_each_side_has_one_open_proposal(service: Service) -> None:
    paid = await a_late_one(service)
    await a_proposal(service, paid)
    mine = await a_proposal(service, paid, "student", LATER + HOUR)

    again = [
        await propose(service, paid, headers, LATER + 2 * HOUR)
        for headers in (coach_of(paid), student_of(paid))
    ]
    await answer(service, paid, mine, "decline", coach_of(paid))
    anew = await propose(service, paid, student_of(paid), LATER + 2 * HOUR)

    assert [each.json()["slug"] for each in again] == ["proposal-open"] * 2
    assert anew.status_code == 201


@pytest.mark.parametrize("who", ["coach", "student"])
async def test_only_what_is_confirmed_and_lies_ahead_is_proposed_for(
    service: Service, who: str
) -> None:
    held = await given.a_hold(service)
    paid = await given.a_confirmed_seat(service)
    sides = {"coach": coach_of, "student": student_of}

    unpaid = await propose(service, held, sides[who](held))
    await service.clock.until(START)
    begun = await propose(service, paid, sides[who](paid))

    assert unpaid.json()["slug"] == begun.json()["slug"] == "wrong-status"


async def test_people_of_the_session_propose_and_nobody_else(service: Service) -> None:
    paid = await a_late_one(service)

    answers = [
        await propose(service, paid, headers)
        for headers in (SILENT, given.admin(), given.student(), given.coach(new_id()))
    ]

    assert [each.status_code for each in answers] == [401, 403, 404, 404]
    assert not await service.said("proposal_made")


async def test_proposals_are_seen_by_the_people_of_the_session_and_admins(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    made = await a_proposal(service, paid)
    path = f"/v1/sessions/{paid['id']}/proposals"

    seen = [
        (await service.http.get(path + each, headers=headers)).status_code
        for each in ("", f"/{made['id']}")
        for headers in (
            SILENT,
            given.student(),
            given.coach(new_id()),
            student_of(paid),
            coach_of(paid),
            given.admin(),
        )
    ]

    assert seen == [401, 404, 404, 200, 200, 200] * 2


async def test_a_proposal_of_another_session_is_nowhere(service: Service) -> None:
    paid, other = [await given.a_confirmed_seat(service) for _ in range(2)]
    made = await a_proposal(service, paid)

    response = await answer(service, other, made, "accept", student_of(other))

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("start", "message"),
    [(START, "is when the session starts already"), (NOW, "must lie ahead")],
)
async def test_a_start_that_is_no_proposal_names_the_field(
    service: Service, start: datetime, message: str
) -> None:
    paid = await given.a_confirmed_seat(service)

    response = await propose(service, paid, coach_of(paid), start)

    assert response.json()["errors"] == [{"field": "body.start", "message": message}]


async def test_keys_propose_and_accept_once(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    key = {"Idempotency-Key": "k"}

    made, again = [await propose(service, paid, coach_of(paid) | key) for _ in range(2)]
    yes, once_more = [
        await answer(service, paid, made.json(), "accept", student_of(paid) | key)
        for _ in range(2)
    ]

    assert made.json() == again.json()
    assert yes.json() == once_more.json()
    assert yes.status_code == once_more.status_code == 200
    assert len(await service.said("session_moved")) == 1


async def test_proposals_come_in_pages(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    for _ in range(3):
        made = await a_proposal(service, paid)
        await answer(service, paid, made, "decline", student_of(paid))
    path = f"/v1/sessions/{paid['id']}/proposals"
    query: dict[str, Any] = {"limit": 2}

    first = (await service.http.get(path, params=query, headers=coach_of(paid))).json()
    query["cursor"] = first["next_cursor"]
    rest = (await service.http.get(path, params=query, headers=coach_of(paid))).json()

    ids = [each["id"] for each in first["items"] + rest["items"]]
    assert (len(first["items"]), len(ids), len(set(ids))) == (2, 3, 3)
    assert rest["next_cursor"] is None


async def test_listing_moved_sessions_takes_as_many_queries_as_one(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service)
    sent = []
    for n in range(3):
        paid = await given.a_confirmed_seat(
            service, coach_id=coach_id, start=START + n * HOUR
        )
        made = await a_proposal(service, paid, start=LATER + n * HOUR)
        await agree(service, paid, made)
        with counted_queries(service) as statements:
            listed = await service.http.get(
                "/v1/sessions", headers=given.coach(coach_id)
            )
        assert len(listed.json()["items"]) == n + 1
        sent.append(len(statements))

    assert len(set(sent)) == 1
