import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from services.payments.models import Payable
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.contracts.booking import SeatHeldV1, SessionMovedV1
from shared.service import backlog
from tests.given import NOW
from tests.payments.given import World, a_seat_held, cancelled, expired


def a_user(seat_student: object, version: int, email: str) -> dict[str, object]:
    return {
        "occurred_at": NOW,
        "user_id": seat_student,
        "version": version,
        "email": email,
        "email_verified": True,
        "display_name": "Ada",
        "timezone": "Europe/Berlin",
        "locale": "en",
        "roles": ["student"],
        "suspended": False,
    }


async def test_the_receipt_goes_to_the_newest_address(world: World) -> None:
    seat = a_seat_held()
    who = seat.student_id

    await world.hear(
        UserChangedV1.model_validate(a_user(who, 3, "third@example.com")),
        UserChangedV1.model_validate(a_user(who, 2, "second@example.com")),
        UserRegisteredV1.model_validate(a_user(who, 1, "first@example.com")),
    )
    await world.open_payment(seat)

    [call] = await world.asked("checkout.sessions.create")
    assert call["params"]["customer_email"] == "third@example.com"


async def test_an_address_that_changes_while_the_answer_is_lost_does_no_harm(
    world: World,
) -> None:
    seat = a_seat_held()
    await world.hear(seat)
    await world.fault("checkout.sessions.create", "lost_answer")
    await world.ask_to_pay(seat)
    await world.hear(
        UserRegisteredV1.model_validate(a_user(seat.student_id, 1, "a@example.com"))
    )

    await world.work()

    assert (await world.ask_to_pay(seat)).json()["status"] == "pending"


async def test_a_seat_heard_twice_is_one_payable(world: World) -> None:
    seat = a_seat_held()
    again = seat.model_copy(update={"event_id": a_seat_held().event_id})

    await world.hear(seat, seat, again)

    async with world.sessions() as session:
        stored = await session.get_one(Payable, seat.seat_id)
    assert (stored.amount, stored.currency) == (4999, "EUR")
    assert (stored.starts_at, stored.hold_expires_at) == (
        NOW + timedelta(days=3),
        NOW + timedelta(minutes=15),
    )


async def test_a_seat_closed_twice_for_two_reasons_stays_closed(world: World) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)

    await world.hear(expired(seat), cancelled(seat), expired(seat))
    await world.work()

    assert (await world.show(payment, seat.student_id))["status"] == "expired"
    assert len(await world.asked("checkout.sessions.expire")) == 1


async def test_a_late_success_cancelled_afterwards_still_owes_its_refund(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.open_payment(seat)
    await world.use_card(payment)
    await world.hear(expired(seat))
    await world.deliver()

    await world.hear(cancelled(seat, refund=2500))
    await world.work()

    shown = await world.show(payment, seat.student_id)
    assert [each["amount"]["amount"] for each in shown["refunds"]] == [2500]


@pytest.mark.parametrize("attempt", range(3))
async def test_paying_and_giving_up_at_once_leave_no_open_page(
    world: World, attempt: int
) -> None:
    seat = a_seat_held()
    await world.hear(seat)

    response, _ = await asyncio.gather(
        world.ask_to_pay(seat), world.hear(expired(seat))
    )
    await world.work()

    assert response.status_code in (201, 409), attempt
    assert all(each.status == "expired" for each in await world.payments())
    opened = await world.asked("checkout.sessions.create")
    closed = await world.asked("checkout.sessions.expire")
    assert len(opened) == len(closed)


async def test_what_is_left_to_do_is_counted(world: World) -> None:
    first, second, third = a_seat_held(), a_seat_held(), a_seat_held()
    await world.paid(first)
    await world.open_payment(second)
    await world.hear(cancelled(first, refund=100), expired(second), third)
    await world.fault("checkout.sessions.create", "lost_answer")
    await world.ask_to_pay(third)

    before = await backlog(world.app.state.parts)
    await world.work()
    after = await backlog(world.app.state.parts)

    kinds = ("refunds_to_send", "checkouts_to_close", "payments_unknown")
    assert [before[kind] for kind in kinds] == [1, 1, 1]
    assert [after[kind] for kind in kinds] == [0, 0, 0]


def moved(seat: SeatHeldV1, version: int) -> SessionMovedV1:
    """The seat's session, as many days later as the version says."""
    later = timedelta(days=version)
    return SessionMovedV1(
        occurred_at=NOW,
        session_id=seat.session_id,
        coach_id=seat.coach_id,
        seat_ids=(seat.seat_id,),
        student_ids=(seat.student_id,),
        old_start=seat.start,
        old_end=seat.end,
        start=seat.start + later,
        end=seat.end + later,
        game=None,
        kind="individual",
        start_version=version,
        sequence=version - 1,
        by="student",
        reason=None,
    )


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_newest_time_of_a_seat_is_kept_in_whatever_order_it_is_heard(
    world: World, order: tuple[int, ...]
) -> None:
    seat = a_seat_held()
    events = [seat, moved(seat, 2), moved(seat, 3)]

    for n in order:
        await world.hear(events[n])

    async with world.sessions() as session:
        kept = await session.get_one(Payable, seat.seat_id)
    assert kept.starts_at == seat.start + timedelta(days=3)
    assert kept.ends_at == seat.end + timedelta(days=3)


async def test_a_seat_and_its_move_heard_at_once_leave_the_newest_time(
    world: World,
) -> None:
    for _ in range(5):
        seat = a_seat_held()

        await asyncio.gather(world.hear(seat), world.hear(moved(seat, 2)))

        async with world.sessions() as session:
            kept = await session.get_one(Payable, seat.seat_id)
        assert kept.starts_at == seat.start + timedelta(days=2)
