"""Every verb, in every status, by everybody, in and out of its time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from services.booking.models import Move
from shared.ids import new_id
from tests.booking import given
from tests.booking.attending import (
    DAY,
    END,
    a_missed_seat,
    came,
    do,
    done,
    in_status,
    minutes,
    tick,
)
from tests.booking.given import START, Service, instant

# verb, who may, minutes after the start, and the statuses it is for
VERBS = """
start      coach          0    confirmed
complete   coach          30   confirmed in_progress
check-in   student,coach  0    confirmed in_progress no_show
no-show    coach          15   confirmed in_progress
waive      coach          60   no_show
contest    student,coach  60   no_show
problem    student        60   confirmed in_progress completed no_show
"""
STATUSES = [
    "held",
    "expired",
    "confirmed",
    "in_progress",
    "completed",
    "cancelled",
    "no_show",
]
TABLE = [line.split(maxsplit=3) for line in VERBS.strip().splitlines()]


@pytest.mark.parametrize(("verb", "who", "at", "statuses"), TABLE)
async def test_a_verb_is_for_these_people_in_these_statuses(
    service: Service, verb: str, who: str, at: str, statuses: str
) -> None:
    sessions = {each: await in_status(service, each) for each in STATUSES}
    await service.clock.until(minutes(int(at)))
    refusals = {"anonymous": 401, "other student": 404, "other coach": 404}
    refusals |= {"student": 403, "coach": 403, "admin": 403}
    may = who.split(",")

    for status, session in sessions.items():
        for each in refusals.keys() - set(may):
            answer = await do(service, session, verb, each)
            assert answer.status_code == refusals[each], (status, each)
        unchanged = await given.shown(service, session)
        assert unchanged["history"] == session["history"]
        answer = await do(service, session, verb, may[0])
        if status in statuses.split():
            assert answer.status_code == 200, answer.text
            continue
        assert answer.status_code == 409, status
        assert answer.json()["slug"] == "wrong-status"
        ran_out = status == "held"
        assert answer.json()["session_status"] == ("expired" if ran_out else status)
        assert await given.shown(service, session) == unchanged


@pytest.mark.parametrize(
    ("verb", "status", "who", "at", "slug", "says"),
    [
        ("start", "confirmed", "coach", minutes(-11), "too-early", minutes(-10)),
        ("start", "confirmed", "coach", minutes(61), "too-late", END),
        ("complete", "confirmed", "coach", minutes(29), "too-early", minutes(30)),
        ("check-in", "confirmed", "student", minutes(-16), "too-early", minutes(-15)),
        ("check-in", "confirmed", "coach", minutes(61), "too-late", END),
        ("no-show", "confirmed", "coach", minutes(14), "too-early", minutes(15)),
        ("waive", "no_show", "coach", END + DAY, "too-late", END + DAY),
        ("contest", "no_show", "student", END + DAY, "too-late", END + DAY),
        ("problem", "confirmed", "student", minutes(-1), "too-early", START),
        ("problem", "completed", "student", END + 3 * DAY, None, None),
        (
            "problem",
            "completed",
            "student",
            END + 3 * DAY + timedelta(seconds=1),
            "too-late",
            END + 3 * DAY,
        ),
    ],
)
async def test_a_verb_out_of_its_time_says_when_it_is_possible(
    service: Service,
    verb: str,
    status: str,
    who: str,
    at: datetime,
    slug: str | None,
    says: datetime | None,
) -> None:
    session = await in_status(service, status)
    await service.clock.until(at)

    answer = await do(service, session, verb, who)

    if slug is None:
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.json()["slug"]) == (409, slug)
    member = "possible_from" if slug == "too-early" else "possible_until"
    assert instant(answer.json()[member]) == says


async def test_a_session_that_takes_place_is_started_and_completed(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(-10))
    started = await done(service, paid, "start")
    await came(service, paid, "student")
    await service.clock.until(minutes(30))
    completed = await done(service, paid, "complete", reason="all of it")

    assert (started["status"], completed["status"]) == ("in_progress", "completed")
    assert completed["attendance"] == {
        "student": "2026-06-17T12:00:00Z",
        "coach": "2026-06-17T11:50:00Z",
    }
    assert [
        (step["to"], step["by"], step["reason"]) for step in completed["history"][-2:]
    ] == [("in_progress", "coach", None), ("completed", "coach", "all of it")]
    [event] = await service.said("seat_completed")
    assert (event.was, event.by, event.missed) == ("in_progress", "coach", None)
    assert (event.earned.amount, event.earned.source) == (6000, "money")


@pytest.mark.parametrize("verb", ["start", "complete", "check-in"])
async def test_a_verb_needs_no_body(service: Service, verb: str) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(30))
    path = f"/v1/sessions/{paid['id']}/{verb}"

    answer = await service.http.post(path, headers=given.coach_of(paid))

    assert answer.status_code == 200, answer.text


async def test_being_here_twice_is_being_here_since_the_first_time(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "student")
    service.clock.advance(minutes=5)

    again = await done(service, paid, "check-in", "student")

    assert again["attendance"] == {"student": "2026-06-17T12:00:00Z", "coach": None}


async def test_a_student_who_was_seen_is_not_missing(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "student")
    await service.clock.until(minutes(15))

    answer = await do(service, paid, "no-show")

    assert (answer.status_code, answer.json()["slug"]) == (409, "has-evidence")
    assert answer.json()["since"] == "2026-06-17T12:00:00Z"


async def test_a_no_show_by_the_coach_is_provisional_for_a_day(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(20))

    missed = await done(service, paid, "no-show", reason="waited")

    assert (missed["status"], missed["no_show"]) == ("no_show", "student")
    assert instant(missed["provisional_until"]) == minutes(20) + DAY
    assert missed["refund"] is None
    [event] = await service.said("seat_missed")
    assert (event.outcome, event.final, event.by) == ("student", False, "coach")
    assert (event.refund.amount, event.earned.amount) == (0, 6000)


@pytest.mark.parametrize("verb", ["no-show", "cancel"])
async def test_a_coach_who_says_that_it_did_not_come_gives_all_back_at_once(
    service: Service, verb: str
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "student")
    body = {"party": "coach"} if verb == "no-show" else {}

    missed = await done(service, paid, verb, **body, reason="ill")
    await tick(service, START + 2 * DAY)

    assert (missed["status"], missed["no_show"]) == ("no_show", "coach")
    assert missed["refund"]["amount"]["amount"] == 6000
    assert missed["refund"]["status"] == "pending"
    [event] = await service.said("seat_missed")
    assert (event.outcome, event.final, event.reason) == ("coach", True, "ill")
    assert (event.refund.amount, event.earned.amount) == (6000, 0)
    assert (await do(service, paid, "contest")).json()["slug"] == "too-late"
    assert await service.said("seat_cancelled") == []


async def test_a_coach_ends_as_its_no_show_what_is_in_progress(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(-5))
    await done(service, paid, "start")
    quoted = await service.http.get(
        f"/v1/sessions/{paid['id']}/cancel/quote", headers=given.coach_of(paid)
    )

    missed = await done(service, paid, "cancel")

    assert (quoted.json()["percent"], missed["no_show"]) == (100, "coach")


async def test_only_a_students_no_show_is_waived(service: Service) -> None:
    session = await a_missed_seat(service, "coach")

    answer = await do(service, session, "waive")

    assert (answer.status_code, answer.json()["slug"]) == (409, "wrong-status")


@pytest.mark.parametrize(
    ("missed", "who", "status"),
    [
        ("student", "student", 200),
        ("student", "coach", 403),
        ("coach", "student", 403),
        ("coach", "coach", 200),
        ("both", "student", 200),
        ("both", "coach", 200),
    ],
)
async def test_the_side_that_is_named_contests_and_the_session_took_place(
    service: Service, missed: str, who: str, status: int
) -> None:
    session = await a_missed_seat(service, missed)

    answer = await do(service, session, "contest", who, reason="I was there")
    await tick(service, END + 5 * DAY)

    view = await given.shown(service, session)
    final = [each.final for each in await service.said("seat_missed")]
    if status == 403:
        assert answer.status_code == 403
        assert (view["status"], final) == ("no_show", [False, True])
        return
    assert (view["status"], view["no_show"], final) == ("completed", None, [False])
    assert view["provisional_until"] is None
    assert view["refund"] is None
    [event] = await service.said("seat_completed")
    assert (event.was, event.missed, event.by) == ("no_show", missed, who)
    assert event.earned.amount == 6000
    assert (await do(service, session, "contest", who)).status_code == 409


async def test_the_history_holds_the_evidence_of_a_decision(service: Service) -> None:
    session = await a_missed_seat(service, "student")

    assert session["no_show"] == "student"
    assert await evidence(service) == {
        "student": None,
        "coach": "2026-06-17T12:00:00Z",
    }


async def evidence(service: Service) -> Any:
    async with service.sessions() as opened:
        query = select(Move).order_by(col(Move.id).desc()).limit(1)
        return (await opened.exec(query)).one().evidence


async def test_a_key_acts_once_and_answers_the_same(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(START)
    path = f"/v1/sessions/{paid['id']}/start"
    headers = given.coach_of(paid) | {"Idempotency-Key": "k"}

    first, again = [
        await service.http.post(path, json={}, headers=headers) for _ in range(2)
    ]

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("start", {"why": 1}, "body.why"),
        ("start", {"reason": "x" * 501}, "body.reason"),
        ("check-in", {"seat_id": "7"}, "body.seat_id"),
        ("no-show", {"party": "both"}, "body.party"),
        ("problem", {"reason": 7}, "body.reason"),
    ],
)
async def test_a_malformed_body_is_refused_by_field(
    service: Service, verb: str, body: dict[str, Any], field: str
) -> None:
    held = await given.a_hold(service)

    answer = await do(service, held, verb, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_a_seat_of_another_session_is_not_found(service: Service) -> None:
    held = await given.a_hold(service)

    for verb in ("start", "complete", "check-in", "no-show", "waive", "problem"):
        who = "student" if verb == "problem" else "coach"
        answer = await do(service, held, verb, who, seat_id=str(new_id()))
        assert answer.status_code == 404, verb
