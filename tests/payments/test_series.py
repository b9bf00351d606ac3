"""Several seats in one payment: one page, one success, each seat's own money back."""

import asyncio
from math import gcd
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import col, select

from services.payments.domain import Status, allocate
from services.payments.models import Share
from shared.contracts.payments import PaymentSucceededV1
from shared.ids import new_id
from tests.given import bearer, published
from tests.payments.given import (
    DECLINED,
    World,
    a_seat_held,
    a_series,
    cancelled,
    expired,
    refused,
    renamed,
)


async def shares(world: World) -> dict[UUID, tuple[int, int]]:
    """What each seat received and promises back."""
    async with world.sessions() as session:
        rows = await session.exec(select(Share))
        return {each.seat_id: (each.received, each.promised) for each in rows}


async def test_a_series_is_paid_on_one_page_over_the_sum(world: World) -> None:
    seats = a_series(5000, 5000, 4000)

    payment = await world.open_series(seats)

    assert payment["amount"] == {"amount": 14000, "currency": "EUR"}
    assert payment["subject"] == {
        "session_id": None,
        "seat_id": None,
        "series_id": str(seats[0].series_id),
        "seats": [
            {
                "seat_id": str(seat.seat_id),
                "session_id": str(seat.session_id),
                "amount": {"amount": seat.price.amount, "currency": "EUR"},
            }
            for seat in seats
        ],
    }
    [call] = await world.asked("checkout.sessions.create")
    lines = list(call["params"]["line_items"].values())
    assert [line["price_data"]["unit_amount"] for line in lines] == [
        "5000",
        "5000",
        "4000",
    ]
    assert "2026-06-25" in lines[1]["price_data"]["product_data"]["name"]
    assert call["params"]["metadata"]["series_id"] == str(seats[0].series_id)


async def test_a_series_paid_is_announced_once_with_all_its_seats(world: World) -> None:
    seats = a_series(5000, 5000)
    payment = await world.open_series(seats)
    await world.use_card(payment)

    bodies = await world.sent_by_stripe()
    for _ in range(3):
        await world.deliver(*bodies)
        await world.deliver(*map(renamed, bodies))

    said = await published(world.sessions)
    [event] = [each for each in said if isinstance(each, PaymentSucceededV1)]
    assert set(event.seat_ids) == {seat.seat_id for seat in seats}
    assert event.amount.amount == 10000
    assert await shares(world) == {seat.seat_id: (5000, 0) for seat in seats}


async def test_a_series_is_payable_once_all_its_seats_are_known(world: World) -> None:
    seats = a_series(5000, 5000, 5000)
    await world.hear(*seats[:2])

    asking = asyncio.create_task(world.ask_to_pay_series(seats))
    await asyncio.sleep(0.3)
    assert not asking.done()
    await world.hear(seats[2])

    assert (await asking).status_code == 201


async def test_asking_often_and_at_once_opens_one_page(world: World) -> None:
    seats = a_series(5000, 5000)
    await world.hear(*seats)

    answers = await asyncio.gather(*[world.ask_to_pay_series(seats) for _ in range(6)])

    assert sorted(each.status_code for each in answers) == [200] * 5 + [201]
    assert len(await world.asked("checkout.sessions.create")) == 1


async def test_one_seat_of_a_series_is_not_paid_alone(world: World) -> None:
    seats = a_series(5000, 5000)
    await world.hear(*seats)

    answer = await world.ask_to_pay(seats[1])

    assert (answer.status_code, answer.json()["slug"]) == (409, "part-of-a-series")
    assert answer.json()["series_id"] == str(seats[0].series_id)


async def test_a_series_is_paid_by_its_student_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.payments.actions.checkout.EVENT_PATIENCE", 0.1)
    seats = a_series(5000, 5000)
    await world.hear(*seats)
    body = {"series_id": str(seats[0].series_id)}

    async def ask(who: dict[str, str], asked: dict[str, str] = body) -> int:
        answer = await world.client.post("/v1/payments", json=asked, headers=who)
        return answer.status_code

    assert await ask({}) == 401
    assert await ask(bearer(seats[0].coach_id, "coach")) == 403
    assert await ask(bearer(new_id(), "student")) == 404
    assert await ask(bearer(new_id(), "student"), {"series_id": str(new_id())}) == 409
    assert await ask(bearer(seats[0].student_id, "student")) == 201


@pytest.mark.parametrize("closing", [expired, cancelled])
async def test_one_seat_given_up_closes_the_page_for_all(
    world: World, closing: type
) -> None:
    seats = a_series(5000, 5000)
    payment = await world.open_series(seats)

    await world.hear(closing(seats[1]))
    await world.work()

    assert await world.use_card(payment) == 410
    again = await world.ask_to_pay_series(seats)
    assert (again.status_code, again.json()["slug"]) == (409, "hold-expired")


async def test_a_declined_card_leaves_the_series_open(world: World) -> None:
    seats = a_series(5000, 5000)
    payment = await world.open_series(seats)

    await world.use_card(payment, DECLINED)
    await world.deliver()
    await world.use_card(payment)
    await world.deliver()

    shown = await world.show(payment, seats[0].student_id)
    assert shown["status"] == "succeeded"
    assert await world.announced() == ["payments.failed.v1", "payments.succeeded.v1"]


async def test_seats_that_are_refused_go_back_alone_and_once(world: World) -> None:
    seats = a_series(5000, 4000, 3000)
    payment = await world.paid_series(seats)
    refusal = refused(seats[1], payment["id"])
    again = refusal.model_copy(update={"event_id": new_id()})

    await world.hear(refusal, again)
    await world.work()

    shown = await world.show(payment, seats[0].student_id)
    assert shown["status"] == "partially_refunded"
    assert [
        (each["seat_id"], each["amount"]["amount"]) for each in shown["refunds"]
    ] == [(str(seats[1].seat_id), 4000)]
    assert await world.amount_back_at_stripe() == 4000


async def test_each_seat_gives_back_from_its_own_share(world: World) -> None:
    seats = a_series(5000, 4000, 3000)
    payment = await world.paid_series(seats)

    await world.hear(
        cancelled(seats[0], refund=2500),
        cancelled(seats[1], refund=9999),
        refused(seats[2], payment["id"]),
    )
    await world.work()

    assert await shares(world) == {
        seats[0].seat_id: (5000, 2500),
        seats[1].seat_id: (4000, 4000),
        seats[2].seat_id: (3000, 3000),
    }
    assert await world.amount_back_at_stripe() == 9500
    shown = await world.show(payment, seats[0].student_id)
    assert shown["status"] == "partially_refunded"


async def test_cancellations_heard_before_the_money_are_owed_when_it_comes(
    world: World,
) -> None:
    seats = a_series(5000, 4000)
    payment = await world.open_series(seats)
    await world.use_card(payment)

    await world.hear(cancelled(seats[1], refund=1000))
    await world.deliver()
    await world.work()

    assert await world.amount_back_at_stripe() == 1000


async def test_all_seats_at_once_and_twice_give_all_back_once(world: World) -> None:
    seats = a_series(5000, 4000, 3000, 2000)
    payment = await world.paid_series(seats)
    events = [cancelled(seat, refund=seat.price.amount) for seat in seats]
    again = [each.model_copy(update={"event_id": new_id()}) for each in events]

    await asyncio.gather(*(world.hear(each) for each in events + again))
    await world.work()

    assert await world.amount_back_at_stripe() == 14000
    [stored] = await world.payments()
    assert (stored.promised, stored.refunded) == (14000, 14000)
    assert (await world.show(payment, seats[0].student_id))["status"] == "refunded"


async def test_a_seat_cannot_promise_more_than_its_share(world: World) -> None:
    seats = a_series(5000, 4000)
    await world.paid_series(seats)

    too_much = update(Share).values(promised=4001)
    with pytest.raises(Exception, match="a_seat_gives_back_its_own_share"):
        async with world.sessions.begin() as session:
            await session.exec(too_much.where(col(Share.seat_id) == seats[1].seat_id))


async def test_a_series_has_one_open_payment_in_the_database_too(world: World) -> None:
    await world.open_series(a_series(5000, 4000))
    [stored] = await world.payments()
    copy = stored.model_copy(update={"id": UUID(int=1)})

    with pytest.raises(Exception, match="a_series_has_one_open_payment"):
        async with world.sessions.begin() as session:
            session.add(type(stored)(**copy.model_dump()))


async def test_a_series_whose_time_runs_out_is_not_payable(world: World) -> None:
    seats = a_series(5000, 4000)
    payment = await world.open_series(seats)
    world.clock.advance(minutes=31)

    await world.work()

    [stored] = await world.payments()
    assert stored.status is Status.EXPIRED
    assert await world.use_card(payment) == 410


async def test_a_single_seat_beside_a_series_is_paid_as_before(world: World) -> None:
    series = a_series(5000, 4000)
    single = a_seat_held(student_id=series[0].student_id)

    await world.paid_series(series)
    payment = await world.paid(single)

    assert payment["subject"]["seat_id"] == str(single.seat_id)
    assert payment["subject"]["series_id"] is None


AMOUNTS = st.lists(st.integers(1, 10**7), min_size=1, max_size=26)


@for_all(AMOUNTS, st.integers(0, 10**8), st.sampled_from([1, 10]))
def test_what_arrived_is_split_to_the_last_cent(
    prices: list[int], received: int, step: int
) -> None:
    prices, received = [price * step for price in prices], received * step

    parts = allocate(received, prices)

    unit = gcd(received, *prices)
    assert sum(parts) == received
    assert all(part >= 0 and part % step == 0 for part in parts)
    exact = [received * price / sum(prices) for price in prices]
    assert all(
        abs(part - share) <= unit for part, share in zip(parts, exact, strict=True)
    )


@for_all(AMOUNTS)
def test_the_whole_price_is_split_into_the_prices(prices: list[int]) -> None:
    assert allocate(sum(prices), prices) == prices
