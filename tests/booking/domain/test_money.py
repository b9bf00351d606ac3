"""What sessions cost and what cancellations give back, for any amounts."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.cancellation import Terms, becomes, quote, tier_percent
from services.booking.domain.lifecycle import Status
from services.booking.domain.policy import Policy, Tier
from services.booking.domain.pricing import fee_back, price, share
from services.booking.domain.problems import WrongStatus

START = datetime(2026, 6, 15, 12, tzinfo=UTC)
LONG_AGO = START - timedelta(days=30)

amounts = st.integers(0, 99_999_999)
percents = st.integers(0, 100)
lengths = st.integers(1, 720)


def is_rounded_half_up(found: int, exact: Fraction) -> bool:
    return -Fraction(1, 2) < found - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [
        (4500, 60, 4500),
        (4500, 45, 3375),
        (1001, 30, 501),
        (1003, 90, 1505),
        (1, 29, 0),
        (0, 60, 0),
    ],
)
def test_a_price_is_the_rate_by_the_minute(
    rate: int, minutes: int, expected: int
) -> None:
    assert price(rate, minutes) == expected


@given(amounts, lengths)
def test_a_price_is_rounded_half_up(rate: int, minutes: int) -> None:
    assert is_rounded_half_up(price(rate, minutes), Fraction(rate * minutes, 60))


@given(amounts, percents)
def test_a_share_is_rounded_half_up_and_never_more_than_the_whole(
    amount: int, percent: int
) -> None:
    assert is_rounded_half_up(share(amount, percent), Fraction(amount * percent, 100))
    assert 0 <= share(amount, percent) <= amount


def test_two_refunds_leave_no_cent_behind() -> None:
    gross, fee = 4999, share(4999, 15)
    first = fee_back(fee, 2500, gross)
    second = fee_back(fee, gross, gross) - first

    assert (fee, first, 2500 - first) == (750, 375, 2125)
    assert (second, 2499 - second) == (375, 2124)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), percents)
def test_the_fee_goes_back_as_a_whole_however_the_refunds_are_cut(
    parts: list[int], percent: int
) -> None:
    gross, done, back = sum(parts), 0, 0
    fee = share(gross, percent)
    for part in parts:
        step = fee_back(fee, done + part, gross) - fee_back(fee, done, gross)
        assert 0 <= step <= part, "a part of the fee, never more than the refund"
        done, back = done + part, back + step

    assert back == fee


@st.composite
def tier_lists(draw: st.DrawFn) -> list[Tier]:
    hours = sorted(
        draw(st.sets(st.integers(0, 168), min_size=1, max_size=5)), reverse=True
    )
    falling = sorted(
        draw(st.lists(percents, min_size=len(hours) - 1, max_size=len(hours) - 1)),
        reverse=True,
    )
    return [Tier(*each) for each in zip(hours, [100, *falling], strict=True)]


befores = st.timedeltas(timedelta(microseconds=1), timedelta(days=10))


def confirmed(tiers: list[Tier], paid: int, refunded: int = 0) -> Terms:
    return Terms(Status.CONFIRMED, START, LONG_AGO, tiers, paid, refunded)


@given(tier_lists(), befores, befores)
def test_who_cancels_earlier_never_gets_less(
    tiers: list[Tier], one: timedelta, other: timedelta
) -> None:
    early, late = START - max(one, other), START - min(one, other)

    assert tier_percent(tiers, START, early) >= tier_percent(tiers, START, late)


@given(tier_lists(), befores, amounts, st.data())
def test_a_refund_is_never_more_than_what_is_left(
    tiers: list[Tier], before: timedelta, paid: int, data: st.DataObject
) -> None:
    refunded = data.draw(st.integers(0, paid))

    found = quote(confirmed(tiers, paid, refunded), "student", START - before)

    assert found.refund == min(share(paid, found.percent), paid - refunded)


@given(tier_lists())
def test_a_cancellation_is_free_until_the_instant_that_was_named(
    tiers: list[Tier],
) -> None:
    terms = confirmed(tiers, 4999)
    until = quote(terms, "coach", LONG_AGO).free_until
    assert until is not None

    if until < START:
        assert quote(terms, "student", until).percent == 100
    after = until + timedelta(microseconds=1)
    if after < START and tiers[1:] and tiers[1].percent < 100:
        assert quote(terms, "student", after).percent < 100


def test_a_fresh_confirmation_is_free_for_a_quarter_of_an_hour() -> None:
    confirmed_at = START - timedelta(hours=1)
    tiers = Policy().cancellation_tiers
    terms = Terms(Status.CONFIRMED, START, confirmed_at, tiers, 4999)

    found = quote(terms, "student", confirmed_at)

    assert (found.percent, found.rule) == (100, "grace")
    assert found.free_until == confirmed_at + timedelta(minutes=15)


def test_a_quote_names_the_tier_that_was_met() -> None:
    tiers = [Tier(48, 100), Tier(24, 50), Tier(0, 0)]

    found = quote(confirmed(tiers, 4999), "student", START - timedelta(hours=30))

    assert (found.rule, found.tier) == ("tier", Tier(24, 50))
    assert found.free_until == START - timedelta(hours=48)


def test_a_quote_says_that_a_late_move_decides() -> None:
    tiers = Policy().cancellation_tiers
    terms = Terms(Status.CONFIRMED, START, LONG_AGO, tiers, 4999, marks=[0])

    found = quote(terms, "student", START - timedelta(hours=40))

    assert (found.percent, found.rule, found.tier) == (0, "moved", None)
    assert found.free_until == LONG_AGO + timedelta(minutes=15)


def test_a_hold_is_free_without_end() -> None:
    terms = Terms(Status.HELD, START, None, Policy().cancellation_tiers, 0)

    found = quote(terms, "student", START - timedelta(hours=1))

    assert (found.percent, found.refund, found.rule) == (100, 0, "hold")
    assert found.free_until is None


@pytest.mark.parametrize("by", ["student", "coach", "admin"])
@pytest.mark.parametrize(
    "status",
    sorted(set(Status) - {Status.HELD, Status.CONFIRMED}),
)
def test_what_is_over_or_under_way_cannot_be_cancelled(by: str, status: Status) -> None:
    terms = Terms(status, START, LONG_AGO, Policy().cancellation_tiers, 4999)

    if (by, status) == ("coach", Status.IN_PROGRESS):
        assert becomes(terms, "coach", START) is Status.NO_SHOW
        return
    with pytest.raises(WrongStatus):
        quote(terms, by, START - timedelta(days=2))  # type: ignore[arg-type]
