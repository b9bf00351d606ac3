import asyncio
import json
import time
from collections.abc import Callable
from itertools import permutations

import pytest
from structlog.testing import capture_logs

from local.stripe.webhooks import sign
from services.payments.domain import Status
from shared.contracts import Money
from shared.contracts.payments import PaymentFailedV1, PaymentSucceededV1
from shared.ids import new_id
from tests.given import published
from tests.payments.given import (
    DECLINED,
    SECRET,
    WEBHOOK,
    World,
    a_seat_held,
    expired,
    kind_of,
    renamed,
)


async def test_a_paid_page_makes_the_payment_succeed(world: World) -> None:
    seat = a_seat_held()

    payment = await world.paid(seat)

    assert (payment["status"], payment["checkout_url"]) == ("succeeded", None)
    [event] = await published(world.sessions)
    assert isinstance(event, PaymentSucceededV1)
    assert str(event.payment_id) == payment["id"]
    assert event.seat_ids == [seat.seat_id]
    assert event.amount == Money(amount=4999, currency="EUR")
    assert event.at == world.clock.now()


async def test_a_decline_leaves_the_payment_open_with_its_reason(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)

    assert await world.use_card(payment, DECLINED) == 402
    await world.deliver()

    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "pending"
    assert shown["checkout_url"] == payment["checkout_url"]
    [event] = await published(world.sessions)
    assert isinstance(event, PaymentFailedV1)
    assert event.reason == shown["last_error"] != ""


async def test_each_decline_is_told_once_and_a_success_ends_it(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    for _ in range(2):
        await world.use_card(payment, DECLINED)
    await world.use_card(payment)
    sent = await world.sent_by_stripe()

    await world.deliver(*sent, *sent)

    shown = await world.show(payment, seat.student_id)
    assert (shown["status"], shown["last_error"]) == ("succeeded", None)
    assert await world.announced() == [
        "payments.failed.v1",
        "payments.failed.v1",
        "payments.succeeded.v1",
    ]


async def test_in_whatever_order_the_end_is_the_same(world: World) -> None:
    for order in permutations(range(3)):
        seat = a_seat_held()
        payment = await world.open_payment(seat)
        await world.use_card(payment, DECLINED)
        await world.use_card(payment)
        kinds = (
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
            "checkout.session.completed",
        )
        sent = [body for body in await world.sent_by_stripe() if kind_of(body) in kinds]
        assert len(sent) == 3

        for index in order:
            await world.deliver(sent[index], sent[index], renamed(sent[index]))

        shown = await world.show(payment, seat.student_id)
        assert (shown["status"], shown["last_error"]) == ("succeeded", None)

    succeeded = [name for name in await world.announced() if "succeeded" in name]
    assert len(succeeded) == 6


async def test_webhooks_at_the_same_moment_announce_once(world: World) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    sent = await world.sent_by_stripe()

    answers = await asyncio.gather(*[world.webhook(body) for body in sent * 4])

    assert {answer.status_code for answer in answers} == {200}
    assert await world.announced() == ["payments.succeeded.v1"]


async def test_a_webhook_may_come_before_the_answer_that_names_the_page(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "lost_answer")
    unknown = {"id": (await world.ask_to_pay(seat)).json()["payment_id"]}
    [page] = world.double.store._db.execute(
        "SELECT id FROM objects WHERE kind = 'checkout.session'"
    ).fetchone()
    await world.use_card({"checkout_url": f"/c/pay/{page}"})

    await world.deliver()
    await world.work()

    shown = await world.show(unknown, seat.student_id)
    assert shown["status"] == "succeeded"
    assert await world.announced() == ["payments.succeeded.v1"]
    assert len(await world.asked("checkout.sessions.create")) == 1


async def test_money_for_a_seat_given_up_is_recorded_and_announced(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.use_card(payment)
    await world.hear(expired(seat))
    await world.work()

    await world.deliver()

    assert (await world.show(payment, seat.student_id))["status"] == "succeeded"
    assert await world.announced() == ["payments.succeeded.v1"]


async def test_a_page_that_stripe_expires_expires_the_payment(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.vendor.close_checkout((await world.payments())[0].checkout_id or "")

    await world.deliver()

    assert (await world.show(payment, seat.student_id))["status"] == "expired"
    again = await world.ask_to_pay(seat)
    assert again.status_code == 201
    assert again.json()["id"] != payment["id"]


async def test_a_page_that_was_replaced_may_expire_without_harm(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.vendor.close_checkout((await world.payments())[0].checkout_id or "")
    async with world.sessions.begin() as session:
        session.add(stored := (await world.payments())[0])
        stored.attempt = 2

    await world.deliver()

    assert (await world.show(payment, seat.student_id))["status"] == "pending"


@pytest.mark.parametrize(("field", "value"), [("amount_total", 1), ("currency", "usd")])
async def test_another_amount_is_announced_as_it_came_and_raises_the_alarm(
    world: World, field: str, value: object
) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    [body] = [
        body
        for body in await world.sent_by_stripe()
        if kind_of(body) == "checkout.session.completed"
    ]
    event = json.loads(body)
    event["data"]["object"][field] = value

    with capture_logs() as logs:
        await world.deliver(json.dumps(event).encode())

    assert ("payment.wrong_amount", "error") in [
        (entry["event"], entry["log_level"]) for entry in logs
    ]
    [announced] = await published(world.sessions)
    assert isinstance(announced, PaymentSucceededV1)
    assert announced.amount != Money(amount=4999, currency="EUR")
    assert announced.amount.amount in (1, 4999)


def of_another_type(event: dict[str, object]) -> dict[str, object]:
    return event | {"type": "invoice.paid"}


def not_of_ours(event: dict[str, object]) -> dict[str, object]:
    return event | {"data": {"object": {"id": "pi_1", "metadata": {}}}}


def of_an_unknown_payment(event: dict[str, object]) -> dict[str, object]:
    intent = {
        "id": "pi_1",
        "metadata": {"payment_id": str(new_id())},
        "amount_received": 5,
        "currency": "eur",
    }
    return event | {"data": {"object": intent}}


@pytest.mark.parametrize(
    "change", [of_another_type, not_of_ours, of_an_unknown_payment]
)
async def test_what_does_not_concern_us_is_taken_and_does_nothing(
    world: World, change: Callable[[dict[str, object]], dict[str, object]]
) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    [body] = [
        body
        for body in await world.sent_by_stripe()
        if kind_of(body) == "payment_intent.succeeded"
    ]

    response = await world.webhook(json.dumps(change(json.loads(body))).encode())

    assert (response.status_code, response.json()) == (200, {"received": True})
    assert await world.announced() == []
    [stored] = await world.payments()
    assert stored.status is Status.PENDING


@pytest.mark.parametrize(
    ("secret", "ahead"),
    [("whsec_other", 0), (SECRET, 3600), (SECRET, 60), (SECRET, -600)],
)
async def test_a_forged_future_or_old_signature_is_refused(
    world: World, secret: str, ahead: float
) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    sent = await world.sent_by_stripe()

    answers = [await world.webhook(body, secret=secret, ahead=ahead) for body in sent]

    assert {answer.status_code for answer in answers} == {400}
    assert {answer.json()["slug"] for answer in answers} == {"bad-signature"}
    assert await world.announced() == []
    await world.deliver(*sent)
    assert await world.announced() == ["payments.succeeded.v1"]


@pytest.mark.parametrize(
    "header", [None, "", "t=1", "v1=aa", "t=x,v1=aa", "t=99999999999,v1=aa", "=,="]
)
@pytest.mark.parametrize("body", [b"{}", b"", b"\xff\xfe"])
async def test_a_broken_signature_is_refused(
    world: World, header: str | None, body: bytes
) -> None:
    headers = {} if header is None else {"Stripe-Signature": header}

    response = await world.client.post(WEBHOOK, content=body, headers=headers)

    assert (response.status_code, response.json()["slug"]) == (400, "bad-signature")


async def test_a_signature_that_is_not_ascii_is_refused(world: World) -> None:
    header = f"t={int(time.time())},v1=é".encode("latin-1")

    response = await world.client.post(
        WEBHOOK, content=b"{}", headers={b"Stripe-Signature": header}
    )

    assert (response.status_code, response.json()["slug"]) == (400, "bad-signature")


async def test_a_body_that_was_altered_is_refused(world: World) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    body = (await world.sent_by_stripe())[0]
    headers = {"Stripe-Signature": sign(body, SECRET, int(time.time()))}

    altered = await world.client.post(WEBHOOK, content=body + b" ", headers=headers)
    as_sent = await world.client.post(WEBHOOK, content=body, headers=headers)

    assert (altered.status_code, as_sent.status_code) == (400, 200)


async def test_what_could_not_be_stored_is_sent_again_by_stripe(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await world.open_payment(a_seat_held())
    await world.use_card(payment)
    sent = await world.sent_by_stripe()

    def down() -> None:
        raise ConnectionError

    with monkeypatch.context() as outage:
        outage.setattr(world.app.state.sessions, "begin", down)
        answers = [await world.webhook(body) for body in sent]

    assert {answer.status_code for answer in answers} == {503}
    await world.deliver(*sent)
    assert await world.announced() == ["payments.succeeded.v1"]


@pytest.mark.parametrize(
    "kind", ["drop", "duplicate", "delay", "reorder", "forge", "future"]
)
async def test_however_stripe_delivers_the_payment_succeeds_once(
    world: World, kind: str
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    world.post.forwards = world.client
    await world.fault("webhook", kind, times=3)

    await world.use_card(payment, DECLINED)
    await world.use_card(payment)
    await world.sent_by_stripe()

    assert (await world.show(payment, seat.student_id))["status"] == "succeeded"
    announced = await world.announced("payments.failed.v1")
    assert announced == ["payments.succeeded.v1"]
