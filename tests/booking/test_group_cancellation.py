"""Cancelling in groups: a student its seat, the coach a seat or all, the system all."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.booking.actions import groups
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.test_groups_api import a_seat, as_coach, ask
from tests.booking.test_races import deadlocks

DAY = timedelta(days=1)


async def a_group(
    service: Service, paid: int, held: int = 0, **group: Any
) -> tuple[UUID, list[dict[str, Any]]]:
    """A coach, and the seats of its group: first those paid for, then those held."""
    coach_id = await given.a_coach_of_groups(service, group=group)
    seats = []
    for number in range(paid + held):
        seats.append(await a_seat(service, coach_id))
        if number < paid:
            await service.hear(given.a_payment(seats[-1]))
    return coach_id, seats


async def send(
    service: Service,
    who: dict[str, str],
    session: dict[str, Any],
    verb: str = "cancel",
    **body: Any,
) -> httpx2.Response:
    path = f"/v1/sessions/{session['id']}/{verb}"
    return await service.http.post(path, json=body, headers=who)


async def quoted(
    service: Service, who: dict[str, str], session: dict[str, Any], **query: str
) -> Any:
    path = f"/v1/sessions/{session['id']}/cancel/quote"
    response = await service.http.get(path, params=query, headers=who)
    assert response.status_code == 200, response.text
    return response.json()


def student(seat: dict[str, Any]) -> dict[str, str]:
    return given.student(UUID(seat["student_id"]))


async def statuses(service: Service, seats: list[dict[str, Any]]) -> list[str]:
    return [(await given.shown(service, seat))["status"] for seat in seats]


async def tick(service: Service) -> None:
    now = service.clock.now()
    await service.hear(MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=None))


async def test_a_student_gives_up_its_own_seat_only(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=2)
    service.clock.advance(minutes=30)

    quote = await quoted(service, student(seats[0]), seats[0])
    cancelled = await send(service, student(seats[0]), seats[0])

    assert quote["refund"] == {"amount": 2000, "currency": "USD"}
    assert quote["seats"] is None
    assert cancelled.json()["refund"]["amount"] == {"amount": 2000, "currency": "USD"}
    assert await statuses(service, seats) == ["cancelled", "confirmed"]
    [event] = await service.said("seat_cancelled")
    assert (str(event.seat_id), event.kind) == (seats[0]["seat_id"], "group")
    view = await as_coach(service, coach_id, seats[0]["id"])
    assert (view["status"], view["seats_left"]) == ("confirmed", 2)


async def test_a_seat_that_was_given_up_is_free_again_also_for_its_student(
    service: Service,
) -> None:
    coach_id, seats = await a_group(service, paid=2, capacity=2)
    await send(service, student(seats[0]), seats[0])

    again = await ask(service, coach_id, student_id=UUID(seats[0]["student_id"]))
    full = await ask(service, coach_id)

    assert (again.status_code, full.status_code) == (201, 409)
    assert again.json()["id"] == seats[0]["id"]
    assert again.json()["status"] == "held"
    given_up = await send(service, student(seats[0]), seats[0])
    assert given_up.json()["seat_id"] == again.json()["seat_id"]
    assert given_up.json()["status"] == "cancelled"


@pytest.mark.parametrize("tiers", [[[24, 100], [0, 0]]])
async def test_each_seat_has_its_own_terms(
    service: Service, tiers: list[list[int]]
) -> None:
    coach_id, [early] = await a_group(service, paid=1)
    lax = {"group": given.GROUPS, "cancellation_tiers": [[1, 100]]}
    await given.put(service, coach_id, "booking-policy", lax)
    later = await a_seat(service, coach_id)
    await service.hear(given.a_payment(later))
    service.clock.advance(hours=30)

    percents = [
        (await quoted(service, student(seat), seat))["percent"]
        for seat in (early, later)
    ]

    assert percents == [0, 100]
    assert tiers == [[24, 100], [0, 0]]


async def test_the_coach_cancels_all_with_everything_back(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=2, held=1)
    service.clock.advance(minutes=10)
    coach = given.coach(coach_id)

    quote = await quoted(service, coach, seats[0])
    response = await send(service, coach, seats[0], reason="ill")

    assert (quote["percent"], quote["refund"]["amount"]) == (100, 4000)
    assert [each["seat_id"] for each in quote["seats"]] == [
        each["seat_id"] for each in seats
    ]
    assert [each["refund"]["amount"] for each in quote["seats"]] == [2000, 2000, 0]
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "cancelled"
    assert await statuses(service, seats) == ["cancelled"] * 3
    said = await service.said("seat_cancelled")
    assert [str(each.seat_id) for each in said] == [each["seat_id"] for each in seats]
    assert [each.refund and each.refund.amount for each in said] == [2000, 2000, None]
    assert {each.by for each in said} == {"coach"}
    again = await send(service, coach, seats[0], reason="ill")
    assert again.json()["slug"] == "wrong-status"
    alone = await given.book(service, coach_id)
    assert alone.status_code == 201


async def test_cancelling_all_costs_as_many_queries_for_one_as_for_many(
    service: Service,
) -> None:
    counts = []
    for paid in (1, 3):
        coach_id, seats = await a_group(service, paid=paid)
        with given.counted_queries(service) as queries:
            await send(service, given.coach(coach_id), seats[0], reason="ill")
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize("who", ["coach", "admin"])
async def test_coach_and_admin_cancel_one_seat(service: Service, who: str) -> None:
    coach_id, seats = await a_group(service, paid=2)
    headers = given.coach(coach_id) if who == "coach" else given.admin()
    one = {"seat_id": seats[1]["seat_id"]}

    quote = await quoted(service, headers, seats[0], **one)
    response = await send(service, headers, seats[0], reason="no", **one)

    assert (quote["refund"]["amount"], len(quote["seats"])) == (2000, 1)
    assert response.json()["status"] == "confirmed"
    assert await statuses(service, seats) == ["confirmed", "cancelled"]
    joined = await ask(service, coach_id)
    assert joined.json()["id"] == seats[0]["id"]


async def test_nobody_cancels_a_seat_that_is_not_theirs(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=2)
    other = {"seat_id": seats[1]["seat_id"]}

    answers = [
        await send(service, student(seats[0]), seats[0], **other),
        await send(service, given.student(), seats[0], reason="x"),
        await send(service, given.coach(new_id()), seats[0], reason="x"),
        await send(service, given.coach(coach_id), seats[0], reason="x", seat_id=str(new_id())),
        await send(service, {}, seats[0], reason="x"),
    ]  # fmt: skip

    assert [each.status_code for each in answers] == [404, 404, 404, 404, 401]
    assert await statuses(service, seats) == ["confirmed", "confirmed"]


async def test_a_coach_says_why_it_cancels_a_group(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=1)

    refused = await send(service, given.coach(coach_id), seats[0])

    assert refused.status_code == 422
    assert await statuses(service, seats) == ["confirmed"]


async def test_a_late_payment_does_not_revive_what_the_coach_called_off(
    service: Service,
) -> None:
    coach_id, [_, held] = await a_group(service, paid=1, held=1)
    service.clock.advance(minutes=15)
    await send(service, given.coach(coach_id), held, reason="ill")

    await service.hear(given.a_payment(held))

    [refused] = await service.said("payment_refused")
    assert (str(refused.seat_id), refused.reason) == (held["seat_id"], "called_off")


async def test_joining_paying_expiring_and_calling_off_at_once_end_consistently(
    service: Service,
) -> None:
    coach_id, seats = await a_group(service, paid=1, held=5, capacity=9)
    service.clock.advance(minutes=15)
    coach = given.coach(coach_id)
    paid = [given.a_payment(seat) for seat in seats[1:]]

    await asyncio.gather(
        *(service.hear(each) for each in paid),
        *(ask(service, coach_id) for _ in range(4)),
        *(send(service, student(seat), seat) for seat in seats),
        send(service, coach, seats[0], reason="ill"),
        tick(service),
    )

    view = await as_coach(service, coach_id, seats[0]["id"])
    alive = [s for s in view["seats"] if s["status"] in ("held", "confirmed")]
    assert await deadlocks(service) == 0
    assert bool(alive) == (view["status"] in ("held", "confirmed"))
    confirmed = {str(each.seat_id) for each in await service.said("seat_confirmed")}
    refused = {str(each.seat_id) for each in await service.said("payment_refused")}
    paid_for = {seat["seat_id"] for seat in seats[1:]}
    assert paid_for <= confirmed | refused
    assert not confirmed & refused


async def test_a_group_without_enough_participants_is_called_off_a_day_before(
    service: Service,
) -> None:
    coach_id, seats = await a_group(service, paid=1, min_participants=2)
    await service.clock.until(START - DAY - timedelta(minutes=1))
    seats.append(await a_seat(service, coach_id))
    await tick(service)
    before = await statuses(service, seats)
    await service.clock.until(START - DAY)

    await tick(service)
    await tick(service)

    assert before == ["confirmed", "held"]
    assert await statuses(service, seats) == ["cancelled", "cancelled"]
    view = await given.shown(service, seats[0])
    assert (view["cancelled_by"], view["refund"]["percent"]) == ("system", 100)
    assert view["history"][-1]["by"] == "system"
    paid, held = await service.said("seat_cancelled")
    assert (paid.by, paid.refund.amount, paid.refund.rule) == ("system", 2000, "system")
    assert (held.was, held.refund) == ("held", None)


async def test_a_group_with_enough_participants_runs_also_if_some_leave(
    service: Service,
) -> None:
    _, seats = await a_group(service, paid=2, min_participants=2)
    await service.clock.until(START - DAY)
    await tick(service)
    await send(service, student(seats[0]), seats[0])

    await tick(service)

    assert await statuses(service, seats) == ["cancelled", "confirmed"]
    assert (await given.shown(service, seats[1]))["runs"] is True


@pytest.mark.parametrize(("minutes", "runs"), [(0, "cancelled"), (1, "confirmed")])
async def test_a_late_tick_counts_those_who_took_part_when_it_was_due(
    service: Service, minutes: int, runs: str
) -> None:
    _, seats = await a_group(service, paid=2, min_participants=2)
    await service.clock.until(START - DAY + timedelta(minutes=minutes))
    await send(service, student(seats[0]), seats[0])

    await tick(service)

    assert await statuses(service, seats) == ["cancelled", runs]


async def test_a_late_tick_lets_run_what_has_enough_by_now(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=1, min_participants=2)
    await service.clock.until(START - DAY - timedelta(minutes=1))
    seats.append(await a_seat(service, coach_id))
    await service.clock.until(START - DAY + timedelta(minutes=1))
    await service.hear(given.a_payment(seats[1]))

    await tick(service)

    assert await statuses(service, seats) == ["confirmed", "confirmed"]


async def test_ticks_that_were_missed_are_made_up_for_once(service: Service) -> None:
    _, seats = await a_group(service, paid=1, min_participants=2)
    await service.clock.until(START + timedelta(minutes=5))

    await asyncio.gather(tick(service), tick(service))

    assert await statuses(service, seats) == ["cancelled"]
    assert len(await service.said("seat_cancelled")) == 1


async def test_a_money_that_comes_after_the_decision_goes_back(
    service: Service,
) -> None:
    coach_id = await given.a_coach_of_groups(service, group={"min_participants": 2})
    await service.clock.until(START - DAY - timedelta(minutes=15))
    held = await a_seat(service, coach_id)
    await service.clock.until(START - DAY)

    await service.hear(given.a_payment(held))

    [refused] = await service.said("payment_refused")
    assert refused.reason == "too_few_participants"


async def test_the_coach_may_let_a_small_group_run(service: Service) -> None:
    coach_id, seats = await a_group(service, paid=1, min_participants=3)
    coach = given.coach(coach_id)

    first = await send(service, coach, seats[0], "run")
    again = await send(service, coach, seats[0], "run")
    await service.clock.until(START - DAY)
    await tick(service)
    after = await send(service, coach, seats[0], "run")

    assert [first.status_code, again.status_code, after.status_code] == [200] * 3
    assert first.json()["runs"] is True
    assert await statuses(service, seats) == ["confirmed"]


async def test_a_group_is_not_let_run_too_late_or_when_it_is_none(
    service: Service,
) -> None:
    coach_id, [late] = await a_group(service, paid=1, min_participants=3)
    alone = await given.a_confirmed_seat(
        service, coach_id=coach_id, start=START + 2 * DAY
    )
    gone = await a_seat(service, coach_id, start=START + 3 * DAY)
    await send(service, student(gone), gone)
    coach = given.coach(coach_id)
    await service.clock.until(START - DAY)

    answers = [await send(service, coach, each, "run") for each in (late, alone, gone)]

    assert [each.json()["slug"] for each in answers] == ["wrong-status"] * 3


async def test_only_the_coach_lets_its_group_run(service: Service) -> None:
    _, [seat] = await a_group(service, paid=1, min_participants=3)
    others = [
        {},
        student(seat),
        given.student(),
        given.coach(new_id()),
        given.admin(),
    ]

    answers = [await send(service, who, seat, "run") for who in others]

    assert [each.status_code for each in answers] == [401, 403, 403, 404, 403]
    assert (await given.shown(service, seat))["runs"] is False


async def test_a_tick_decides_about_so_many_and_the_next_about_the_rest(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "BATCH", 1)
    seats = [(await a_group(service, paid=1, min_participants=2))[1][0] for _ in "12"]
    await service.clock.until(START - DAY)

    await tick(service)
    first = await statuses(service, seats)
    await tick(service)
    await tick(service)

    assert sorted(first) == ["cancelled", "confirmed"]
    assert await statuses(service, seats) == ["cancelled", "cancelled"]
    assert len(await service.said("seat_cancelled")) == 2
