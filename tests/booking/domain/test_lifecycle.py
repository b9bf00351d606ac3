import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.lifecycle import COUNTED, LIVE, NEXT, Status, move
from services.booking.domain.problems import WrongStatus

ALLOWED = """
    held         confirmed
    held         expired
    held         cancelled
    confirmed    in_progress
    confirmed    completed
    confirmed    cancelled
    confirmed    no_show
    in_progress  completed
    in_progress  no_show
    expired      confirmed
    no_show      completed
"""
PAIRS = {tuple(map(Status, line.split())) for line in ALLOWED.strip().splitlines()}


@pytest.mark.parametrize("to", list(Status))
@pytest.mark.parametrize("status", list(Status))
def test_a_seat_goes_where_the_table_says_and_nowhere_else(
    status: Status, to: Status
) -> None:
    if (status, to) in PAIRS:
        assert move(status, to) is to
    else:
        with pytest.raises(WrongStatus) as refused:
            move(status, to)
        assert refused.value.status == 409
        assert refused.value.extra == {"session_status": status}


@given(st.lists(st.sampled_from(list(Status)), max_size=12))
def test_no_way_leads_a_seat_back_and_none_leads_out_of_its_end(
    wishes: list[Status],
) -> None:
    path = [Status.HELD]
    for wish in wishes:
        if wish in NEXT[path[-1]]:
            path.append(move(path[-1], wish))

    assert len(path) == len(set(path)), "no way leads back"
    ends = [n for n, each in enumerate(path) if not NEXT[each]]
    assert ends in ([], [len(path) - 1])


def test_what_occupies_time_also_counts() -> None:
    assert LIVE < COUNTED
    assert set(Status) - COUNTED == {Status.EXPIRED, Status.CANCELLED}
