from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.contracts.payments import PaymentRefundedV1, RefundFailedV1
from tests.payments.given import (
    REFUND_FAILS,
    REFUNDS_LATER,
    World,
    a_seat_held,
    cancelled,
    refused,
)


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
    assert len(await world.money_back()) == 1
    assert await world.amount_back_at_stripe() == 2500


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
    assert len(await world.money_back()) == 1


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
    assert await world.amount_back_at_stripe() == 2500


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
    [event] = await world.money_back()
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

    for seconds in (1, 5, 15):
        pause = timedelta(seconds=seconds)
        await world.skip_delays()
        before = datetime.now(UTC)
        await world.step()
        after = datetime.now(UTC)
        [refund] = await world.refunds()
        assert refund.due_at is not None
        assert before + pause <= refund.due_at <= after + pause


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
    assert await world.amount_back_at_stripe() == 4999


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
    assert len(await world.money_back()) == 1


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
    assert [type(event) for event in await world.money_back()] == [
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
    failures = [e for e in await world.money_back() if isinstance(e, RefundFailedV1)]
    assert len(failures) == 1
