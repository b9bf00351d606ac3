"""The rules against the oracle, on two thousand calendars made by chance.

`THOROUGH=5` takes ten thousand, as `make nightly` does.
"""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.booking.domain.listing import viewer_range
from services.booking.domain.reasons import Code, reasons
from services.booking.domain.seats import Wish, against
from services.booking.domain.slots import slots
from tests.booking.domain.chance import GAMES, THOROUGH, ZONES, Question, question
from tests.booking.domain.oracle import Oracle

BATCHES, CALENDARS = range(3 * THOROUGH), 48
MOMENTS = 12
"""How many instants of each calendar are explained."""


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("zone", ZONES)
def test_listing_and_reasons_are_what_the_slow_reading_says(
    zone: str, batch: int
) -> None:
    for number in range(CALENDARS):
        seed = f"{zone} {batch}/{number}"
        chance = by(seed)
        asked = question(chance, zone)
        oracle = Oracle(asked.calendar, asked.minutes, asked.around)

        assert listed(asked) == listing_of(oracle, asked), (seed, asked)
        for at in moments(chance, oracle, asked):
            found = [each.code for each in reasons(asked.calendar, asked.minutes, at)]
            assert found == oracle.reasons(at), (seed, at, asked)
            wish = Wish(asked.minutes, "group", chance.choice(GAMES))
            found = [each.code for each in against(asked.calendar, wish, at)]
            assert found == oracle.group_reasons(at, wish.game), (seed, at, asked)


def test_the_calendars_made_by_chance_are_not_all_alike() -> None:
    listings: set[int] = set()
    codes: set[str] = set()
    for number in range(150):
        chance = by(f"variety {number}")
        asked = question(chance, "Europe/Berlin")
        oracle = Oracle(asked.calendar, asked.minutes, asked.around)
        listings.add(len(listed(asked)))
        for at in moments(chance, oracle, asked):
            codes.update(oracle.reasons(at), oracle.group_reasons(at, None))

    assert len(listings) > 20
    of_calendars = {*Code} - {Code.STUDENT_BUSY}  # which no calendar knows of
    assert codes == of_calendars, "every reason there is"


def by(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - it must be possible to predict it


def listed(asked: Question) -> list[datetime]:
    since, until = viewer_range(asked.zone, asked.first, asked.last)
    offered = slots(asked.calendar, asked.minutes, since, until)
    return [datetime.fromtimestamp(at, UTC) for at in offered]


def listing_of(oracle: Oracle, asked: Question) -> list[datetime]:
    return oracle.listing(asked.zone, asked.first, asked.last)


def moments(chance: Random, oracle: Oracle, asked: Question) -> list[datetime]:
    """Some starts of the grid, and some instants anywhere near."""
    since, _ = viewer_range(asked.zone, asked.first, asked.last)
    near = [
        since + timedelta(minutes=5 * chance.randrange(576))
        for _ in range(MOMENTS // 2)
    ]
    grid = [at for at in sorted(oracle.starts) if abs(at - since) < timedelta(days=2)]
    open_ = [group.start for group in asked.calendar.groups]
    return near + chance.sample(grid, min(len(grid), MOMENTS // 2)) + open_
