"""What the mails about the outcome of sessions say. Words only: no layout, no headers.

`other` is the name of the other side, empty where there is none (the coach of a group).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from services.notifications import domain
from services.notifications.domain import Reader, Side
from shared.contracts.booking import (
    AttendanceMissingV1,
    CoachPausedV1,
    ProblemDecidedV1,
    ProblemReportedV1,
    RefundTerms,
    SeatCompletedV1,
    SeatMissedV1,
)

REPORTABLE = timedelta(hours=72)
"""So long after the end booking takes a student's report."""


@dataclass(frozen=True)
class News:
    """`topic` opens the subject; `facts` are labels and texts under the paragraphs."""

    topic: str
    heading: str
    paragraphs: Sequence[str]
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def not_seen(_: AttendanceMissingV1, __: Side, other: str, reader: Reader) -> News:
    """To the side that is missing, while it may still come."""
    whom = other or "those who came"
    return News(
        "You are expected",
        f"Your session has begun, {reader.name}",
        [
            "We have not seen you there yet. Join the session, or say on its page that"
            " you are here.",
            f"If {whom} can be seen 15 minutes after the start and you cannot, you have"
            " missed it.",
        ],
    )


def missed(event: SeatMissedV1, side: Side, other: str, reader: Reader) -> News:
    """To both sides, while the side that is named may contest it."""
    until = domain.local_time(event.provisional_until, reader.timezone, reader.locale)
    named = event.outcome in (side, "both")
    if event.outcome == "both":
        heading = f"Nobody was seen at your session, {reader.name}"
    elif named:
        heading = f"You missed a session, {reader.name}"
    else:
        heading = f"{other} did not come, {reader.name}"
    paragraphs = [_money_if_final(event, side, until)]
    if named:
        paragraphs.append(
            f"If the session took place, contest this on its page until {until}."
        )
    elif side == "coach":
        paragraphs.append(f"You can take it back on the session's page until {until}.")
    else:
        paragraphs.append(f"{other} can contest this until then.")
    return News("Missed", heading, paragraphs, _reason(event.reason))


def _money_if_final(event: SeatMissedV1, side: Side, until: str) -> str:
    if event.refund is None:
        return f"This is final on {until}."
    back = event.outcome != "student"
    if side == "student":
        money = "you get your money back" if back else "the session is charged"
    else:
        money = "the student gets the money back" if back else "you are paid for it"
    return f"Unless that changes, this is final on {until}: then {money}."


def money_back(event: SeatMissedV1, _: Side, other: str, reader: Reader) -> News:
    """To the student, once it is final that everything comes back."""
    paragraphs = ["The session did not take place. Your money is on its way back."]
    if event.by == "coach":
        paragraphs.insert(0, f"{other} has ended it without having come.")
    facts = [*_reason(event.reason), *_refund(event.refund, reader)]
    return News(
        "Refunded", f"You get your money back, {reader.name}", paragraphs, facts
    )


def took_place(event: SeatCompletedV1, side: Side, other: str, reader: Reader) -> News:
    """To the other side: somebody says that a session was not missed after all."""
    waived = event.by == "coach" and event.missed == "student"
    first = (
        f"{other} no longer says that you missed it."
        if waived
        else f"{other} says that it took place."
    )
    paragraphs = [f"{first} It counts as completed."]
    if side == "student" and not waived:
        until = domain.local_time(
            event.end + REPORTABLE, reader.timezone, reader.locale
        )
        paragraphs.append(
            "If that is wrong, report a problem on the session's page until"
            f" {until}: the coach is not paid then until we have decided."
        )
    return News(
        "Completed",
        f"Your session was not missed, {reader.name}",
        paragraphs,
        _reason(event.reason),
    )


def problem_reported(
    event: ProblemReportedV1, _: Side, other: str, reader: Reader
) -> News:
    """To the coach."""
    return News(
        "Problem reported",
        f"{other} reports a problem, {reader.name}",
        ["We look into it. What you earn with this session waits until it is decided."],
        _reason(event.reason),
    )


def problem_decided(
    event: ProblemDecidedV1, side: Side, other: str, reader: Reader
) -> News:
    """To both sides."""
    whose = "you reported" if side == "student" else f"{other} reported"
    outcome = {
        "full": "all of the price goes back",
        "partial": "a part of the price goes back",
        "none": "nothing goes back",
    }[event.decision]
    to = "" if side == "student" else " to the student"
    return News(
        "Decided",
        f"A problem is decided, {reader.name}",
        [f"About the problem that {whose} we have decided: {outcome}{to}."],
        [*_reason(event.reason), *_refund(event.refund, reader)],
    )


def listing_paused(event: CoachPausedV1, reader: Reader) -> News:
    """To the coach; about no session in particular."""
    until = domain.local_time(event.until, reader.timezone, reader.locale)
    return News(
        "Your listing is paused",
        f"Your listing is paused, {reader.name}",
        [
            f"Within 90 days you missed or cancelled {event.strikes} sessions at short"
            " notice.",
            f"Until {until} you are not listed and cannot be booked. Sessions that are"
            " booked already take place.",
            "If something was beyond your control, write to us: we can lift the pause.",
        ],
    )


def _reason(reason: str | None) -> list[tuple[str, str]]:
    return [("Reason", reason)] if reason else []


def _refund(terms: RefundTerms | None, reader: Reader) -> list[tuple[str, str]]:
    if terms is None:
        return []
    amount = domain.money(terms.amount, terms.currency, reader.locale)
    return [("Refund", f"{amount} ({terms.percent}%)")]
