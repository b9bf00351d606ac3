from datetime import UTC, datetime, timedelta

import pytest

from services.booking.domain.cancellation import Terms, quote, tier_percent
from services.booking.domain.lifecycle import Status
from services.booking.domain.listing import viewer_range
from services.booking.domain.policy import Tier, policy_errors
from services.booking.domain.problems import WrongStatus
from services.booking.domain.reasons import for_others, reasons
from services.booking.domain.remedies import remedy
from services.booking.domain.schedule import schedule_errors
from services.booking.domain.seats import Wish, against, starts
from services.booking.domain.slots import slots
from tests.booking.domain.reading import (
    Entry,
    asked,
    calendar,
    elapsed,
    instant,
    vectors,
)

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
DEFAULT_TIERS = [[24, 100], [0, 0]]


@pytest.mark.parametrize("entry", vectors("slots"))
def test_a_listing_offers_exactly_the_slots_of_the_vector(entry: Entry) -> None:
    first, last, zone = asked(entry)

    offered = slots(
        calendar(entry), entry["session"][0], *viewer_range(zone, first, last)
    )

    assert [datetime.fromtimestamp(at, UTC) for at in offered] == [
        instant(each) for each in entry["slots"]
    ]


@pytest.mark.parametrize("entry", vectors("slots"))
def test_the_slots_do_not_depend_on_the_range_that_is_asked_for(entry: Entry) -> None:
    first, last, zone = asked(entry)
    wide = viewer_range(zone, first - timedelta(days=9), last + timedelta(days=11))
    since, until = (at.timestamp() for at in viewer_range(zone, first, last))

    offered = slots(calendar(entry), entry["session"][0], *wide)

    assert [at for at in offered if since <= at < until] == [
        instant(each).timestamp() for each in entry["slots"]
    ]


@pytest.mark.parametrize("entry", vectors("slots"))
def test_every_slot_of_a_vector_can_be_booked(entry: Entry) -> None:
    for each in entry["slots"]:
        assert reasons(calendar(entry), entry["session"][0], instant(each)) == []


@pytest.mark.parametrize("entry", vectors("reasons"))
def test_the_reasons_are_those_of_the_vector(entry: Entry) -> None:
    found = reasons(calendar(entry), entry["session"][0], instant(entry["start"]))

    assert [each.code for each in found] == entry["reasons"]
    assert all(each.detail for each in found)


@pytest.mark.parametrize("entry", vectors("reasons"))
def test_others_than_the_coach_do_not_learn_what_the_coach_does(entry: Entry) -> None:
    found = reasons(calendar(entry), entry["session"][0], instant(entry["start"]))

    shown = [each.code for each in for_others(found)]

    assert shown == entry.get("others", entry["reasons"])


GROUPS = vectors("groups")
LISTED = [each for each in GROUPS if "slots" in each.values[0]]
EXPLAINED = [each for each in GROUPS if "start" in each.values[0]]


@pytest.mark.parametrize("entry", LISTED)
def test_the_seats_in_groups_are_those_of_the_vector(entry: Entry) -> None:
    first, last, zone = asked(entry)
    wish = Wish(entry["session"][0], "group", entry.get("wants"))

    offered = starts(calendar(entry), wish, *viewer_range(zone, first, last))

    assert [datetime.fromtimestamp(at, UTC) for at in offered] == [
        instant(each) for each in entry["slots"]
    ]
    for at in entry["slots"]:
        assert against(calendar(entry), wish, instant(at)) == []


@pytest.mark.parametrize("entry", EXPLAINED)
def test_what_speaks_against_a_seat_is_what_the_vector_says(entry: Entry) -> None:
    wish = Wish(entry["session"][0], "group", entry.get("wants"))
    at = instant(entry["start"])

    found = against(calendar(entry), wish, at)
    opens = remedy(calendar(entry), wish, at)

    assert [each.code for each in found] == entry["reasons"]
    shown = entry.get("others", entry["reasons"])
    assert [each.code for each in for_others(found)] == shown
    assert (opens and [opens.setting, opens.value]) == entry.get("opens")


@pytest.mark.parametrize("entry", [*vectors("slots"), *vectors("reasons"), *GROUPS])
def test_every_vector_could_be_stored(entry: Entry) -> None:
    asked_of = calendar(entry)

    assert schedule_errors(asked_of.schedule) == []
    assert policy_errors(asked_of.policy) == []


@pytest.mark.parametrize("entry", vectors("cancellation"))
def test_a_cancellation_gives_what_the_vector_says(entry: Entry) -> None:
    now = START - elapsed(entry["before"])
    terms = _terms(entry, now)

    if entry.get("refused"):
        with pytest.raises(WrongStatus):
            quote(terms, entry.get("by", "student"), now)
    else:
        found = quote(terms, entry.get("by", "student"), now)
        assert [found.percent, found.refund] == entry["gives"]


def _terms(entry: Entry, now: datetime) -> Terms:
    tiers = [Tier(*each) for each in entry.get("tiers", DEFAULT_TIERS)]
    confirmed = entry.get("confirmed", "100:00:00")
    held = confirmed == "none"
    return Terms(
        status=Status.HELD if held else Status.CONFIRMED,
        start=START,
        confirmed_at=None if held else now - elapsed(confirmed),
        tiers=tiers,
        paid=entry.get("paid", 4999),
        refunded=entry.get("refunded", 0),
        marks=[
            tier_percent(tiers, START, START - elapsed(before))
            for before in entry.get("moves", [])
        ],
    )
