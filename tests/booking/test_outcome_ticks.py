"""The tick reminds and decides, once, however late or often it comes."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.contracts import Money
from shared.contracts.payments import PaymentRefundedV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.attending import (
    DAY,
    END,
    a_group,
    a_missed_seat,
    came,
    done,
    minutes,
    tick,
)
from tests.booking.given import START, Service, counted_queries, instant

LATE = END + timedelta(hours=2)


async def nudged(service: Service) -> list[tuple[str, str | None]]:
    return sorted(
        (each.party, each.seat_id and str(each.seat_id))
        for each in await service.said("attendance_missing")
    )


async def outcomes(service: Service) -> list[tuple[str, bool]]:
    said = await service.said("seat_missed", "seat_completed")
    return [(each.outcome, each.final) for each in said]


@pytest.mark.parametrize(
    ("present", "missing"),
    [([], ["coach", "student"]), (["student"], ["coach"]), (["coach"], ["student"])],
)
async def test_who_is_missing_is_reminded_once(
    service: Service, present: list[str], missing: list[str]
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, *present)

    for at in (4, 5, 6, 7, 14):
        await tick(service, minutes(at))

    assert await nudged(service) == [(side, paid["seat_id"]) for side in missing]
    assert await outcomes(service) == []


async def test_a_late_tick_decides_and_reminds_nobody_any_more(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "coach")

    await tick(service, minutes(15))

    assert await nudged(service) == []
    assert await outcomes(service) == [("student", False)]


async def test_nobody_is_reminded_of_what_is_over(service: Service) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(31))
    await done(service, paid, "complete")

    await tick(service)

    assert await nudged(service) == []


@pytest.mark.parametrize(
    ("present", "status", "no_show", "refund"),
    [
        (["student", "coach"], "completed", None, None),
        (["coach"], "no_show", "student", None),
        (["student"], "no_show", "coach", 6000),
        ([], "no_show", "both", 6000),
    ],
)
async def test_who_came_decides_about_seat_and_money(
    service: Service,
    present: list[str],
    status: str,
    no_show: str | None,
    refund: int | None,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, *present)
    for at in (minutes(5), minutes(15), LATE):
        await tick(service, at)
    provisional = await given.shown(service, paid)
    await tick(service, LATE + DAY)
    await tick(service)

    final = await given.shown(service, paid)
    assert (provisional["status"], provisional["no_show"]) == (status, no_show)
    assert provisional["refund"] is None, "money waits until it is final"
    assert (final["status"], final["no_show"]) == (status, no_show)
    assert (final["refund"] or {}).get("amount", {}).get("amount") == refund
    if no_show is None:
        assert await outcomes(service) == [("completed", True)]
        return
    assert await outcomes(service) == [(no_show, False), (no_show, True)]
    first, last = await service.said("seat_missed")
    assert (first.version, last.version) == (1, 2)
    assert last.refund.amount == first.refund.amount == (refund or 0)
    assert last.earned.amount == 6000 - (refund or 0)
    assert (final["history"][-1]["by"], final["history"][-1]["to"]) == (
        "system",
        "no_show",
    )


async def test_after_an_outage_all_is_decided_as_if_there_had_been_none(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "coach")
    await service.clock.until(minutes(20))
    await done(service, paid, "check-in", "student")

    await tick(service, START + 5 * DAY)

    view = await given.shown(service, paid)
    assert (view["status"], view["no_show"]) == ("no_show", "student")
    assert instant(view["history"][-1]["at"]) == minutes(15)
    assert instant(view["provisional_until"]) == START + 6 * DAY, "a day to contest"
    assert await outcomes(service) == [("student", False)]


async def test_what_is_in_progress_and_nobody_ends_took_place(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await service.clock.until(minutes(20))
    await done(service, paid, "start")

    await tick(service, LATE - timedelta(seconds=1))
    before = await given.shown(service, paid)
    await tick(service, LATE)

    assert before["status"] == "in_progress"
    assert (await given.shown(service, paid))["status"] == "completed"


async def test_an_old_tick_that_comes_late_decides_only_what_it_stands_for(
    service: Service,
) -> None:
    paid = await given.a_confirmed_seat(service)
    await came(service, paid, "coach")
    await tick(service, minutes(14))
    assert (await given.shown(service, paid))["status"] == "confirmed"

    await tick(service, minutes(15))

    assert (await given.shown(service, paid))["status"] == "no_show"


async def test_holds_and_what_is_cancelled_are_left_alone(service: Service) -> None:
    coach_id = await given.a_coach(service)
    await given.a_hold(service, coach_id)
    other = await given.a_confirmed_seat(service, coach_id=coach_id, start=END)
    await done(service, other, "cancel", "student")

    await tick(service, END + DAY)

    assert await outcomes(service) == []
    assert await nudged(service) == []


async def test_a_free_session_that_was_missed_moves_no_money(service: Service) -> None:
    coach_id = await given.a_coach(service, hourly_rate=0)
    free = await given.a_hold(service, coach_id)
    await came(service, free, "student")
    await tick(service, minutes(15))
    await tick(service, minutes(15) + DAY)

    last = (await service.said("seat_missed"))[-1]
    assert (last.final, last.refund, last.earned.source) == (True, None, "free")
    assert (await given.shown(service, free))["refund"] is None


async def test_the_refund_of_a_missed_seat_shows_how_far_it_has_come(
    service: Service,
) -> None:
    missed = await a_missed_seat(service, "coach")
    await tick(service, minutes(15) + DAY)
    pending = (await given.shown(service, missed))["refund"]

    await service.hear(
        PaymentRefundedV1(
            occurred_at=service.clock.now(),
            payment_id=missed["payment_id"],
            refund_id=new_id(),
            seat_id=UUID(missed["seat_id"]),
            amount=Money(**missed["price"]),
        )
    )

    assert (pending["status"], pending["percent"]) == ("pending", 100)
    assert (await given.shown(service, missed))["refund"]["status"] == "succeeded"


async def test_of_a_group_each_student_is_decided_about(service: Service) -> None:
    here, gone, late = await a_group(service)
    await came(service, here, "student")
    await tick(service, minutes(5))
    reminded = await nudged(service)
    await service.clock.until(minutes(10))
    await done(service, here, "start")
    await tick(service, minutes(15))
    await service.clock.until(minutes(16))
    await done(service, late, "check-in", "student")
    await service.clock.until(minutes(30))
    await done(service, here, "complete", seat_id=here["seat_id"])
    await done(service, late, "waive", seat_id=late["seat_id"])
    await tick(service, LATE + DAY)

    assert reminded == [
        ("coach", None),
        *sorted(("student", each["seat_id"]) for each in (gone, late)),
    ]
    views = [await given.shown(service, each) for each in (here, gone, late)]
    assert [each["status"] for each in views] == ["completed", "no_show", "completed"]
    assert all(each["seats"] is None for each in views)
    of_coach = await service.http.get(
        f"/v1/sessions/{here['id']}", headers=given.coach_of(here)
    )
    assert of_coach.json()["status"] == "completed"
    assert len(of_coach.json()["seats"]) == 3


async def test_a_coach_of_a_group_says_which_seat(service: Service) -> None:
    seats = await a_group(service)
    await service.clock.until(minutes(30))
    path = f"/v1/sessions/{seats[0]['id']}/complete"

    answer = await service.http.post(path, json={}, headers=given.coach_of(seats[0]))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.seat_id"


async def test_a_coach_who_missed_a_group_has_one_strike_and_all_get_their_money(
    service: Service,
) -> None:
    seats = await a_group(service)
    for each in seats:
        await came(service, each, "student")
    await tick(service, minutes(15))
    await tick(service, minutes(15) + DAY)

    views = [await given.shown(service, each) for each in seats]
    assert [each["refund"]["amount"]["amount"] for each in views] == [6000] * 3
    answer = await service.http.get(
        f"/v1/admin/coaches/{seats[0]['coach_id']}/strikes", headers=given.admin()
    )
    assert [each["reason"] for each in answer.json()["items"]] == ["no_show"]


async def test_a_tick_costs_the_same_queries_however_many_are_due(
    service: Service,
) -> None:
    counts = []
    for size, start in ((1, START), (4, START + DAY / 2)):
        for _ in range(size):
            await given.a_confirmed_seat(service, start=start)
        with counted_queries(service) as queries:
            await tick(service, start + timedelta(hours=4))
        counts.append(len(queries))

    assert len(await service.said("seat_missed")) == 5
    assert counts[0] == counts[1]
