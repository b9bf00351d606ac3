import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.payments.actions import refunds
from services.payments.domain import RefundOrder, RefundStatus, Refused
from shared.contracts import Event
from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from shared.ids import new_id
from shared.workers import running
from tests.given import NOW, published
from tests.payments.given import (
    REFUND_FAILS,
    REFUNDS_LATER,
    World,
    a_seat_held,
    cancelled,
    refused,
)


async def money_events(world: World) -> list[Event]:
    return [
        event
        for event in await published(world.sessions)
        if isinstance(event, PaymentRefundedV1 | RefundFailedV1)
    ]


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
        "amount": {"amount": 2500, "currency": "EUR"},
        "status": "pending",
    }
    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "partially_refunded"
    assert shown["refunds"] == [refund | {"status": "succeeded"}]
    [event] = await money_events(world)
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
    assert len(await money_events(world)) == 1
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


async def test_a_cancelling_without_a_refund_gives_nothing_back(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(cancelled(seat), cancelled(seat, refund=0))
    await world.work()

    assert (await world.show(payment, seat.student_id))["refunds"] == []


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("lost_answer", ["-1", "-1"]),
        ("rate_limit", ["-1", "-1"]),
        ("error_500", ["-1", "-1", "-2"]),
        ("card_error", ["-1", "-2"]),
    ],
)
async def test_a_refund_is_repeated_until_it_is_known(
    world: World, kind: str, keys: list[str]
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.fault("refunds.create", kind)
    await world.hear(cancelled(seat, refund=2500))

    await world.work()
    await world.deliver()

    calls = await world.asked("refunds.create")
    assert [call["idempotency_key"][-2:] for call in calls] == keys
    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["succeeded"]
    assert len(await money_events(world)) == 1
    assert await amount_back_at_stripe(world) == 2500


async def amount_back_at_stripe(world: World) -> int:
    [payment] = await world.payments()
    listed = await world.stripe.get(
        "/v1/refunds",
        params={"payment_intent": payment.intent_id or ""},
        headers={"Authorization": "Bearer sk_test_x"},
    )
    return sum(each["amount"] for each in listed.json()["data"])


async def test_a_lost_answer_is_known_from_the_webhook_too(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.fault("refunds.create", "lost_answer")
    await world.hear(cancelled(seat, refund=2500))
    await world.step()

    await world.deliver()
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["succeeded"]
    assert len(await world.asked("refunds.create")) == 1
    assert len(await money_events(world)) == 1


async def test_a_key_that_stripe_may_have_forgotten_is_not_repeated(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.fault("refunds.create", "lost_answer")
    await world.hear(cancelled(seat, refund=2500))
    await world.step()
    async with world.sessions.begin() as session:
        session.add(refund := (await world.refunds())[0])
        refund.attempt_since = datetime.now(UTC) - timedelta(days=2)

    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["succeeded"]
    assert len(await world.asked("refunds.create")) == 1
    assert await amount_back_at_stripe(world) == 2500


async def test_an_old_key_that_never_reached_stripe_is_replaced(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.hear(cancelled(seat, refund=2500))
    async with world.sessions.begin() as session:
        session.add(refund := (await world.refunds())[0])
        refund.attempt_since = datetime.now(UTC) - timedelta(days=2)

    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["succeeded"]
    [call] = await world.asked("refunds.create")
    assert call["idempotency_key"].endswith("-2")


async def test_a_refund_refused_for_good_is_tried_some_times_then_waits_for_an_admin(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.fault("refunds.create", "card_error", times=50)
    await world.hear(cancelled(seat, refund=2500))

    with capture_logs() as logs:
        await world.work()

    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "succeeded"
    assert [each["status"] for each in shown["refunds"]] == ["failed"]
    assert len(await world.asked("refunds.create")) == 4
    [event] = await money_events(world)
    assert isinstance(event, RefundFailedV1)
    assert event.reason
    assert "refund.failed" in [entry["event"] for entry in logs]


async def test_a_failed_refund_is_not_made_again_for_another_cause(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    await world.fault("refunds.create", "card_error", times=4)
    await world.hear(cancelled(seat, refund=4999))
    await world.work()

    await world.hear(refused(seat, payment["id"]))
    await world.work()

    assert len(await world.refunds()) == 1


async def test_pauses_between_tries_grow(world: World) -> None:
    seat = a_seat_held()
    await world.paid(seat)
    await world.fault("refunds.create", "card_error", times=3)
    await world.hear(cancelled(seat, refund=4999))

    pauses = []
    for _ in range(3):
        await world._skip_delays()
        started = datetime.now(UTC)
        await world.step()
        [refund] = await world.refunds()
        assert refund.due_at is not None
        pauses.append(round((refund.due_at - started).total_seconds()))

    assert pauses == [1, 5, 15]


async def test_a_refund_made_outside_is_found_out_and_not_made_twice(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    [stored] = await world.payments()
    await world.vendor._client.v1.refunds.create_async(
        {"payment_intent": stored.intent_id or ""}
    )
    await world.hear(cancelled(seat, refund=4999))

    await world.work()
    await world.deliver()

    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["failed"]
    assert await amount_back_at_stripe(world) == 4999


async def test_a_refund_that_takes_its_time_succeeds_by_webhook(world: World) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat, REFUNDS_LATER)
    await world.hear(cancelled(seat, refund=4999))
    await world.work()
    await world.deliver()
    [pending] = (await world.show(payment, seat.student_id))["refunds"]

    world.clock.advance(minutes=1)
    world.double.sweep()
    await world.deliver()

    shown = await world.show(payment, seat.student_id)
    assert pending["status"] == "pending"
    assert shown["status"] == "refunded"
    assert [each["status"] for each in shown["refunds"]] == ["succeeded"]
    assert len(await money_events(world)) == 1


async def test_a_refund_that_fails_after_its_success_waits_for_an_admin(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat, REFUND_FAILS)
    await world.hear(cancelled(seat, refund=4999))
    await world.work()
    await world.deliver()
    before = await world.show(payment, seat.student_id)

    world.clock.advance(minutes=1)
    world.double.sweep()
    sent = await world.sent_by_stripe()
    await world.deliver(*sent, *sent)
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert before["status"] == "refunded"
    assert shown["status"] == "succeeded"
    assert [each["status"] for each in shown["refunds"]] == ["failed"]
    assert [type(event) for event in await money_events(world)] == [
        PaymentRefundedV1,
        RefundFailedV1,
    ]


async def test_a_failure_heard_before_its_success_ends_in_failure_too(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat, REFUND_FAILS)
    await world.fault("refunds.create", "lost_answer")
    await world.hear(cancelled(seat, refund=4999))
    await world.step()
    world.clock.advance(minutes=1)
    world.double.sweep()
    await world.deliver(*(await world.sent_by_stripe())[::-1])

    for _ in range(5):
        await world.work()
        world.clock.advance(minutes=1)
        world.double.sweep()
        sent = await world.sent_by_stripe()
        for body in sent[::-1]:
            await world.webhook(body)

    shown = await world.show(payment, seat.student_id)
    assert [each["status"] for each in shown["refunds"]] == ["failed"]
    failures = [e for e in await money_events(world) if isinstance(e, RefundFailedV1)]
    assert len(failures) == 1


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
            await refunds.refuse(session, new_id(), NOW)


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
