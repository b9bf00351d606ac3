from itertools import product

import pytest

from services.coaches import domain
from services.coaches.domain import Filters, Status, Verification, WrongStatus
from shared.errors import InvalidRequest


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [(4500, 60, 4500), (4500, 15, 1125), (198, 15, 50), (197, 15, 49), (0, 15, 0)],
)
def test_a_price_is_rounded_half_up(rate: int, minutes: int, expected: int) -> None:
    assert domain.price(rate, minutes) == expected


@pytest.mark.parametrize("currency", sorted(domain.SMALLEST_CHARGES))
def test_the_least_sellable_rate_is_where_a_quarter_of_an_hour_can_be_charged(
    currency: str,
) -> None:
    least = domain.SMALLEST_CHARGES[currency]
    rate = next(r for r in range(10**6) if domain.price(r, 15) >= least)

    domain.require_sellable("body.hourly_rate", rate, currency)
    domain.require_sellable("body.hourly_rate", 0, currency)
    for too_little in (rate - 1, 1):
        with pytest.raises(InvalidRequest) as refused:
            domain.require_sellable("body.hourly_rate", too_little, currency)
        [error] = refused.value.extra["errors"]
        assert error["field"] == "body.hourly_rate.amount"


def test_a_currency_that_cannot_be_charged_is_refused_at_any_rate() -> None:
    with pytest.raises(InvalidRequest) as refused:
        domain.require_sellable("body.group_rate", 0, "XXX")

    [error] = refused.value.extra["errors"]
    assert error["field"] == "body.group_rate.currency"


def test_only_one_combination_of_states_is_listed() -> None:
    either = (True, False)
    states = product(Verification, Status, either, either, ("Kim", None), either)

    assert [each for each in states if domain.is_listed(*each)] == [
        (Verification.VERIFIED, Status.ACTIVE, True, False, "Kim", False)
    ]


def test_a_coach_on_a_break_is_public_and_an_inactive_or_suspended_one_is_not() -> None:
    verified = Verification.VERIFIED

    assert domain.is_public(verified, Status.ON_BREAK, suspended=False)
    assert not domain.is_public(verified, Status.INACTIVE, suspended=False)
    assert not domain.is_public(verified, Status.ACTIVE, suspended=True)
    for other in set(Verification) - {verified}:
        assert not domain.is_public(other, Status.ACTIVE, suspended=False)


def test_an_application_is_decided_once_and_submitted_again_only_after_rejection() -> (
    None
):
    allowed = []
    for old, new in product(Verification, Verification):
        if new in domain.MOVES[old]:
            domain.require_move(old, new)
            allowed.append(f"{old} > {new}")
            continue
        with pytest.raises(WrongStatus) as refused:
            domain.require_move(old, new)
        assert refused.value.extra == {"verification": old}

    assert allowed == [
        "draft > submitted",
        "submitted > verified",
        "submitted > rejected",
        "rejected > draft",
        "rejected > submitted",
    ]


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        (Filters(rank="Master"), "query.game"),
        (Filters(min_rate=0), "query.currency"),
        (Filters(max_rate=5000), "query.currency"),
    ],
)
def test_a_filter_that_means_nothing_alone_is_refused(
    filters: Filters, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        domain.require_answerable(filters)

    assert [error["field"] for error in refused.value.extra["errors"]] == [field]
