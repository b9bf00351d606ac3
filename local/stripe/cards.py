"""Stripe's test cards (docs.stripe.com/testing) and what each of them does."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class RefundCourse(Enum):
    """How a refund to the card goes on after it was accepted."""

    AT_ONCE = "succeeded"
    LATER = "pending, then succeeded"
    FAILS = "succeeded, then failed"


@dataclass(frozen=True)
class Decline:
    """Why the issuer refuses, in Stripe's codes and in words for the payer."""

    message: str
    code: str = "card_declined"
    decline_code: str | None = None


@dataclass(frozen=True)
class TestCard:
    brand: str = "visa"
    decline: Decline | None = None
    authenticate: bool = False
    refunds: RefundCourse = RefundCourse.AT_ONCE


@dataclass(frozen=True)
class Card:
    """A card as typed in, checked for form only."""

    number: str
    exp_month: int
    exp_year: int

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def behaviour(self) -> TestCard:
        return TEST_CARDS.get(self.number, _NOT_A_TEST_CARD)


class CardRefused(Exception):  # noqa: N818 - it is an answer to the payer
    """What was typed in cannot be a card; the text is for the payer."""


def _declined(decline_code: str, because: str = "") -> Decline:
    return Decline(f"Your card was declined.{because}", decline_code=decline_code)


_NO_FUNDS = _declined("insufficient_funds", " It has insufficient funds.")
_GENERIC = _declined("generic_decline")
_NOT_A_TEST_CARD = TestCard(
    decline=_declined(
        "test_mode_live_card",
        " Only test cards work here, such as 4242 4242 4242 4242.",
    )
)

TEST_CARDS = {
    "4242424242424242": TestCard(),
    "4000056655665556": TestCard(),
    "5555555555554444": TestCard("mastercard"),
    "2223003122003222": TestCard("mastercard"),
    "5200828282828210": TestCard("mastercard"),
    "5105105105105100": TestCard("mastercard"),
    "378282246310005": TestCard("amex"),
    "371449635398431": TestCard("amex"),
    "6011111111111117": TestCard("discover"),
    "6011000990139424": TestCard("discover"),
    "3056930009020004": TestCard("diners"),
    "36227206271667": TestCard("diners"),
    "3566002020360505": TestCard("jcb"),
    "6200000000000005": TestCard("unionpay"),
    "4000000000000002": TestCard(decline=_GENERIC),
    "4000000000000341": TestCard(decline=_GENERIC),
    "4000000000009995": TestCard(decline=_NO_FUNDS),
    "4000000000009987": TestCard(decline=_declined("lost_card")),
    "4000000000009979": TestCard(decline=_declined("stolen_card")),
    "4000000000006975": TestCard(decline=_declined("card_velocity_exceeded")),
    "4000000000000069": TestCard(
        decline=Decline("Your card has expired.", "expired_card")
    ),
    "4000000000000127": TestCard(
        decline=Decline("Your card's security code is incorrect.", "incorrect_cvc")
    ),
    "4000000000000119": TestCard(
        decline=Decline(
            "An error occurred while processing your card. Try again.",
            "processing_error",
        )
    ),
    "4000002500003155": TestCard(authenticate=True),
    "4000002760003184": TestCard(authenticate=True),
    "4000000000003220": TestCard(authenticate=True),
    "4000008400001629": TestCard(authenticate=True, decline=_GENERIC),
    "4000008260003178": TestCard(authenticate=True, decline=_NO_FUNDS),
    "4000000000007726": TestCard(refunds=RefundCourse.LATER),
    "4000000000005126": TestCard(refunds=RefundCourse.FAILS),
}

_EXPIRY = re.compile(r"(\d{1,2})\s*[/-]?\s*(\d{2}|\d{4})", re.ASCII)


def read_card(number: str, expiry: str, cvc: str, now: datetime) -> Card:
    """Read the fields of the form: spaces in the number, `MM/YY` or `MM/YYYY`.

    A card is good to the end of its month. Raises CardRefused.
    """
    digits = re.sub(r"[\s-]", "", number)
    if not re.fullmatch(r"[0-9]{12,19}", digits) or not _passes_luhn(digits):
        raise CardRefused("Your card number is invalid.")
    month, year = _read_expiry(expiry)
    if (year, month) < (now.year, now.month) or year > now.year + 50:
        raise CardRefused("Your card's expiration date is in the past or too far away.")
    card = Card(digits, month, year)
    length = 4 if card.behaviour.brand == "amex" else 3
    if not re.fullmatch(rf"[0-9]{{{length}}}", cvc.strip()):
        raise CardRefused(f"Your card's security code has {length} digits.")
    return card


def _read_expiry(text: str) -> tuple[int, int]:
    match = _EXPIRY.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= 12:
        raise CardRefused("Your card's expiration date is invalid. Write it as MM/YY.")
    year = int(match[2])
    return int(match[1]), year if year > 99 else 2000 + year


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
