import asyncio

import pytest

from services.payments.domain import Status
from tests.payments.given import World, a_seat_held, cancelled, expired


@pytest.mark.parametrize("closing", [expired, cancelled])
async def test_the_page_of_a_seat_given_up_is_closed(
    world: World, closing: type
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)

    await world.hear(closing(seat))
    shown = await world.show(payment, seat.student_id)
    await world.work()

    assert (shown["status"], shown["checkout_url"]) == ("expired", None)
    assert await world.use_card(payment) == 410
    await world.deliver()
    assert (await world.show(payment, seat.student_id))["status"] == "expired"
    assert await world.announced() == []


@pytest.mark.parametrize("kind", ["lost_answer", "error_500", "rate_limit"])
async def test_closing_a_page_is_repeated_until_stripe_has_answered(
    world: World, kind: str
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.fault("checkout.sessions.expire", kind)
    await world.hear(expired(seat))

    await world.work()

    assert len(await world.asked("checkout.sessions.expire")) == 2
    assert await world.use_card(payment) == 410
    [stored] = await world.payments()
    assert stored.due_at is None


async def test_a_seat_given_up_while_stripe_was_asked_has_its_page_closed(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "timeout")

    asking = asyncio.create_task(world.ask_to_pay(seat))
    async with asyncio.timeout(10):
        while not world.double.keys_in_use:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.01)
    await world.hear(expired(seat))
    response = await asking
    await world.work()

    assert (response.status_code, response.json()["slug"]) == (409, "hold-expired")
    assert [
        call["status"] for call in await world.asked("checkout.sessions.expire")
    ] == [200]


async def test_time_that_runs_out_unnoticed_shows_at_once_and_is_noted(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    world.clock.advance(minutes=31)

    shown = await world.show(payment, seat.student_id)
    await world.work()

    assert shown["status"] == "expired"
    [stored] = await world.payments()
    assert stored.status is Status.EXPIRED


async def test_a_paid_page_needs_no_closing(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.use_card(payment)
    await world.hear(expired(seat))

    await world.work()
    await world.deliver()

    assert (await world.show(payment, seat.student_id))["status"] == "succeeded"
    assert await world.announced() == ["payments.succeeded.v1"]
