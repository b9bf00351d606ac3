from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notifications import domain
from services.notifications.domain import Kind, Promise
from tests.given import NOW

AT_ONCE = NOW.isoformat()
WINTER_NIGHT = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(1, 5), (2, 10), (3, 20), (7, 320), (8, 640), (9, 900), (10, 900), (5000, 900)],
)
def test_pauses_double_up_to_a_quarter_of_an_hour(attempt: int, seconds: int) -> None:
    assert domain.pause_after(attempt) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("instant", "zone", "locale", "text"),
    [
        (
            datetime(2026, 6, 19, 18, tzinfo=UTC),
            "Europe/Berlin",
            "en",
            "Friday, 19 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)",
        ),
        (
            datetime(2026, 6, 19, 18, 45, tzinfo=UTC),
            "Asia/Kolkata",
            "en-US",
            "Saturday, June 20, 2026 at 12:15 AM (UTC+05:30, Asia/Kolkata)",
        ),
        (
            datetime(2026, 1, 9, 18, tzinfo=UTC),
            "America/St_Johns",
            "de",
            "Freitag, 9. Januar 2026, 14:30 (UTC-03:30, America/St_Johns)",
        ),
        (
            datetime(2026, 6, 19, 18, tzinfo=UTC),
            "Mars/Olympus_Mons",
            "tlh",
            "Friday, 19 June 2026 at 18:00 (UTC+00:00, UTC)",
        ),
    ],
)
def test_times_read_as_on_the_readers_wall(
    instant: datetime, zone: str, locale: str, text: str
) -> None:
    assert domain.local_time(instant, zone, locale).replace("\u202f", " ") == text


def test_the_offset_tells_both_passes_of_the_night_in_autumn_apart() -> None:
    first, second = (
        domain.local_time(WINTER_NIGHT + timedelta(hours=hours), "Europe/Berlin", "en")
        for hours in (0, 1)
    )

    assert first == "Sunday, 25 October 2026 at 02:30 (UTC+02:00, Europe/Berlin)"
    assert second == "Sunday, 25 October 2026 at 02:30 (UTC+01:00, Europe/Berlin)"


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        (2500, "EUR", "en", "€25.00"),
        (2500, "EUR", "de", "25,00 €"),
        (2500, "JPY", "en-US", "¥2,500"),
        (2500, "KWD", "en", "KWD2.500"),
        (0, "USD", "en-US", "$0.00"),
        (123456, "USD", "tlh", "US$1,234.56"),
    ],
)
def test_money_has_the_decimals_of_its_currency(
    amount: int, currency: str, locale: str, text: str
) -> None:
    assert domain.money(amount, currency, locale).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("by", "side", "who"),
    [
        ("student", "student", "You"),
        ("student", "coach", "Ada"),
        ("coach", "student", "Ada"),
        ("coach", "coach", "You"),
        ("admin", "student", "Scrimline"),
        ("system", "coach", "Scrimline"),
    ],
)
def test_each_side_reads_who_cancelled(
    by: domain.Party, side: domain.Side, who: str
) -> None:
    assert domain.who(by, side, "Ada") == who


def why_not(kind: Kind, **changes: Any) -> str | None:
    """Why a mail is not sent; unless changed, its instants are all about to come."""
    soon = (NOW + timedelta(microseconds=1)).isoformat()
    facts = dict.fromkeys(("start", "end", "until", "expires_at"), soon)
    facts |= {"overtaken": False} | changes.pop("facts", {})
    mail = Promise(version=1, facts=facts, told={}, suspended=False, now=NOW)
    return domain.WHY_NOT[kind](replace(mail, **changes))


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (Kind.BOOKING_CONFIRMED, {"facts": {"start": AT_ONCE}}, "has begun"),
        (Kind.BOOKING_CONFIRMED, {"told": {Kind.BOOKING_CANCELLED: 1}}, "cancelled"),
        (Kind.BOOKING_CONFIRMED, {"told": {Kind.SESSION_MOVED: 2}}, "was moved"),
        (Kind.BOOKING_CONFIRMED, {"suspended": True}, "suspended"),
        (Kind.SESSION_MOVED, {"told": {Kind.SESSION_MOVED: 2}}, "was moved"),
        (Kind.PROPOSAL_MADE, {"facts": {"expires_at": AT_ONCE}}, "no answer"),
        (Kind.PROPOSAL_MADE, {"told": {Kind.PROPOSAL_ANSWERED: 0}}, "no answer"),
        (Kind.PROPOSAL_MADE, {"suspended": True}, "suspended"),
        (Kind.PROPOSAL_ANSWERED, {"facts": {"overtaken": True}}, "nobody"),
        (Kind.NOT_SEEN, {"facts": {"end": AT_ONCE}}, "is over"),
        (Kind.NOT_SEEN, {"told": {Kind.SESSION_MISSED: 1}}, "what became of"),
        (Kind.NOT_SEEN, {"told": {Kind.MONEY_BACK: 1}}, "what became of"),
        (Kind.SESSION_MISSED, {"told": {Kind.TOOK_PLACE: 2}}, "contested"),
        (Kind.SESSION_MISSED, {"told": {Kind.MONEY_BACK: 2}}, "final"),
        (Kind.PROBLEM_REPORTED, {"told": {Kind.PROBLEM_DECIDED: 1}}, "is decided"),
        (Kind.LISTING_PAUSED, {"facts": {"until": AT_ONCE}}, "is over"),
        (Kind.LISTING_PAUSED, {"told": {Kind.LISTING_PAUSED: 2}}, "is over"),
        (Kind.OFFER_MADE, {"facts": {"expires_at": AT_ONCE}}, "has expired"),
        (Kind.OFFER_MADE, {"told": {Kind.BOOKING_CONFIRMED: 0}}, "was taken"),
        (Kind.OFFER_MADE, {"suspended": True}, "suspended"),
    ],
)
def test_a_mail_has_lost_its_sense_by_what_has_come_since(
    kind: Kind, changes: dict[str, Any], reason: str
) -> None:
    why = why_not(kind, **changes)

    assert why is not None
    assert reason in why
    assert why_not(kind) is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Kind.BOOKING_CONFIRMED, {Kind.SESSION_MOVED: 1}),
        (Kind.SESSION_MOVED, {Kind.SESSION_MOVED: 1, Kind.BOOKING_CONFIRMED: 2}),
        (Kind.SESSION_MISSED, {Kind.SESSION_MISSED: 1, Kind.NOT_SEEN: 2}),
        (Kind.LISTING_PAUSED, {Kind.LISTING_PAUSED: 1}),
    ],
)
def test_a_mail_keeps_its_sense_beside_what_is_not_newer(
    kind: Kind, told: dict[Kind, int]
) -> None:
    assert why_not(kind, told=told) is None


def test_a_token_makes_sense_until_it_expires() -> None:
    expiry = datetime(2026, 6, 19, 18, tzinfo=UTC)

    assert domain.why_not_token(expiry, expiry - timedelta(microseconds=1)) is None
    assert domain.why_not_token(expiry, expiry)


@pytest.mark.parametrize("text", ["a\r\nBcc: b", "a\nBcc: b", "a\x00Bcc: b", "a\x85b"])
def test_one_line_is_one_line(text: str) -> None:
    assert len(domain.one_line(text).splitlines()) == 1
    assert domain.one_line(text).isprintable()


def test_a_title_tells_what_it_is_and_with_whom() -> None:
    assert domain.title(False, "Kim") == "Coaching with Kim"
    assert domain.title(True, "Kim") == "Group coaching with Kim"
