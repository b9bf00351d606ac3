"""The rules of mails: who gets which, when it is not sent, how instants read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_datetime_format
from babel.numbers import format_currency, get_currency_precision

Side = Literal["student", "coach"]
Party = Literal["student", "coach", "admin", "system"]


class Kind(StrEnum):
    """What a mail is about; its templates bear the same name, or are `session_news`."""

    BOOKING_CONFIRMED = "booking_confirmed"
    BOOKING_CANCELLED = "booking_cancelled"
    SESSION_MOVED = "session_moved"
    PROPOSAL_MADE = "proposal_made"
    PROPOSAL_ANSWERED = "proposal_answered"
    NOT_SEEN = "not_seen"
    SESSION_MISSED = "session_missed"
    MONEY_BACK = "money_back"
    TOOK_PLACE = "took_place"
    PROBLEM_REPORTED = "problem_reported"
    PROBLEM_DECIDED = "problem_decided"
    LISTING_PAUSED = "listing_paused"
    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name
    OFFER_MADE = "offer_made"
    SEAT_RESOLD = "seat_resold"


class State(StrEnum):
    """Where a delivery is.

    `handed_over`: the server has, or is about to have, the mail and has not answered;
    `unknown`: it never did, so the mail may have arrived and is not sent again;
    `skipped`: it had lost its sense before it was sent, or only keeps others unsent.
    """

    DUE = "due"
    HANDED_OVER = "handed_over"
    SENT = "sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


OUTCOMES = frozenset({Kind.SESSION_MISSED, Kind.TOOK_PLACE, Kind.MONEY_BACK})
"""What tells how a seat ended; a newer version makes an older one void."""

OPEN = frozenset({State.DUE, State.HANDED_OVER})

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True)
class House:
    """Who writes: the address mails come from, and where their links lead."""

    name: str
    address: str
    url: str


@dataclass(frozen=True)
class Reader:
    address: str
    name: str
    timezone: str
    locale: str


def pause_after(attempt: int) -> timedelta:
    """Real time until the next try, after the `attempt`th failed (counted from 1)."""
    doublings = min(attempt - 1, 16)  # the longest pause is reached long before
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


@dataclass(frozen=True)
class Promise:
    """A mail that is due, and what is known besides it.

    `version` and `facts` are of the event it tells of; `told` is what is promised about
    the same thing, to anybody: the newest version by kind.
    """

    version: int
    facts: Mapping[str, Any]
    told: Mapping[Kind, int]
    suspended: bool
    now: datetime

    def is_past(self, fact: str) -> bool:
        """Whether this instant of the event has come."""
        return datetime.fromisoformat(self.facts[fact]) <= self.now

    def is_void(self, *by: Kind) -> bool:
        """Whether one of these kinds tells of a newer version."""
        return any(self.told.get(kind, self.version) > self.version for kind in by)


def why_not_token(expires_at: datetime, real_now: datetime) -> str | None:
    """Why a mailed token is not worth sending (any more); None if it is."""
    return "the token has expired" if expires_at <= real_now else None


def _why_not_invite(mail: Promise) -> str | None:
    """The newest start is worth a mail until it comes."""
    if Kind.BOOKING_CANCELLED in mail.told:
        return "the seat was cancelled"
    if mail.is_void(Kind.SESSION_MOVED):
        return "the session was moved"
    if mail.suspended:
        return "the recipient is suspended"
    return "the session has begun" if mail.is_past("start") else None


def _why_not_ask(mail: Promise) -> str | None:
    if Kind.PROPOSAL_ANSWERED in mail.told or mail.is_past("expires_at"):
        return "the proposal waits for no answer"
    return "the recipient is suspended" if mail.suspended else None


def _why_not_answer(mail: Promise) -> str | None:
    return "nobody has answered" if mail.facts["overtaken"] else None


def _why_not_expected(mail: Promise) -> str | None:
    if OUTCOMES & mail.told.keys():
        return "it is known what became of the session"
    return "the session is over" if mail.is_past("end") else None


def _why_not_missed(mail: Promise) -> str | None:
    """What became of it since is told to one side only, and voids the mails to both."""
    return "the no-show was contested or is final" if mail.is_void(*OUTCOMES) else None


def _why_not_reported(mail: Promise) -> str | None:
    return "it is decided" if Kind.PROBLEM_DECIDED in mail.told else None


def _why_not_paused(mail: Promise) -> str | None:
    """A resumption, which has no `until`, ends older pauses and is not mailed."""
    resumed = "until" not in mail.facts
    if resumed or mail.is_void(Kind.LISTING_PAUSED) or mail.is_past("until"):
        return "the pause is over"
    return None


def _why_not_offer(mail: Promise) -> str | None:
    if Kind.BOOKING_CONFIRMED in mail.told:
        return "the offer was taken"
    if mail.suspended:
        return "the recipient is suspended"
    return "the offer has expired" if mail.is_past("expires_at") else None


WHY_NOT: Mapping[Kind, Callable[[Promise], str | None]] = {
    Kind.BOOKING_CONFIRMED: _why_not_invite,
    Kind.SESSION_MOVED: _why_not_invite,
    Kind.PROPOSAL_MADE: _why_not_ask,
    Kind.PROPOSAL_ANSWERED: _why_not_answer,
    Kind.NOT_SEEN: _why_not_expected,
    Kind.SESSION_MISSED: _why_not_missed,
    Kind.PROBLEM_REPORTED: _why_not_reported,
    Kind.LISTING_PAUSED: _why_not_paused,
    Kind.OFFER_MADE: _why_not_offer,
}
"""Why a mail has lost its sense; None if it has not. Other kinds never do."""


def one_line(text: str) -> str:
    """The text without control characters and line breaks, fit for a header."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def game_name(slug: str | None) -> str | None:
    """`rocket-league` as people write it: Rocket League."""
    return slug and slug.replace("-", " ").title()


def title(group: bool, other: str) -> str:
    """What the session is called in a subject and in a calendar.

    `other` is empty where the other side of a group is many.
    """
    name = "Group coaching" if group else "Coaching"
    return f"{name} with {other}" if other else name


def who(by: Party, side: Side, other: str) -> str:
    """The subject of "… cancelled", as read by `side`, whose counterpart is `other`."""
    if by == side:
        return "You"
    if by in ("student", "coach"):
        return other
    return "Scrimline"


def wall_clock(instant: datetime, timezone: str, locale: str) -> str:
    """Day and time of day where the reader is: Friday, 19 June 2026 at 20:00."""
    language, local = known_locale(locale), instant.astimezone(known_zone(timezone))
    day = format_date(local, "full", language)
    time = format_time(local, "short", local.tzinfo, language)
    if language.language == "en":
        return f"{day} at {time}"
    pattern = str(get_datetime_format("full", language))
    return pattern.replace("{1}", day).replace("{0}", time)


def offset(instant: datetime, timezone: str) -> str:
    """What tells two equal wall clocks apart: UTC+05:30, Asia/Kolkata."""
    local = instant.astimezone(known_zone(timezone))
    return f"UTC{local.isoformat()[-6:]}, {local.tzinfo}"


def local_time(instant: datetime, timezone: str, locale: str) -> str:
    """Friday, 19 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)."""
    return f"{wall_clock(instant, timezone, locale)} ({offset(instant, timezone)})"


def money(amount: int, currency: str, locale: str) -> str:
    """Minor units as the reader writes them; the currency says how many there are."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    return format_currency(value, currency, locale=known_locale(locale))


def known_zone(name: str) -> tzinfo:
    """The zone of that name, UTC for one this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def known_locale(tag: str) -> Locale:
    """The locale of a language tag; English without a country is written as in GB.

    A language that is not known reads as English.
    """
    try:
        locale = Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale("en", "GB")
    return Locale("en", "GB") if str(locale) == "en" else locale
