"""Who came decides, and when it is asked does not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain import attendance as rules
from services.booking.domain.attendance import LATEST, PATIENCE, Presence, verdict
from services.booking.domain.problems import HasCome, TooEarly, TooLate
from tests.booking.domain.reading import Entry, vectors

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def after(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize("entry", vectors("attendance"))
def test_a_seat_becomes_what_the_vector_says(entry: Entry) -> None:
    seen = [after(entry[side]) if side in entry else None for side in SIDES]

    found = verdict(
        START,
        after(entry.get("lasts", 60)),
        Presence(*seen),
        after(entry.get("asked", 240)),
        in_progress=entry.get("started", False),
    )

    if entry["is"] == "open":
        assert found is None
    else:
        assert found is not None
        assert (found.missed or "completed") == entry["is"]
        assert found.at == after(entry["due"])


SIDES = ("student", "coach")
minutes = st.integers(-15, 60)
seen = st.none() | minutes.map(after)
presences = st.builds(Presence, seen, seen)
asked = st.integers(-60, 2000).map(after)


def decide(presence: Presence, until: datetime, *, in_progress: bool = False) -> Any:
    return verdict(START, END, presence, until, in_progress=in_progress)


@given(presences, asked, asked, st.booleans())
def test_a_tick_that_is_late_decides_what_one_in_time_would_have(
    presence: Presence, one: datetime, other: datetime, started: bool
) -> None:
    early = decide(presence, min(one, other), in_progress=started)
    late = decide(presence, max(one, other), in_progress=started)

    assert early in (None, late)
    assert late is None or late.at <= max(one, other)


@given(presences, asked)
def test_what_is_seen_after_a_decision_does_not_undo_it(
    presence: Presence, until: datetime
) -> None:
    known = decide(presence.until(until), until)
    if known is not None:
        assert decide(presence, until) == known


@given(presences, st.booleans())
def test_everything_is_decided_two_hours_after_the_end(
    presence: Presence, started: bool
) -> None:
    found = decide(presence, END + LATEST, in_progress=started)

    assert found is not None
    assert found.at in (START + PATIENCE, END + LATEST)


@given(presences, asked)
def test_nobody_who_came_in_time_is_said_to_be_missing(
    presence: Presence, until: datetime
) -> None:
    found = decide(presence, until)
    if found is None or found.missed is None:
        return
    for side in SIDES:
        first = getattr(presence, side)
        if first is not None and first <= START + PATIENCE:
            assert found.missed not in (side, "both")


@pytest.mark.parametrize(
    ("at", "presence", "expected"),
    [
        (4, Presence(), None),
        (5, Presence(), "both"),
        (5, Presence(student=START), "coach"),
        (14, Presence(coach=START), "student"),
        (14, Presence(START, START), None),
        (15, Presence(coach=START), None),
    ],
)
def test_who_is_missing_is_reminded_from_five_minutes_on_until_it_is_decided(
    at: int, presence: Presence, expected: str | None
) -> None:
    assert rules.to_nudge(START, presence, after(at)) == expected


@pytest.mark.parametrize(
    ("require", "earliest", "latest"),
    [
        (rules.require_start, after(-10), END),
        (rules.require_check_in, after(-15), END),
        (rules.require_complete, after(30), None),
        (rules.require_report, START, END + timedelta(hours=72)),
    ],
)
def test_a_verb_has_its_time_and_says_which(
    require: Any, earliest: datetime, latest: datetime | None
) -> None:
    require(START, END, earliest)
    with pytest.raises(TooEarly) as early:
        require(START, END, earliest - MOMENT)
    assert early.value.extra == {"possible_from": rules.written(earliest)}

    if latest is None:
        require(START, END, END + timedelta(days=9))
        return
    require(START, END, latest)
    with pytest.raises(TooLate) as late:
        require(START, END, latest + MOMENT)
    assert late.value.extra == {"possible_until": rules.written(latest)}


def test_a_student_is_said_to_be_missing_after_a_quarter_of_an_hour() -> None:
    rules.require_no_show("student", START, Presence(), after(15))
    with pytest.raises(TooEarly):
        rules.require_no_show("student", START, Presence(), after(15) - MOMENT)
    with pytest.raises(HasCome) as refused:
        rules.require_no_show("student", START, Presence(student=START), after(15))
    assert refused.value.extra == {"since": "2026-06-15T12:00:00Z"}


def test_a_coach_says_from_the_start_on_that_it_did_not_come() -> None:
    rules.require_no_show("coach", START, Presence(START, START), START)
    with pytest.raises(TooEarly):
        rules.require_no_show("coach", START, Presence(), START - MOMENT)


def test_a_no_show_is_open_until_it_is_final() -> None:
    rules.require_provisional(END, final=False, now=END - MOMENT)
    for final, now in ((False, END), (True, START)):
        with pytest.raises(TooLate):
            rules.require_provisional(END, final=final, now=now)
