from datetime import UTC, datetime, timedelta

import pytest

from services.notifications import domain

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


def test_a_confirmation_makes_sense_until_the_start() -> None:
    start = datetime(2026, 6, 19, 18, tzinfo=UTC)
    just_before = start - timedelta(microseconds=1)

    assert domain.why_not_invite(start, just_before, False, False, False) is None
    assert domain.why_not_invite(start, start, False, False, False)
    assert domain.why_not_invite(start, just_before, True, False, False)
    assert domain.why_not_invite(start, just_before, False, True, False)
    assert domain.why_not_invite(start, just_before, False, False, True)


def test_a_proposal_is_worth_a_mail_while_it_can_be_answered() -> None:
    until = datetime(2026, 6, 19, 18, tzinfo=UTC)
    before = until - timedelta(seconds=1)

    assert domain.why_not_ask(until, before, False, False) is None
    assert domain.why_not_ask(until, until, False, False)
    assert domain.why_not_ask(until, before, True, False)
    assert domain.why_not_ask(until, before, False, True)


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
