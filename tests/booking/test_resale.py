from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Money
from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.test_cancellation_api import cancel
from tests.booking.waiting import pass_minutes
from tests.given import NOW

TIERS = {"cancellation_tiers": [[72, 100], [24, 50], [0, 0]], "durations": [60, 90]}
RESELLS = TIERS | {"refund_on_resale": True}


async def a_late_cancellation(service: Service, coach_id: UUID) -> dict[str, Any]:
    """Paid, then cancelled when the tier keeps half of it."""
    seat = await given.a_confirmed_seat(service, coach_id=coach_id)
    service.clock.advance(minutes=16)
    response = await cancel(service, seat)
    assert response.json()["refund"]["amount"]["amount"] == 3000
    shown: dict[str, Any] = response.json()
    return shown


async def resell(
    service: Service,
    coach_id: UUID,
    student_id: UUID | None = None,
    start: datetime = START,
    **body: Any,
) -> dict[str, Any]:
    return await given.a_confirmed_seat(
        service, coach_id=coach_id, student_id=student_id, start=start, **body
    )


async def refund_of(service: Service, seat: dict[str, Any]) -> tuple[int, int, str]:
    refund = (await given.shown(service, seat))["refund"]
    return refund["amount"]["amount"], refund["percent"], refund["status"]


async def test_what_the_tier_kept_comes_back_once_the_time_is_sold_for_certain(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)
    await resell(service, coach_id)

    await pass_minutes(service, 14)
    before = await refund_of(service, late)
    for _ in range(3):
        await pass_minutes(service, 1)

    assert before == (3000, 50, "pending")
    assert await refund_of(service, late) == (6000, 100, "pending")
    [resold] = await service.said("seat_resold")
    assert str(resold.seat_id) == late["seat_id"]
    assert (resold.refund.amount, resold.refund.percent) == (3000, 100)


async def test_a_longer_session_from_the_same_start_covers_it(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)

    await resell(service, coach_id, duration_minutes=90)
    await pass_minutes(service, 15)

    assert (await refund_of(service, late))[0] == 6000


@pytest.mark.parametrize("start", [-30, 30])
async def test_another_start_does_not(service: Service, start: int) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)

    await resell(service, coach_id, start=START + timedelta(minutes=start))
    await pass_minutes(service, 15)

    assert (await refund_of(service, late))[0] == 3000


async def test_without_the_switch_nothing_comes_back(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=TIERS)
    late = await a_late_cancellation(service, coach_id)
    await given.put(service, coach_id, "booking-policy", RESELLS)

    await resell(service, coach_id)
    await pass_minutes(service, 15)

    assert (await refund_of(service, late))[0] == 3000


async def test_the_switch_is_that_of_the_day_of_the_booking(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)
    await given.put(service, coach_id, "booking-policy", TIERS)

    await resell(service, coach_id)
    await pass_minutes(service, 15)

    assert (await refund_of(service, late))[0] == 6000


async def test_a_friend_who_gives_it_back_in_time_has_not_bought_it(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)
    friend = await resell(service, coach_id)
    service.clock.advance(minutes=14)
    await cancel(service, friend)

    await pass_minutes(service, 10)

    assert (await refund_of(service, late))[0] == 3000


async def test_the_same_student_does_not_resell_to_itself(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)

    await resell(service, coach_id, UUID(late["student_id"]))
    await pass_minutes(service, 15)

    assert (await refund_of(service, late))[0] == 3000


async def test_a_hold_is_no_sale(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)

    await given.a_hold(service, coach_id)
    await pass_minutes(service, 14)
    await pass_minutes(service, 30)

    assert (await refund_of(service, late))[0] == 3000


async def test_a_time_sold_at_last_makes_good_all_late_cancellations_of_it(
    service: Service,
) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    first = await a_late_cancellation(service, coach_id)
    second = await a_late_cancellation(service, coach_id)
    await resell(service, coach_id)
    await pass_minutes(service, 15)
    await pass_minutes(service, 1)

    assert (await refund_of(service, second))[0] == 6000
    told = [str(each.seat_id) for each in await service.said("seat_resold")]
    assert sorted(told) == sorted([first["seat_id"], second["seat_id"]])


async def test_who_has_bought_it_for_certain_and_leaves_has_bought_it_all_the_same(
    service: Service,
) -> None:
    """Although no tick came between."""
    coach_id = await given.a_coach(service, policy=RESELLS)
    first = await a_late_cancellation(service, coach_id)
    second = await a_late_cancellation(service, coach_id)

    await pass_minutes(service, 1)

    assert (await refund_of(service, first))[0] == 6000
    assert (await refund_of(service, second))[0] == 3000


async def test_money_that_is_back_shows_as_back(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)
    await resell(service, coach_id)
    await pass_minutes(service, 15)

    await service.hear(half_came_back(late))
    half = await refund_of(service, late)
    await service.hear(half_came_back(late))

    assert half == (6000, 100, "pending")
    assert await refund_of(service, late) == (6000, 100, "succeeded")


async def test_money_that_came_does_not_hide_what_failed(service: Service) -> None:
    coach_id = await given.a_coach(service, policy=RESELLS)
    late = await a_late_cancellation(service, coach_id)
    again = half_came_back(late)
    failed = RefundFailedV1(
        **again.model_dump(exclude={"event_id", "occurred_at"}),
        occurred_at=NOW,
        reason="closed",
    )
    await service.hear(failed)
    await resell(service, coach_id)
    await pass_minutes(service, 15)

    await service.hear(half_came_back(late))
    one = await refund_of(service, late)
    await service.hear(again)

    assert one == (6000, 100, "failed")
    assert await refund_of(service, late) == (6000, 100, "succeeded")


def half_came_back(late: dict[str, Any]) -> PaymentRefundedV1:
    return PaymentRefundedV1(
        occurred_at=NOW + timedelta(minutes=1),
        payment_id=UUID(late["payment_id"]),
        refund_id=new_id(),
        seat_id=UUID(late["seat_id"]),
        amount=Money(amount=3000, currency="USD"),
    )
