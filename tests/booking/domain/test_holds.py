from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.booking.domain.holds import LIFETIME, Hold, require_room
from services.booking.domain.problems import TooManyHolds

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
COACH = uuid4()


def held(minutes_ago: float, coach_id: UUID | None = None) -> Hold:
    made_at = NOW - timedelta(minutes=minutes_ago)
    return Hold(coach_id or uuid4(), made_at, made_at + LIFETIME)


def given_back(minutes_ago: float) -> Hold:
    made_at = NOW - timedelta(minutes=minutes_ago)
    return Hold(COACH, made_at, made_at + timedelta(minutes=1))


def refused(holds: list[Hold]) -> int | None:
    with pytest.raises(TooManyHolds) as problem:
        require_room(holds, COACH, NOW)
    assert problem.value.status == 429
    return problem.value.retry_after


def test_two_live_holds_leave_room_for_a_third() -> None:
    require_room([held(1), held(2)], COACH, NOW)


def test_three_live_holds_leave_none_until_the_oldest_expires() -> None:
    assert refused([held(1), held(10), held(5)]) == 5 * 60


def test_with_more_than_there_may_be_the_wait_is_until_one_fits_in() -> None:
    assert refused([held(14), held(10), held(5), held(1)]) == 5 * 60


def test_one_hold_with_a_coach_is_all_there_may_be() -> None:
    assert refused([held(14, COACH)]) == 60


def test_an_expired_hold_counts_no_more() -> None:
    require_room([held(15, COACH), held(15), held(15), held(17)], COACH, NOW)


def test_holding_and_letting_go_has_an_end() -> None:
    often = [given_back(minutes) for minutes in (50, 40, 30, 20, 10)]

    require_room(often[:4], COACH, NOW)
    assert refused(often) == 10 * 60


def test_after_an_hour_it_is_forgotten() -> None:
    require_room([given_back(m) for m in (60, 40, 30, 20, 10)], COACH, NOW)


def test_a_wait_is_a_whole_second_at_least() -> None:
    assert refused([held(14.999, COACH)]) == 1
