import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Money
from shared.contracts.payments import (
    PaymentRefundedV1,
    PaymentSucceededV1,
    RefundFailedV1,
)
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.given import START, Service
from tests.booking.test_cancellation_api import cancel
from tests.given import NOW

LATE = timedelta(minutes=20)


def again(payment: PaymentSucceededV1) -> PaymentSucceededV1:
    """The same payment announced by another event."""
    return payment.model_copy(update={"event_id": new_id()})


async def refusals(service: Service) -> list[tuple[str, str]]:
    return [
        (str(each.seat_id), each.reason)
        for each in await service.said("payment_refused")
    ]


async def test_a_payment_delivered_twice_confirms_once(service: Service) -> None:
    held = await given.a_hold(service, goals="endgames", game="chess")
    payment = given.a_payment(held)

    await service.hear(payment, payment, again(payment))

    view = await given.shown(service, held)
    assert (view["status"], view["payment_id"]) == (
        "confirmed",
        str(payment.payment_id),
    )
    assert [step["to"] for step in view["history"]] == ["held", "confirmed"]
    [event] = await service.said("seat_confirmed")
    assert (event.paid_by, event.game, event.goals) == ("money", "chess", "endgames")
    assert await refusals(service) == []


async def test_two_deliveries_at_once_confirm_once(service: Service) -> None:
    held = await given.a_hold(service)
    payment = given.a_payment(held)

    await asyncio.gather(service.hear(payment), service.hear(again(payment)))

    assert len(await service.said("seat_confirmed")) == 1
    assert await refusals(service) == []


async def test_a_second_payment_for_a_seat_goes_back(service: Service) -> None:
    held = await given.a_hold(service)
    first, second = given.a_payment(held), given.a_payment(held)

    await service.hear(first, second, again(second), again(first))

    assert (await given.shown(service, held))["payment_id"] == str(first.payment_id)
    assert (await given.shown(service, held))["refund"] is None
    assert await refusals(service) == [(held["seat_id"], "paid_already")]


@pytest.mark.parametrize(
    "amount",
    [
        Money(amount=5999, currency="USD"),
        Money(amount=6001, currency="USD"),
        Money(amount=6000, currency="EUR"),
    ],
)
async def test_a_wrong_amount_goes_back(service: Service, amount: Money) -> None:
    held = await given.a_hold(service)

    await service.hear(given.a_payment(held, amount=amount))

    assert (await given.shown(service, held))["status"] == "held"
    assert await refusals(service) == [(held["seat_id"], "wrong_amount")]


async def test_money_for_a_seat_nobody_knows_goes_back(service: Service) -> None:
    held = await given.a_hold(service)
    unknown = new_id()
    payment = given.a_payment(held, seat_ids=[unknown])

    await service.hear(payment, again(payment))

    assert await refusals(service) == [(str(unknown), "unknown_seat")]


@pytest.mark.parametrize("swept", [True, False])
async def test_a_late_payment_confirms_a_time_that_is_still_free(
    service: Service, swept: bool
) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=20)
    payment = given.a_payment(held)

    if swept:
        await service.hear(tick())
    await service.hear(payment, again(payment))

    view = await given.shown(service, held)
    assert view["status"] == "confirmed"
    assert [step["to"] for step in view["history"]] == ["held", "expired", "confirmed"]
    assert len(await service.said("seat_expired")) == 1
    assert len(await service.said("seat_confirmed")) == 1
    assert await refusals(service) == []


def tick() -> MinuteTickV1:
    return MinuteTickV1(occurred_at=NOW, due_at=NOW + LATE, previous_due_at=None)


async def test_a_late_payment_goes_back_if_the_time_is_taken_and_stays_back(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=20)
    other = await given.a_hold(service, UUID(held["coach_id"]))
    payment = given.a_payment(held)

    await service.hear(payment)
    await cancel(service, other)
    await service.hear(again(payment))

    view = await given.shown(service, held)
    assert view["status"] == "expired"
    assert view["refund"] == {
        "amount": {"amount": 6000, "currency": "USD"},
        "percent": 100,
        "status": "pending",
    }
    assert await refusals(service) == [(held["seat_id"], "slot_taken")]
    assert await service.said("seat_confirmed") == []


async def test_a_refund_that_failed_is_no_matter_of_the_payment_after_it(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=20)
    other = await given.a_hold(service, UUID(held["coach_id"]))
    refused, second = given.a_payment(held), given.a_payment(held)
    told = {"occurred_at": NOW, "seat_id": held["seat_id"], "amount": refused.amount}
    failed = RefundFailedV1(
        **told, payment_id=refused.payment_id, refund_id=new_id(), reason="closed"
    )
    done = PaymentRefundedV1(**told, payment_id=second.payment_id, refund_id=new_id())

    await service.hear(refused, failed)
    first = (await given.shown(service, held))["refund"]["status"]
    await cancel(service, other)
    await service.hear(second)
    await cancel(service, held)
    await service.hear(done)

    assert first == "failed"
    assert (await given.shown(service, held))["refund"]["status"] == "succeeded"


async def test_a_late_payment_may_follow_one_that_went_back(service: Service) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=20)
    other = await given.a_hold(service, UUID(held["coach_id"]))
    refused, second = given.a_payment(held), given.a_payment(held)

    await service.hear(refused)
    await cancel(service, other)
    await service.hear(second, again(refused))

    view = await given.shown(service, held)
    assert (view["status"], view["refund"]) == ("confirmed", None)
    assert view["payment_id"] == str(second.payment_id)
    assert await refusals(service) == [(held["seat_id"], "slot_taken")]


async def test_a_late_payment_of_a_student_who_is_busy_by_now_goes_back(
    service: Service,
) -> None:
    student_id = new_id()
    held = await given.a_hold(service, student_id=student_id)
    service.clock.advance(minutes=20)
    await given.a_hold(service, student_id=student_id)

    await service.hear(given.a_payment(held))

    assert await refusals(service) == [(held["seat_id"], "student_busy")]


async def test_a_late_payment_after_the_start_goes_back(service: Service) -> None:
    held = await given.a_hold(service)
    await service.clock.until(START)

    await service.hear(given.a_payment(held))

    assert await refusals(service) == [(held["seat_id"], "too_late")]


async def test_a_hold_ends_at_the_start_at_the_latest(service: Service) -> None:
    coach_id = await given.a_coach(service, policy={"notice_minutes": 0})
    start = service.clock.now() + timedelta(minutes=30)
    service.clock.advance(minutes=20)

    held = (await given.book(service, coach_id, start=start)).json()
    await service.clock.until(start)
    await service.hear(given.a_payment(held))

    assert datetime.fromisoformat(held["hold_expires_at"]) == start
    assert await refusals(service) == [(held["seat_id"], "too_late")]


async def test_a_late_payment_for_a_coach_who_left_goes_back(service: Service) -> None:
    held = await given.a_hold(service)
    left = given.a_profile(UUID(held["coach_id"]), version=2, listed=False)
    service.clock.advance(minutes=20)

    await service.hear(left, given.a_payment(held))

    assert await refusals(service) == [(held["seat_id"], "coach_unavailable")]


async def test_a_payment_in_time_confirms_although_the_coach_left(
    service: Service,
) -> None:
    held = await given.a_hold(service)
    left = given.a_profile(UUID(held["coach_id"]), version=2, listed=False)

    await service.hear(left, given.a_payment(held))

    assert (await given.shown(service, held))["status"] == "confirmed"


async def test_cancel_and_payment_in_either_order_give_everything_back(
    service: Service,
) -> None:
    soon = NOW + timedelta(hours=3)
    first = await given.a_hold(service, start=soon)
    second = await given.a_hold(service, start=soon)

    await service.hear(given.a_payment(first))
    await cancel(service, first)
    await cancel(service, second)
    await service.hear(given.a_payment(second))

    views = [await given.shown(service, each) for each in (first, second)]
    for view in views:
        assert view["status"] == "cancelled"
        assert view["refund"]["percent"] == 100
        assert view["refund"]["amount"]["amount"] == 6000
    [paid, unpaid] = await service.said("seat_cancelled")
    assert (paid.refund.amount, unpaid.refund) == (6000, None)
    assert await refusals(service) == [(second["seat_id"], "cancelled")]


async def test_cancel_and_payment_at_once_never_keep_the_money(
    service: Service,
) -> None:
    held = await given.a_hold(service)

    await asyncio.gather(cancel(service, held), service.hear(given.a_payment(held)))

    assert (await given.shown(service, held))["refund"]["amount"]["amount"] == 6000
    [cancelled] = await service.said("seat_cancelled")
    back = await refusals(service)
    assert (cancelled.refund is None) == (len(back) == 1)


@pytest.mark.parametrize("order", list(itertools.permutations(["pay", "tick", "pay2"])))
async def test_in_whatever_order_a_paid_hold_is_confirmed_once(
    service: Service, order: tuple[str, ...]
) -> None:
    held = await given.a_hold(service)
    service.clock.advance(minutes=20)
    payment = given.a_payment(held)
    events: dict[str, Any] = {"pay": payment, "tick": tick(), "pay2": again(payment)}

    await service.hear(*(events[name] for name in order))

    assert (await given.shown(service, held))["status"] == "confirmed"
    assert len(await service.said("seat_confirmed")) == 1
    assert await refusals(service) == []


async def test_an_older_profile_does_not_undo_a_newer_one(service: Service) -> None:
    coach_id = new_id()
    newer = given.a_profile(coach_id, version=2, hourly_rate=8000)
    await given.put(service, coach_id, "schedule", given.OPEN_ALL_DAY)

    await service.hear(newer, given.a_profile(coach_id, version=1))

    held = await given.a_hold(service, coach_id)
    assert held["price"]["amount"] == 8000
