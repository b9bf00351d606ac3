from datetime import UTC, datetime

import pytest

from local.stripe.cards import TEST_CARDS, CardRefused, read_card

NOW = datetime(2026, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize("expiry", ["06/26", "6/26", "06 / 2026", "0626", "06-26"])
def test_a_card_is_good_to_the_end_of_its_month(expiry: str) -> None:
    card = read_card("4242 4242 4242 4242", expiry, "123", NOW)
    assert (card.exp_month, card.exp_year, card.last4) == (6, 2026, "4242")


@pytest.mark.parametrize("number", TEST_CARDS)
def test_every_test_card_can_be_typed_in(number: str) -> None:
    cvc = "1234" if TEST_CARDS[number].brand == "amex" else "123"
    assert read_card(number, "12/34", cvc, NOW).behaviour is TEST_CARDS[number]


def test_a_card_of_the_real_world_is_declined() -> None:
    card = read_card("4111 1111 1111 1111", "12/34", "123", NOW)
    assert card.behaviour.decline is not None
    assert card.behaviour.decline.decline_code == "test_mode_live_card"


@pytest.mark.parametrize(
    ("number", "expiry", "cvc", "reason"),
    [
        ("4242 4242 4242 4241", "12/34", "123", "number"),
        ("", "12/34", "123", "number"),
        ("4242", "12/34", "123", "number"),
        ("٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢", "12/34", "123", "number"),
        ("4242 4242 4242 4242", "13/34", "123", "MM/YY"),
        ("4242 4242 4242 4242", "00/34", "123", "MM/YY"),
        ("4242 4242 4242 4242", "", "123", "MM/YY"),
        ("4242 4242 4242 4242", "12/345", "123", "MM/YY"),
        ("4242 4242 4242 4242", "05/26", "123", "past"),
        ("4242 4242 4242 4242", "12/99", "123", "far"),
        ("4242 4242 4242 4242", "12/34", "12", "3 digits"),
        ("4242 4242 4242 4242", "12/34", "1234", "3 digits"),
        ("4242 4242 4242 4242", "12/34", "abc", "3 digits"),
        ("3782 822463 10005", "12/34", "123", "4 digits"),
    ],
)
def test_what_cannot_be_a_card_is_refused_with_the_reason(
    number: str, expiry: str, cvc: str, reason: str
) -> None:
    with pytest.raises(CardRefused, match=reason):
        read_card(number, expiry, cvc, NOW)
