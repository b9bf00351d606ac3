"""The whole life of seats, step by step by chance, beside a model of it."""

from contextlib import closing
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.booking.lives.agreeing import Agreeing
from tests.booking.lives.machine import DEEP
from tests.booking.lives.market import Product
from tests.booking.lives.meeting import Meeting
from tests.booking.lives.seats import Terms
from tests.booking.lives.together import Together
from tests.booking.lives.waiting import Waiting
from tests.booking.lives.weekly import Weekly


class Alone(Meeting, Agreeing, Weekly, Waiting):
    """Sessions of one student, single ones and series, and who waits for one."""

    terms: ClassVar = (
        Terms(before=0, after=0, tiers=((24, 100), (0, 0)), rate=6000),
        Terms(before=10, after=20, tiers=((48, 100), (24, 50), (0, 0)), rate=4999),
    )
    many: ClassVar = 4


@pytest.mark.timeout(7200 if DEEP else 600)
@pytest.mark.parametrize("part", range(4))
def test_every_life_of_seats_is_what_the_rules_make_of_it(
    postgres_server: str, part: int
) -> None:
    """In four parts, two of them of groups, 200 lives of 30 steps.

    With THOROUGH set other 2,000 of 50.
    """
    kind = Together if part % 2 else Alone
    with closing(Product(postgres_server, kind.terms)) as product:
        machine = type(kind.__name__, (kind,), {"product": product})
        run_state_machine_as_test(
            machine if DEEP else seed(part)(machine),
            settings=settings(
                max_examples=500 if DEEP else 50,
                stateful_step_count=50 if DEEP else 30,
                derandomize=False,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
