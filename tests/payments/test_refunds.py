import asyncio
from itertools import permutations
from typing import Any

import pytest

from services.payments.actions import refunds
from services.payments.domain import RefundOrder, RefundStatus, Refused, Status
from shared.contracts.payments import PaymentRefundedV1
from shared.ids import new_id
from shared.workers import running
from tests.given import NOW
from tests.payments.given import (
    World,
    a_seat_held,
    cancelled,
    refused,
)


async def test_a_cancelled_seat_gives_back_what_the_policy_owes(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(cancelled(seat, refund=2500))
    promised = await world.show(payment, seat.student_id)
    await world.work()
    await world.deliver()

    [refund] = promised["refunds"]
    assert refund == {
        "id": refund["id"],
        "seat_id": str(seat.seat_id),
        "amount": {"amount": 2500, "currency": "EUR"},
        "status": "pending",
    }
    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "partially_refunded"
    assert shown["refunds"] == [refund | {"status": "succeeded"}]
    [event] = await world.money_back()
    assert isinstance(event, PaymentRefundedV1)
    assert str(event.refund_id) == refund["id"]
    assert (event.seat_id, event.amount.amount) == (seat.seat_id, 2500)
    [call] = await world.asked("refunds.create")
    assert call["idempotency_key"] == f"refund-{refund['id']}-1"


async def test_refused_money_goes_back_in_full(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(refused(seat, payment["id"]))
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "refunded"
    assert [each["amount"]["amount"] for each in shown["refunds"]] == [4999]


async def test_events_heard_again_refund_once(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    cancel, refuse = cancelled(seat, refund=4999), refused(seat, payment["id"])

    for event in (cancel, cancel, cancelled(seat, refund=4999), refuse, refuse):
        await world.hear(event)
        await world.work()
        await world.deliver(*(await world.sent_by_stripe()) * 2)

    shown = await world.show(payment, seat.student_id)
    assert [each["amount"]["amount"] for each in shown["refunds"]] == [4999]
    assert len(await world.money_back()) == 1
    assert len(await world.asked("refunds.create")) == 1


async def test_for_two_causes_never_more_goes_back_than_came(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await asyncio.gather(
        world.hear(cancelled(seat, refund=2500)),
        world.hear(refused(seat, payment["id"])),
    )
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "refunded"
    assert sum(each["amount"]["amount"] for each in shown["refunds"]) == 4999


async def test_more_than_was_paid_is_not_given_back(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(cancelled(seat, refund=9999))
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert [each["amount"]["amount"] for each in shown["refunds"]] == [4999]


async def test_the_database_keeps_refunds_within_the_money(world: World) -> None:
    await world.paid(a_seat_held())

    for change in ({"promised": 5000}, {"refunded": 1}, {"refunded": -1}):
        with pytest.raises(Exception, match="refunds_stay_within_the_money"):
            await change_payment(world, **change)


async def change_payment(world: World, **values: Any) -> None:
    async with world.sessions.begin() as session:
        session.add(payment := (await world.payments())[0])
        for name, value in values.items():
            setattr(payment, name, value)


async def test_what_a_cancelled_hold_owes_waits_for_money_under_way(
    world: World,
) -> None:
    """However the money, the cancelling and the refusal meet: all of it goes back."""
    for order in permutations(("money", "cancel", "refuse")):
        if order.index("refuse") < order.index("money"):
            continue  # booking refuses only what it has heard of
        seat = a_seat_held()
        payment = await world.open_payment(seat)
        await world.use_card(payment)
        for step in order:
            match step:
                case "money":
                    await world.deliver()
                case "cancel":
                    await world.hear(cancelled(seat, refund=4999))
                case "refuse":
                    await world.hear(refused(seat, payment["id"]))
        await world.work()

        shown = await world.show(payment, seat.student_id)
        assert shown["status"] == "refunded"
        assert [each["amount"]["amount"] for each in shown["refunds"]] == [4999]


async def test_a_refund_owed_before_its_money_goes_out_when_it_comes(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.use_card(payment)
    await world.hear(cancelled(seat, refund=2500))
    await world.work()
    assert await world.refunds() == []

    await world.deliver()
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "partially_refunded"
    assert [each["amount"]["amount"] for each in shown["refunds"]] == [2500]


async def test_of_two_payments_for_a_seat_cancelling_returns_the_first(
    world: World,
) -> None:
    """A page that we had given up was paid after all, and so was its successor."""
    seat = a_seat_held()
    first = await world.open_payment(seat)
    await world.use_card(first)
    late = await world.sent_by_stripe()
    await change_payment(world, status=Status.EXPIRED)
    second = (await world.ask_to_pay(seat)).json()
    await world.use_card(second)
    await world.deliver()
    await world.deliver(*late)

    await world.hear(refused(seat, first["id"]), cancelled(seat, refund=2500))
    await world.work()

    shown = [await world.show(each, seat.student_id) for each in (first, second)]
    assert [each["status"] for each in shown] == ["refunded", "partially_refunded"]


async def test_a_cancelling_without_a_refund_gives_nothing_back(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(cancelled(seat), cancelled(seat, refund=0))
    await world.work()

    assert (await world.show(payment, seat.student_id))["refunds"] == []


async def test_two_workers_send_a_refund_once(world: World) -> None:
    seats = [a_seat_held() for _ in range(4)]
    for seat in seats:
        await world.paid(seat)
        await world.hear(cancelled(seat, refund=4999))

    await asyncio.gather(*[world.step() for _ in range(4)])

    assert len(await world.asked("refunds.create")) == 4
    assert {each.status for each in await world.refunds()} == {RefundStatus.SUCCEEDED}


async def test_a_refusal_of_a_payment_that_is_not_ours_is_not_swallowed(
    world: World,
) -> None:
    with pytest.raises(LookupError):
        async with world.sessions.begin() as session:
            await refunds.refuse(session, new_id(), new_id(), NOW)


async def test_stripe_explains_why_it_refuses(world: World) -> None:
    payment = await world.paid(a_seat_held())
    [stored] = await world.payments()
    order = RefundOrder(stored.id, 1, stored.id, stored.intent_id or "", 5000)

    answer = await world.vendor.refund(order)

    assert isinstance(answer, Refused)
    assert "greater" in answer.reason
    assert payment["status"] == "succeeded"


async def test_the_workers_do_all_of_it_by_themselves(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    parts = world.app.state.parts

    async with running(parts.workers):
        await world.hear(cancelled(seat, refund=4999))
        async with asyncio.timeout(5):
            while (await world.show(payment, seat.student_id))["status"] != "refunded":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
