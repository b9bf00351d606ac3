"""What a missed session and a decided problem give back, once for each cause."""

from itertools import permutations
from typing import Any

import pytest

from shared.contracts.booking import (
    Earned,
    ProblemDecidedV1,
    RefundTerms,
    SeatHeldV1,
    SeatMissedV1,
)
from shared.ids import new_id
from tests.given import NOW
from tests.payments.given import World, a_seat_held, cancelled


def missed(seat: SeatHeldV1, back: int = 4999, **changes: Any) -> SeatMissedV1:
    """The coach did not come, and that is final."""
    values = _of(seat) | {
        "version": 2,
        "outcome": "coach",
        "final": True,
        "provisional_until": NOW,
        "by": "system",
        "reason": None,
        "earned": Earned(amount=0, currency="EUR", source="money"),
        "refund": RefundTerms(amount=back, currency="EUR", percent=100, rule="no_show"),
    }
    return SeatMissedV1(**values | changes)


def decided(seat: SeatHeldV1, refund: int, **changes: Any) -> ProblemDecidedV1:
    values = _of(seat) | {
        "by": "admin",
        "decision": "partial" if refund else "none",
        "reason": "the coach left",
        "refund": RefundTerms(
            amount=refund, currency="EUR", percent=50, rule="problem"
        ),
        "earned": Earned(amount=4999 - refund, currency="EUR", source="money"),
    }
    return ProblemDecidedV1(**values | changes)


def _of(seat: SeatHeldV1) -> dict[str, Any]:
    names = ["seat_id", "session_id", "coach_id", "student_id", "start", "end", "kind"]
    return {name: getattr(seat, name) for name in names} | {
        "occurred_at": NOW,
        "game": None,
    }


async def given_back(world: World, payment: dict[str, Any], student: Any) -> list[int]:
    await world.work()
    shown = await world.show(payment, student)
    return [each["amount"]["amount"] for each in shown["refunds"]]


async def test_a_final_no_show_of_the_coach_gives_everything_back_once(
    world: World,
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    said = missed(seat)

    await world.hear(said, said, said.model_copy(update={"event_id": new_id()}))

    assert await given_back(world, payment, seat.student_id) == [4999]
    assert len(await world.money_back()) == 1
    shown = await world.show(payment, seat.student_id)
    assert shown["status"] == "refunded"


@pytest.mark.parametrize(
    "changes", [{"final": False}, {"refund": None}, {"outcome": "student", "back": 0}]
)
async def test_what_is_provisional_or_the_students_fault_moves_no_money(
    world: World, changes: dict[str, Any]
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)

    await world.hear(missed(seat, **changes))

    assert await given_back(world, payment, seat.student_id) == []


@pytest.mark.parametrize(("refund", "expected"), [(2500, [2500]), (0, [])])
async def test_a_decided_problem_gives_back_what_was_decided(
    world: World, refund: int, expected: list[int]
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    said = decided(seat, refund)

    await world.hear(said, said.model_copy(update={"event_id": new_id()}))

    assert await given_back(world, payment, seat.student_id) == expected


@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_in_any_order_with_other_causes_never_more_goes_back_than_came(
    world: World, order: tuple[int, ...]
) -> None:
    seat = a_seat_held()
    payment = await world.paid(seat)
    said = [missed(seat), decided(seat, 2500), cancelled(seat, refund=2500)]

    for each in order:
        await world.hear(said[each])

    assert sum(await given_back(world, payment, seat.student_id)) == 4999
    assert await world.amount_back_at_stripe() == 4999


async def test_what_is_owed_waits_for_money_under_way(world: World) -> None:
    seat = a_seat_held()
    await world.hear(missed(seat))

    payment = await world.paid(seat)

    assert await given_back(world, payment, seat.student_id) == [4999]
