from datetime import UTC, datetime, timedelta

import pytest

from shared import ids
from shared.ids import new_id


def made_at(identity: int) -> datetime:
    return datetime.fromtimestamp((identity >> 80) / 1000, UTC)


def test_an_id_is_a_uuid_of_version_7_that_holds_the_time_it_was_made() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = new_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made_at(made.int) <= datetime.now(UTC)


def test_ids_made_one_after_the_other_sort_so_and_do_not_run_ahead_of_time() -> None:
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(set(made))
    assert made_at(made[-1].int) <= datetime.now(UTC)


def test_ids_go_on_ascending_when_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = new_id()
    monkeypatch.setattr(ids, "time_ns", lambda: 0)

    assert new_id() > before


def test_what_is_not_time_is_chance() -> None:
    ends = {new_id().int & (1 << 62) - 1 for _ in range(1000)}

    assert len(ends) == 1000
    assert {end >> 31 & 1 for end in ends} == {end & 1 for end in ends} == {0, 1}
