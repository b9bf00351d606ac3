import asyncio
from datetime import timedelta
from uuid import UUID

import aiohttp
import pytest

from services.payments.actions import checkout
from services.payments.domain import Status
from shared.ids import new_id
from tests.given import NOW, bearer
from tests.payments.given import World, a_seat_held, cancelled, expired, later


async def test_a_held_seat_gets_a_page_to_pay_on(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)

    response = await world.ask_to_pay(seat)

    payment = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/payments/{payment['id']}"
    assert payment == {
        "id": payment["id"],
        "subject": {
            "session_id": str(seat.session_id),
            "seat_id": str(seat.seat_id),
            "series_id": None,
            "seats": [
                {
                    "seat_id": str(seat.seat_id),
                    "session_id": str(seat.session_id),
                    "amount": {"amount": 4999, "currency": "EUR"},
                }
            ],
        },
        "status": "pending",
        "amount": {"amount": 4999, "currency": "EUR"},
        "checkout_url": payment["checkout_url"],
        "expires_at": later(NOW, minutes=31),
        "last_error": None,
        "refunds": [],
    }
    assert payment["checkout_url"].startswith("https://checkout.example/c/pay/")


async def test_stripe_is_told_whose_money_it_will_be(world: World) -> None:
    seat = a_seat_held()

    payment = await world.open_payment(seat)

    [call] = await world.asked("checkout.sessions.create")
    metadata = {
        "payment_id": payment["id"],
        "seat_id": str(seat.seat_id),
        "attempt": "1",
    }
    params = call["params"]
    assert call["idempotency_key"] == f"payment-{payment['id']}-1"
    assert params["metadata"] == metadata
    assert params["payment_intent_data"] == {
        "metadata": metadata,
        "transfer_group": f"seat-{seat.seat_id}",
    }
    assert params["client_reference_id"] == payment["id"]
    assert "customer_email" not in params
    item = params["line_items"]["0"]
    assert item["price_data"]["product_data"]["name"] == (
        "Coaching session, 2026-06-18, 12:00 to 13:00 UTC"
    )


@pytest.mark.parametrize(
    ("hold", "life"), [(31, 31), (32, 32), (120, 120), (24 * 60, 24 * 60 - 1)]
)
async def test_a_long_hold_is_payable_until_its_end_within_stripes_bounds(
    world: World, hold: int, life: int
) -> None:
    seat = a_seat_held(hold_expires_at=NOW + timedelta(minutes=hold))

    payment = await world.open_payment(seat)

    assert payment["expires_at"] == later(NOW, minutes=life)


async def test_asking_again_gives_the_same_page(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)

    again = await world.ask_to_pay(seat)

    assert again.status_code == 200
    assert again.json() == payment
    assert len(await world.asked("checkout.sessions.create")) == 1


async def test_many_requests_at_once_open_one_page(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)

    responses = await asyncio.gather(*[world.ask_to_pay(seat) for _ in range(8)])

    assert sorted(each.status_code for each in responses) == [200] * 7 + [201]
    assert len({each.json()["checkout_url"] for each in responses}) == 1
    assert len(await world.asked("checkout.sessions.create")) == 1


async def test_a_seat_still_under_way_is_waited_for(world: World) -> None:
    seat = a_seat_held()

    waiting = asyncio.create_task(world.ask_to_pay(seat))
    await asyncio.sleep(0.3)
    await world.hear(seat)

    assert (await waiting).status_code == 201


async def test_a_seat_that_never_comes_is_not_payable_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "EVENT_PATIENCE", 0.2)

    response = await world.ask_to_pay(a_seat_held())

    assert response.status_code == 409
    assert response.json()["slug"] == "not-payable-yet"
    assert response.headers["Retry-After"] == "1"


async def test_somebody_elses_session_is_not_found(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)

    response = await world.client.post(
        "/v1/payments",
        json={"session_id": str(seat.session_id)},
        headers=bearer(new_id(), "student"),
    )

    assert response.status_code == 404
    assert await world.payments() == []


async def test_of_a_group_everybody_pays_the_own_seat(world: World) -> None:
    first = a_seat_held(kind="group")
    second = a_seat_held(kind="group", session_id=first.session_id)

    payments = [await world.open_payment(first), await world.open_payment(second)]

    assert [each["subject"]["seat_id"] for each in payments] == [
        str(first.seat_id),
        str(second.seat_id),
    ]


async def test_a_hold_that_ran_out_is_not_paid(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    world.clock.advance(minutes=15)

    response = await world.ask_to_pay(seat)

    assert (response.status_code, response.json()["slug"]) == (409, "hold-expired")


@pytest.mark.parametrize("closing", [expired, cancelled])
async def test_a_seat_given_up_before_it_was_heard_of_is_not_payable(
    world: World, closing: type
) -> None:
    seat = a_seat_held()
    await world.hear(closing(seat), seat)

    response = await world.ask_to_pay(seat)

    assert (response.status_code, response.json()["slug"]) == (409, "hold-expired")
    assert await world.asked("checkout.sessions.create") == []


async def test_a_paid_seat_is_not_paid_again(world: World) -> None:
    seat = a_seat_held()
    await world.paid(seat)

    response = await world.ask_to_pay(seat)

    assert (response.status_code, response.json()["slug"]) == (409, "already-paid")


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "lost_answer")

    lost = await world.ask_to_pay(seat)
    shown = await world.show({"id": lost.json()["payment_id"]}, seat.student_id)
    await world.work()
    found = await world.ask_to_pay(seat)

    assert (lost.status_code, lost.json()["slug"]) == (503, "payment-unknown")
    assert lost.headers["Retry-After"] == "2"
    assert (shown["status"], shown["checkout_url"]) == ("unknown", None)
    assert found.status_code == 200
    assert found.json()["status"] == "pending"
    calls = await world.asked("checkout.sessions.create")
    assert len(calls) == 2
    assert len({call["idempotency_key"] for call in calls}) == 1
    assert await world.use_card(found.json()) == 303


async def test_whoever_asks_again_after_the_pause_finds_out_himself(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "rate_limit")
    assert (await world.ask_to_pay(seat)).status_code == 503
    assert (await world.ask_to_pay(seat)).status_code == 503

    await world.skip_delays()

    assert (await world.ask_to_pay(seat)).status_code == 200
    assert len(await world.asked("checkout.sessions.create")) == 2


async def test_an_error_that_stripe_would_repeat_for_a_day_gets_a_new_key(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "error_500")

    assert (await world.ask_to_pay(seat)).status_code == 503
    await world.work()

    calls = await world.asked("checkout.sessions.create")
    assert [call["status"] for call in calls] == [500, 500, 200]
    assert [call["idempotency_key"][-2:] for call in calls] == ["-1", "-1", "-2"]
    assert (await world.ask_to_pay(seat)).json()["status"] == "pending"


async def test_an_answer_that_takes_too_long_is_found_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "timeout")
    monkeypatch.setattr(world.vendor._http, "_timeout", aiohttp.ClientTimeout(0.3))

    assert (await world.ask_to_pay(seat)).status_code == 503
    await asyncio.sleep(1)
    await world.work()

    assert (await world.ask_to_pay(seat)).json()["status"] == "pending"
    calls = await world.asked("checkout.sessions.create")
    assert len({call["idempotency_key"] for call in calls}) == 1


async def test_what_stripe_refuses_fails_and_may_be_tried_again(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "card_error")

    failed = (await world.ask_to_pay(seat)).json()
    again = (await world.ask_to_pay(seat)).json()

    assert failed["status"] == "failed"
    assert failed["last_error"]
    assert failed["checkout_url"] is None
    assert again["status"] == "pending"
    assert again["id"] != failed["id"]


async def test_a_page_that_would_live_too_shortly_by_now_is_asked_for_anew(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "rate_limit")
    await world.ask_to_pay(seat)
    world.clock.advance(minutes=5)

    await world.work()

    payment = (await world.ask_to_pay(seat)).json()
    assert payment["status"] == "pending"
    assert payment["expires_at"] == later(NOW, minutes=36)


async def test_a_crash_between_question_and_answer_is_made_good(world: World) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    async with world.sessions.begin() as session:
        wanted = checkout.Wanted(seat.student_id, seat.session_id)
        await checkout._intend(session, wanted, NOW)

    await world.work()

    [payment] = await world.payments()
    assert payment.status is Status.PENDING
    assert (await world.ask_to_pay(seat)).status_code == 200


async def test_the_seat_has_one_open_payment_in_the_database_too(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    [stored] = await world.payments()
    copy = stored.model_copy(update={"id": UUID(int=1)})

    with pytest.raises(Exception, match="a_seat_has_one_open_payment"):
        async with world.sessions.begin() as session:
            session.add(type(stored)(**copy.model_dump()))
    assert (await world.ask_to_pay(seat)).json() == payment


@pytest.mark.parametrize("first_was", [expired, cancelled])
async def test_who_comes_back_to_a_group_pays_the_new_seat_also_before_it_is_heard_of(
    world: World, first_was: type
) -> None:
    first = a_seat_held(kind="group")
    again = a_seat_held(
        kind="group",
        session_id=first.session_id,
        student_id=first.student_id,
        hold_expires_at=first.hold_expires_at + timedelta(minutes=1),
    )
    await world.paid(first)
    await world.hear(first_was(first))

    async def arrive() -> None:
        await asyncio.sleep(0.2)
        await world.hear(again)

    response, _ = await asyncio.gather(world.ask_to_pay(again), arrive())

    assert response.status_code == 201, response.text
    assert response.json()["subject"]["seat_id"] == str(again.seat_id)


@pytest.mark.parametrize("sooner", [0, 15])
async def test_who_comes_back_to_a_group_pays_the_new_seat_however_long_the_old_was_held(
    world: World, sooner: int
) -> None:
    first = a_seat_held(kind="group", hold_expires_at=NOW + timedelta(minutes=30))
    again = a_seat_held(
        kind="group",
        session_id=first.session_id,
        student_id=first.student_id,
        hold_expires_at=first.hold_expires_at - timedelta(minutes=sooner),
    )
    await world.hear(first, cancelled(first), again)

    response = await world.ask_to_pay(again)

    assert response.status_code == 201, response.text
    assert response.json()["subject"]["seat_id"] == str(again.seat_id)


async def test_a_seat_in_a_group_that_is_over_and_was_not_taken_again_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "EVENT_PATIENCE", 0.2)
    seat = a_seat_held(kind="group")
    await world.hear(seat, expired(seat))

    response = await world.ask_to_pay(seat)

    assert (response.status_code, response.json()["slug"]) == (409, "hold-expired")
