"""What a late cancellation kept goes back when the time is sold again."""

import asyncio
from itertools import permutations
from random import Random
from uuid import UUID

import pytest

from services.payments.domain import Cause
from shared.ids import new_id
from tests.payments.given import (
    World,
    a_seat_held,
    a_series,
    cancelled,
    refused,
    resold,
)


@pytest.mark.parametrize("order", list(permutations([0, 1, 2])))
async def test_a_resale_gives_back_the_rest_in_any_order_of_the_news(
    world: World, order: tuple[int, ...]
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.use_card(payment)

    for step in order:
        if step == 0:
            await world.deliver()
        else:
            await world.hear([cancelled(seat, 2500), resold(seat, 2499)][step - 1])
    await world.work()

    assert await world.amount_back_at_stripe() == 4999
    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "refunded"
    assert {each.cause for each in await world.refunds()} == {
        Cause.CANCELLED,
        Cause.RESOLD,
    }


async def test_a_resale_told_often_and_at_once_refunds_once(world: World) -> None:
    seat = a_seat_held()
    await world.paid(seat)
    await world.hear(cancelled(seat, 2500))
    told = resold(seat, 2499)
    again = [told.model_copy(update={"event_id": new_id()}) for _ in range(3)]

    await asyncio.gather(*(world.hear(each) for each in [told, *again]))
    await world.work()

    assert [each.amount for each in await world.refunds()] == [2500, 2499]
    assert await world.amount_back_at_stripe() == 4999


async def test_no_cause_gives_back_more_than_is_left_of_the_share(world: World) -> None:
    seats = a_series(5000, 4000)
    await world.paid_series(seats)

    await world.hear(cancelled(seats[0], 2500), resold(seats[0], 9999))
    await world.work()

    assert await world.amount_back_at_stripe() == 5000


@pytest.mark.parametrize("seed", range(6))
async def test_refunds_add_up_to_the_cent_whatever_is_owed_and_refused(
    world: World, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311
    seats = a_series(*(chance.randrange(1, 9999) for _ in range(4)))
    payment = await world.open_series(seats)
    await world.use_card(payment)
    back = {seat.seat_id: 0 for seat in seats}
    told: set[tuple[UUID, int]] = set()
    when_money_comes = chance.randrange(10)

    for step in range(14):
        if step == when_money_comes:
            await world.deliver()
        seat, kind = chance.choice(seats), chance.randrange(3)
        amount = chance.randrange(1, 9999)
        if kind == 2 and step <= when_money_comes:
            continue  # booking refuses what has come
        if kind == 2:
            await world.hear(refused(seat, payment["id"]))
            amount = seat.price.amount
        else:
            await world.hear(
                cancelled(seat, amount) if kind == 0 else resold(seat, amount)
            )
        if (seat.seat_id, kind) not in told:
            told.add((seat.seat_id, kind))
            most = seat.price.amount
            if kind == 2 or (seat.seat_id, 2) not in told:
                back[seat.seat_id] = min(most, back[seat.seat_id] + amount)
    await world.work()

    [stored] = await world.payments()
    assert stored.promised == stored.refunded == sum(back.values()) <= stored.received
    assert await world.amount_back_at_stripe() == sum(back.values())
    by_seat = {seat.seat_id: 0 for seat in seats}
    for refund in await world.refunds():
        by_seat[refund.seat_id] += refund.amount
    assert by_seat == back
