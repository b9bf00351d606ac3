from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.cancellation import Terms, quote, tier_percent
from services.booking.domain.lifecycle import Status
from services.booking.domain.moves import (
    may_move_alone,
    moved,
    require_movable,
    require_moves_left,
)
from services.booking.domain.policy import Policy, Tier
from services.booking.domain.problems import TooManyMoves, WrongStatus
from services.booking.domain.proposals import (
    ProposalStatus,
    against,
    expires_at,
    outcome,
    overlaps,
    shown,
)
from services.booking.domain.reasons import Code, Reason
from services.booking.domain.timeline import timeline
from tests.booking.domain.reading import elapsed, vectors

START = datetime(2026, 6, 20, 12, tzinfo=UTC)
LONG_AGO = START - timedelta(days=60)
HOUR = timedelta(hours=1)
MOMENT = timedelta.resolution
NO, YES = False, True


def confirmed(
    tiers: Sequence[Tier] = Policy().cancellation_tiers, **changes: Any
) -> Terms:
    return replace(
        Terms(Status.CONFIRMED, START, LONG_AGO, tiers, paid=4999), **changes
    )


@pytest.mark.parametrize("vector", vectors("moves"))
def test_a_vector_of_moves(vector: dict[str, Any]) -> None:
    tiers = [Tier(*each) for each in vector.get("tiers", [[24, 100], [0, 0]])]
    terms = confirmed(tiers)
    for who, before in vector["moves"]:
        at = terms.start - elapsed(before)
        terms = moved(terms, who, terms.start + timedelta(days=20), at)
    now = terms.start - elapsed(vector["before"])

    assert quote(terms, "student", now).percent == vector["gives"]
    assert may_move_alone(terms, now) is vector["alone"]


percents = st.integers(0, 100)


@st.composite
def tier_lists(draw: st.DrawFn) -> list[Tier]:
    hours = sorted(
        draw(st.sets(st.integers(0, 168), min_size=1, max_size=5)), reverse=True
    )
    rest = len(hours) - 1
    falling = draw(st.lists(percents, min_size=rest, max_size=rest))
    falling.sort(reverse=True)
    return [Tier(*each) for each in zip(hours, [100, *falling], strict=True)]


befores = st.timedeltas(MOMENT, timedelta(days=10))
moves = st.lists(st.tuples(st.sampled_from(["student", "coach"]), befores), max_size=5)


@given(tier_lists(), moves, befores)
def test_a_student_gets_the_lowest_of_its_own_moves_since_the_coachs_and_of_now(
    tiers: list[Tier], made: list[tuple[Any, timedelta]], before: timedelta
) -> None:
    terms = confirmed(tiers)
    since_coach: list[int] | None = []
    for who, ahead in made:
        at = terms.start - ahead
        mark = tier_percent(tiers, terms.start, at)
        since_coach = None if who == "coach" else [*(since_coach or []), mark]
        terms = moved(terms, who, terms.start + timedelta(days=20), at)
    now = terms.start - before

    found = quote(terms, "student", now).percent

    if since_coach is None:
        assert found == 100
    else:
        assert found == min([tier_percent(tiers, terms.start, now), *since_coach])


@given(tier_lists(), moves, befores, befores)
def test_moving_never_gets_a_student_more_than_cancelling_at_that_moment(
    tiers: list[Tier],
    made: list[tuple[Any, timedelta]],
    before: timedelta,
    later: timedelta,
) -> None:
    terms = confirmed(tiers)
    for who, ahead in made:
        at = terms.start - ahead
        terms = moved(terms, who, terms.start + timedelta(days=20), at)
    now = terms.start - before
    at_once = quote(terms, "student", now).percent

    after = moved(terms, "student", terms.start + timedelta(days=20), now)

    assert quote(after, "student", after.start - later).percent <= at_once


@given(tier_lists(), moves, befores)
def test_a_move_made_alone_takes_nothing_away(
    tiers: list[Tier], made: list[tuple[Any, timedelta]], before: timedelta
) -> None:
    terms = confirmed(tiers)
    for who, ahead in made:
        at = terms.start - ahead
        terms = moved(terms, who, terms.start + timedelta(days=20), at)
    now = terms.start - before

    if may_move_alone(terms, now):
        after = moved(terms, "student", terms.start + timedelta(days=20), now)
        assert after.marks == (*terms.marks, 100)


@given(tier_lists(), moves, befores, st.data())
def test_the_timeline_says_what_the_quote_says_at_any_instant(
    tiers: list[Tier],
    made: list[tuple[Any, timedelta]],
    before: timedelta,
    data: st.DataObject,
) -> None:
    terms = confirmed(tiers)
    for who, ahead in made:
        at = terms.start - ahead
        terms = moved(terms, who, terms.start + timedelta(days=20), at)
    now = terms.start - before
    fresh = data.draw(st.timedeltas(timedelta(0), timedelta(minutes=20)))
    terms = replace(terms, confirmed_at=now - fresh)

    stages = timeline(terms, now, terms.start)

    assert (stages[0].since, stages[-1].until) == (now, terms.start)
    edges = {stage.until for stage in stages[:-1]} | {now}
    chosen = data.draw(st.datetimes(now.replace(tzinfo=None), _naive_last(terms)))
    instants = {*edges, *(each + MOMENT for each in edges), chosen.replace(tzinfo=UTC)}
    for instant in sorted(each for each in instants if each < terms.start):
        stage = next(each for each in stages if instant <= each.until)
        assert stage.quote == quote(terms, "student", instant)
    assert all(
        one.until == next_.since and one.quote != next_.quote
        for one, next_ in pairwise(stages)
    )


def _naive_last(terms: Terms) -> datetime:
    return (terms.start - MOMENT).replace(tzinfo=None)


def test_the_timeline_names_each_stage_with_its_rule() -> None:
    tiers = [Tier(48, 100), Tier(24, 50), Tier(0, 0)]
    now = START - timedelta(hours=50)

    stages = timeline(confirmed(tiers), now, START)

    assert [
        (START - each.since, START - each.until, each.quote.percent) for each in stages
    ] == [
        (50 * HOUR, 48 * HOUR, 100),
        (48 * HOUR, 24 * HOUR, 50),
        (24 * HOUR, 0 * HOUR, 0),
    ]
    assert [each.quote.refund for each in stages] == [4999, 2500, 0]


def test_a_hold_is_one_stage_until_it_runs_out() -> None:
    terms = confirmed(status=Status.HELD, confirmed_at=None, paid=0)
    now = START - timedelta(hours=3)

    [stage] = timeline(terms, now, now + HOUR / 4)

    assert (stage.since, stage.until) == (now, now + HOUR / 4)
    assert stage.quote.rule == "hold"


def test_there_is_no_timeline_from_the_start_on() -> None:
    with pytest.raises(WrongStatus):
        timeline(confirmed(), START, START)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.CONFIRMED}))
def test_only_what_is_confirmed_moves(status: Status) -> None:
    with pytest.raises(WrongStatus):
        require_movable(status, START, START - HOUR)


def test_what_has_begun_does_not_move() -> None:
    require_movable(Status.CONFIRMED, START, START - MOMENT)
    with pytest.raises(WrongStatus):
        require_movable(Status.CONFIRMED, START, START)


def test_a_student_moves_a_session_three_times() -> None:
    require_moves_left(2)
    with pytest.raises(TooManyMoves):
        require_moves_left(3)


def test_what_binds_depends_on_who_proposes() -> None:
    found = [Reason(code, "") for code in Code]

    by_coach = {each.code for each in against(found, "coach")}
    by_student = {each.code for each in against(found, "student")}

    assert by_coach == {each.code for each in overlaps(found)}
    assert by_coach == {Code.BUSY, Code.BUFFER}
    assert set(Code) - by_student == {Code.NOTICE}


@pytest.mark.parametrize(
    ("start", "proposed", "group", "lasts"),
    [
        (100, 200, False, 48),
        (10, 200, False, 10),
        (100, 3, False, 3),
        (200, 100, True, 48),
        (10, 200, True, 5),
        (100, 3, True, 1.5),
    ],
)
def test_a_proposal_lasts_two_days_but_not_past_either_start(
    start: int, proposed: int, group: bool, lasts: float
) -> None:
    now = LONG_AGO

    found = expires_at(now, now + start * HOUR, now + proposed * HOUR, group=group)

    assert found - now == lasts * HOUR


def test_a_proposal_that_ran_out_is_shown_as_expired_to_the_instant() -> None:
    assert shown(ProposalStatus.OPEN, START, START - MOMENT) is ProposalStatus.OPEN
    assert shown(ProposalStatus.OPEN, START, START) is ProposalStatus.EXPIRED
    assert shown(ProposalStatus.ACCEPTED, START, START) is ProposalStatus.ACCEPTED


@pytest.mark.parametrize(
    ("answers", "over", "status"),
    [
        ([None], NO, "open"),
        ([None], YES, "expired"),
        ([True], NO, "accepted"),
        ([False], NO, "declined"),
        ([True, None], NO, "open"),
        ([False, None], NO, "open"),
        ([True, None], YES, "accepted"),
        ([False, None], YES, "expired"),
        ([True, False], NO, "accepted"),
        ([False, False], NO, "declined"),
    ],
)
def test_one_seat_that_accepts_moves_a_group_once_all_have_answered_or_time_is_up(
    answers: list[bool | None], over: bool, status: str
) -> None:
    assert outcome(answers, over=over) == status
