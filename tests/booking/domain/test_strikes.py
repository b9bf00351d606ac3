"""Three strikes within 90 days pause a coach, as long as all three stand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.strikes import MEMORY, is_late, paused_until

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def days_ago(*days: int) -> list[datetime]:
    return [NOW - timedelta(days=each) for each in days]


@pytest.mark.parametrize(
    ("strikes", "ends_in"),
    [
        ([], None),
        (days_ago(0, 1), None),
        (days_ago(0, 1, 2), 88),
        (days_ago(5, 80, 89), 1),
        (days_ago(5, 80, 90), None),
        (days_ago(1, 2, 3, 50), 87),
    ],
)
def test_the_third_latest_strike_says_how_long_a_pause_lasts(
    strikes: list[datetime], ends_in: int | None
) -> None:
    expected = None if ends_in is None else NOW + timedelta(days=ends_in)

    assert paused_until(strikes, NOW) == expected


@given(st.lists(st.integers(0, 200), max_size=8))
def test_a_pause_ends_when_it_was_said_to(days: list[int]) -> None:
    strikes = days_ago(*days)
    until = paused_until(strikes, NOW)

    if until is not None:
        assert NOW < until <= NOW + MEMORY
        assert paused_until(strikes, until - MOMENT) == until
        assert paused_until(strikes, until) is None


def test_a_coach_who_cancels_a_day_before_is_in_time() -> None:
    assert not is_late(NOW + timedelta(hours=24), NOW)
    assert is_late(NOW + timedelta(hours=24) - MOMENT, NOW)
