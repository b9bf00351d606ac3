"""A delivery as the mail that is sent: words, layout, calendar entry, headers."""

from collections.abc import Callable
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from css_inline import CSSInliner
from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifications import domain
from services.notifications.actions import calendar, news
from services.notifications.actions.news import News
from services.notifications.domain import House, Kind, Reader, Side
from services.notifications.models import Delivery
from shared.contracts.booking import (
    AttendanceMissingV1,
    CoachPausedV1,
    OfferMadeV1,
    ProblemDecidedV1,
    ProblemReportedV1,
    ProposalAnsweredV1,
    ProposalMadeV1,
    SeatCancelledV1,
    SeatCompletedV1,
    SeatConfirmedV1,
    SeatMissedV1,
    SeatResoldV1,
    SessionMovedV1,
)

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SessionEvent = (
    AttendanceMissingV1
    | ProblemDecidedV1
    | ProblemReportedV1
    | ProposalAnsweredV1
    | ProposalMadeV1
    | SeatCancelledV1
    | SeatCompletedV1
    | SeatConfirmedV1
    | SeatMissedV1
    | SessionMovedV1
    | OfferMadeV1
    | SeatResoldV1
)
Write = Callable[[Delivery, Reader, str, House], "Words"]
INLINER = CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


@dataclass(frozen=True)
class Words:
    """What a template is filled with, and the calendar entry beside it."""

    subject: str
    context: dict[str, Any]
    method: calendar.Method | None = None
    entry: bytes = b""
    template: str | None = None


def write(
    delivery: Delivery, reader: Reader, other: str, house: House
) -> tuple[str, bytes]:
    """The address for the envelope, and the mail with CRLF lines.

    `other` is the name of the other side of a session. Written again it says the same.
    """
    recipient = _envelope_address(reader.address)
    # only an address that is not ASCII needs UTF-8 in headers (RFC 6532)
    policy = SMTP if recipient.isascii() else SMTPUTF8
    mail = EmailMessage(policy=policy.clone(cte_type="7bit"))
    words = WORDS[delivery.kind](delivery, reader, other, house)
    mail["From"] = Address(house.name, addr_spec=house.address)
    username, _, host = recipient.rpartition("@")
    mail["To"] = Address(reader.name, username, host)
    mail["Subject"] = domain.one_line(words.subject)
    mail["Date"] = delivery.created_at
    mail["Message-ID"] = f"<{delivery.id}@{house.address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834
    mail["X-Scrimline-Delivery"] = str(delivery.id)
    _fill(mail, delivery.kind, words, {"house": house, "name": reader.name})
    return recipient, mail.as_bytes()


def _fill(
    mail: EmailMessage, kind: Kind, words: Words, everywhere: dict[str, Any]
) -> None:
    """mixed(alternative(text, html, calendar), ics): each program takes what it can."""
    context = everywhere | words.context
    template = words.template or kind
    mail.set_content(TEMPLATES.get_template(f"{template}.txt").render(context))
    html = TEMPLATES.get_template(f"{template}.html").render(context)
    mail.add_alternative(INLINER.inline(html), subtype="html")
    if words.method is not None:
        mail.add_alternative(
            words.entry.decode(), subtype="calendar", params={"method": words.method}
        )
        mail.add_attachment(
            words.entry, maintype="application", subtype="ics", filename="session.ics"
        )


def _envelope_address(address: str) -> str:
    """How SMTP names a mailbox: in ASCII where its local part allows that."""
    if address.isascii():
        return address
    found = validate_email(address, check_deliverability=False)
    return found.ascii_email or found.normalized


def _confirmed(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    seat = SeatConfirmedV1.model_validate(delivery.facts)
    context = _session(seat, delivery, reader, other, house)
    entry = calendar.invitation(seat, context["title"], reader, house, context["url"])
    subject = f"Booked: {context['title']}, {context['wall_clock']}"
    return Words(subject, context | {"goals": seat.goals}, "REQUEST", entry)


def _cancelled(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    seat = SeatCancelledV1.model_validate(delivery.facts)
    context = _session(seat, delivery, reader, other, house)
    entry = calendar.cancellation(seat, context["title"], reader, house, context["url"])
    subject = f"Cancelled: {context['title']}, {context['wall_clock']}"
    context |= {
        "who": domain.who(seat.by, context["side"], other),
        "reason": seat.reason,
        "money_back": _money_back(seat, context["side"], reader.locale),
    }
    return Words(subject, context, "CANCEL", entry)


def _moved(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    seat = SessionMovedV1.model_validate(delivery.facts)
    context = _session(seat, delivery, reader, other, house)
    entry = calendar.invitation(seat, context["title"], reader, house, context["url"])
    subject = f"Moved: {context['title']}, {context['wall_clock']}"
    return Words(subject, context | _change(seat, reader, context), "REQUEST", entry)


def _asked(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    proposal = ProposalMadeV1.model_validate(delivery.facts)
    context = _session(proposal, delivery, reader, other, house)
    context |= _change(proposal, reader, context)
    context["until"] = domain.local_time(
        proposal.expires_at, reader.timezone, reader.locale
    )
    subject = f"Another time? {context['title']}, {context['wall_clock']}"
    return Words(subject, context)


def _answered(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    proposal = ProposalAnsweredV1.model_validate(delivery.facts)
    context = _session(proposal, delivery, reader, other, house)
    context |= _change(proposal, reader, context) | {"status": proposal.status}
    word = {"accepted": "Accepted", "declined": "Declined"}
    said = word.get(proposal.status, "Not agreed")
    return Words(f"{said}: {context['title']}, {context['wall_clock']}", context)


def _change(
    said: SessionMovedV1 | ProposalMadeV1 | ProposalAnsweredV1,
    reader: Reader,
    context: dict[str, Any],
) -> dict[str, Any]:
    """The time before, and who wants or wanted another one, and why."""
    return {
        "who": domain.who(said.by, context["side"], context["other"]),
        "reason": said.reason,
        "was": domain.local_time(said.old_start, reader.timezone, reader.locale),
    }


def _session(
    seat: SessionEvent,
    delivery: Delivery,
    reader: Reader,
    other: str,
    house: House,
) -> dict[str, Any]:
    side: Side = "coach" if delivery.recipient_id == seat.coach_id else "student"
    return {
        "side": side,
        "other": other,
        "group": seat.kind == "group",
        "game": domain.game_name(seat.game),
        "title": domain.title(seat.kind == "group", other),
        "wall_clock": domain.wall_clock(seat.start, reader.timezone, reader.locale),
        "when": domain.local_time(seat.start, reader.timezone, reader.locale),
        "minutes": round((seat.end - seat.start).total_seconds() / 60),
        "url": f"{house.url}/sessions/{seat.session_id}",
    }


def _money_back(
    seat: SeatCancelledV1, side: Side, locale: str
) -> list[tuple[str, str]]:
    """Labels and texts: what the student gets back, money or a credit."""
    lines = []
    if seat.refund is not None:
        amount = domain.money(seat.refund.amount, seat.refund.currency, locale)
        to = "" if side == "student" else " to the student"
        lines.append(("Refund", f"{amount}{to} ({seat.refund.percent}%)"))
    if seat.credit != "none":
        what = "goes back to" if seat.credit == "returned" else "is used up in"
        lines.append(("Credit", f"One session {what} the package."))
    return lines


def _news(event: type[SessionEvent], write: Callable[..., News]) -> Write:
    """A mail about a session that consists of a few sentences and facts."""

    def words(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
        seat = event.model_validate(delivery.facts)
        context = _session(seat, delivery, reader, other, house)
        told = write(seat, context["side"], other, reader)
        subject = f"{told.topic}: {context['title']}, {context['wall_clock']}"
        context |= {"news": told, "button": "Open the session"}
        return Words(subject, context, template="session_news")

    return words


def _paused(delivery: Delivery, reader: Reader, _: str, house: House) -> Words:
    paused = CoachPausedV1.model_validate(delivery.facts)
    told = news.listing_paused(paused, reader)
    nothing = dict.fromkeys(("when", "other", "game", "side"))
    context = {"news": told, "url": house.url, "button": f"Open {house.name}"}
    return Words(told.topic, nothing | context, template="session_news")


def _verify(delivery: Delivery, reader: Reader, _: str, house: House) -> Words:
    context = _link("verify-email", delivery, reader, house)
    return Words("Confirm your e-mail address", context)


def _reset(delivery: Delivery, reader: Reader, _: str, house: House) -> Words:
    context = _link("reset-password", delivery, reader, house)
    return Words("Set a new password", context)


def _link(
    page: str, delivery: Delivery, reader: Reader, house: House
) -> dict[str, Any]:
    assert delivery.token is not None
    assert delivery.expires_at is not None
    return {
        "url": f"{house.url}/{page}?{urlencode({'token': delivery.token})}",
        "until": domain.local_time(delivery.expires_at, reader.timezone, reader.locale),
    }


def _offered(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    offer = OfferMadeV1.model_validate(delivery.facts)
    context = _session(offer, delivery, reader, other, house)
    subject = f"A time is free: {context['title']}, {context['wall_clock']}"
    context |= {
        "price": domain.money(offer.price.amount, offer.price.currency, reader.locale),
        "until": domain.local_time(offer.expires_at, reader.timezone, reader.locale),
    }
    return Words(subject, context)


def _resold(delivery: Delivery, reader: Reader, other: str, house: House) -> Words:
    seat = SeatResoldV1.model_validate(delivery.facts)
    context = _session(seat, delivery, reader, other, house)
    refund = domain.money(seat.refund.amount, seat.refund.currency, reader.locale)
    subject = f"{refund} back: {context['title']}, {context['wall_clock']}"
    return Words(subject, context | {"refund": refund})


WORDS: dict[Kind, Write] = {
    Kind.NOT_SEEN: _news(AttendanceMissingV1, news.not_seen),
    Kind.SESSION_MISSED: _news(SeatMissedV1, news.missed),
    Kind.MONEY_BACK: _news(SeatMissedV1, news.money_back),
    Kind.TOOK_PLACE: _news(SeatCompletedV1, news.took_place),
    Kind.PROBLEM_REPORTED: _news(ProblemReportedV1, news.problem_reported),
    Kind.PROBLEM_DECIDED: _news(ProblemDecidedV1, news.problem_decided),
    Kind.LISTING_PAUSED: _paused,
    Kind.BOOKING_CONFIRMED: _confirmed,
    Kind.BOOKING_CANCELLED: _cancelled,
    Kind.SESSION_MOVED: _moved,
    Kind.PROPOSAL_MADE: _asked,
    Kind.PROPOSAL_ANSWERED: _answered,
    Kind.VERIFY_EMAIL: _verify,
    Kind.PASSWORD_RESET: _reset,
    Kind.OFFER_MADE: _offered,
    Kind.SEAT_RESOLD: _resold,
}
