"""What is listed can be booked, nothing else can, and the reasons are true (S9, S10).

In five hundred worlds with groups, buffers, caps, overrides and clocks that change,
every listed start and two hundred others are asked for. The oracle, which shares no
code with the rules, says of every fourth whether what was answered is so.
"""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.booking.domain.listing import viewer_range
from services.booking.domain.seats import Kind, Wish, against, starts
from tests.booking.domain.chance import GAMES, THOROUGH, ZONES, Question, question
from tests.booking.domain.oracle import Oracle
from tests.booking.domain.test_oracle import by

WORLDS = 36 * THOROUGH
"""For each of fourteen zones."""

UNLISTED = 100
"""For each of the two kinds."""

CHECKED = 4


@pytest.mark.parametrize("zone", ZONES)
def test_every_listed_start_can_be_booked_and_no_other(zone: str) -> None:
    for number in range(WORLDS):
        chance = by(f"world {zone} {number}")
        asked = question(chance, zone)
        oracle = Oracle(asked.calendar, asked.minutes, asked.around)
        for kind in ("individual", "group"):
            wish = Wish(asked.minutes, kind, chance.choice(GAMES))
            _compare(chance, asked, wish, oracle)


def _compare(chance: Random, asked: Question, wish: Wish, oracle: Oracle) -> None:
    since, until = viewer_range(asked.zone, asked.first, asked.last)
    listed = [
        datetime.fromtimestamp(at, UTC)
        for at in starts(asked.calendar, wish, since, until)
    ]
    for at in listed:
        assert against(asked.calendar, wish, at) == [], (at, wish, asked)
    for group in asked.calendar.groups:
        told = [each.code for each in against(asked.calendar, wish, group.start)]
        assert told == _truth(oracle, wish, group.start), (group, wish, asked)
    seconds = int((until - since).total_seconds())
    for number in range(UNLISTED):
        step = 300 if number % 2 else 1
        at = since + timedelta(seconds=chance.randrange(0, seconds, step))
        found = [each.code for each in against(asked.calendar, wish, at)]
        assert (found == []) == (at in listed), (at, wish, asked)
        if number % CHECKED == 1:
            assert found == _truth(oracle, wish, at), (at, wish, asked)


def _truth(oracle: Oracle, wish: Wish, at: datetime) -> list[str]:
    if wish.kind == "individual":
        return oracle.reasons(at)
    return oracle.group_reasons(at, wish.game)


@pytest.mark.parametrize(("kind", "least"), [("individual", 100), ("group", 100)])
def test_the_worlds_list_enough_to_be_a_test(kind: Kind, least: int) -> None:
    count = 0
    for number in range(60):
        asked = question(by(f"world UTC {number}"), "UTC")
        since, until = viewer_range(asked.zone, asked.first, asked.last)
        count += len(starts(asked.calendar, Wish(asked.minutes, kind), since, until))

    assert count > least
