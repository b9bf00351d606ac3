from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

import pytest

from services.booking.domain.listing import viewer_range
from services.booking.domain.reasons import for_others
from services.booking.domain.series import MOST, Occurrence, check
from services.booking.domain.slots import slots
from services.booking.domain.zones import weekly
from tests.booking.domain.chance import ZONES, question
from tests.booking.domain.reading import Entry, calendar, instant, vectors

Answer = list[tuple[datetime, list[str]]]


def expected(entry: Entry) -> Answer:
    """A week is an instant, or an instant with what speaks against it."""
    weeks = []
    for week in entry["weeks"]:
        [(start, codes)] = week.items() if isinstance(week, dict) else [(week, [])]
        weeks.append((instant(start), codes))
    return weeks


def answered(found: list[Occurrence]) -> Answer:
    return [
        (each.start, [reason.code.value for reason in for_others(each.against)])
        for each in found
    ]


@pytest.mark.parametrize("entry", vectors("series"))
def test_a_series_has_the_weeks_of_the_vector_and_what_speaks_against_them(
    entry: Entry,
) -> None:
    weeks = weekly(entry["zone"], instant(entry["first"]), entry["count"])
    own = [tuple(map(instant, each.split("/"))) for each in entry.get("own", [])]

    found = check(calendar(entry), entry["session"][0], weeks, own)  # type: ignore[arg-type]

    assert answered(found) == expected(entry)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_the_wall_clock_is_the_same_in_every_week_but_one_it_skips(zone: str) -> None:
    first = datetime(2026, 1, 5, 18, 15, tzinfo=UTC)

    weeks = weekly(zone, first, MOST)

    local = [week.astimezone(ZoneInfo(zone)) for week in weeks]
    assert {(at.hour, at.minute, at.weekday()) for at in local} == {
        (local[0].hour, 15, local[0].weekday())
    }
    assert len(set(weeks)) == MOST == len(weeks)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(8))
def test_the_weeks_that_are_ok_are_ok_without_the_others(zone: str, seed: int) -> None:
    asked, minutes, *_, first, last = question(Random(f"{zone} {seed}"), zone)  # noqa: S311
    starts = slots(asked, minutes, *viewer_range(zone, first, last))
    begin = datetime.fromtimestamp(starts[0], UTC) if starts else asked.now

    found = check(asked, minutes, weekly(zone, begin, 6), [])
    again = check(asked, minutes, [each.start for each in found if each.ok], [])

    assert not starts or found[0].ok
    assert all(each.ok for each in again)
