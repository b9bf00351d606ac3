"""From the bytes of a mail to what a reader wants to know."""

import base64
import re
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from html.parser import HTMLParser

from pydantic import BaseModel, ConfigDict, Field

PARSED = HeaderRegistry()
PLAIN = HeaderRegistry(use_default_map=False)


class Attachment(BaseModel):
    """A part beside the bodies; a calendar part counts as one.

    `content` is text for `text/*` and base64 for everything else.
    """

    filename: str | None
    content_type: str
    content: str

    @property
    def data(self) -> bytes:
        """The bytes to download; text becomes UTF-8."""
        if self.content_type.startswith("text/"):
            return self.content.encode()
        return base64.b64decode(self.content)


class Mail(BaseModel):
    """One mail as it was handed over.

    `to` are the envelope's recipients, separated by commas: unlike the header they
    include blind copies. A header that occurs twice has both values in one string.
    """

    model_config = ConfigDict(populate_by_name=True)

    to: str
    sender: str = Field(alias="from")
    subject: str
    text: str | None
    html: str | None
    headers: dict[str, str]
    attachments: list[Attachment]


class Message(Mail):
    """A mail in the box; ids grow with time and are not used twice."""

    id: int


def _header(name: str, value: str) -> BaseHeader:
    """The parsed header; what the parser stumbles over (`From: <`) is kept as text.

    The structure of a mail needs its `Content-*` headers parsed: those become empty.
    """
    try:
        return PARSED(name, value)
    except Exception:
        if name.lower().startswith("content-"):
            return PARSED(name, "")
        return PLAIN(name, value)


TOLERANT = policy.default.clone(header_factory=_header)


def read_mail(raw: bytes, recipients: Sequence[str]) -> Mail:
    """Take the mail apart. What no standard covers is replaced, never refused."""
    mail = message_from_bytes(raw, policy=TOLERANT)
    assert isinstance(mail, EmailMessage)
    bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    attachments = [
        _attachment(part)
        for part in _leaves(mail)
        if not any(part is body for body in bodies.values())
    ]
    headers = _headers(mail)
    lowered = {name.lower(): value for name, value in headers.items()}
    return Mail(
        to=_clean(", ".join(recipients)),
        sender=lowered.get("from", ""),
        subject=lowered.get("subject", ""),
        text=_body(bodies["plain"]),
        html=_body(bodies["html"]),
        headers=headers,
        attachments=attachments,
    )


def _headers(mail: EmailMessage) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in mail.items():
        names.setdefault(name.lower(), _clean(name))
        values.setdefault(name.lower(), []).append(_clean(str(value)))
    return {names[key]: ", ".join(found) for key, found in values.items()}


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that are no container; an enclosed mail stays whole."""
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for child in part.iter_parts():
        assert isinstance(child, EmailMessage)
        yield from _leaves(child)


def _attachment(part: EmailMessage) -> Attachment:
    content_type = part.get_content_type()
    if content_type.startswith("text/"):
        content = _text(part)
    else:
        content = base64.b64encode(_data(part)).decode()
    filename = part.get_filename()
    return Attachment(
        filename=_clean(filename) if filename else None,
        content_type=content_type,
        content=content,
    )


def _body(part: object) -> str | None:
    if not isinstance(part, EmailMessage):
        return None
    return _text(part).replace("\r\n", "\n")


def _text(part: EmailMessage) -> str:
    charset = part.get_content_charset("utf-8")
    try:
        return _clean(_data(part).decode(charset, "replace"))
    except LookupError:
        return _clean(_data(part).decode("utf-8", "replace"))


def _data(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(enclosed.as_bytes() for enclosed in part.iter_parts())
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _clean(text: str) -> str:
    """Without the lone surrogates that stand for undecodable bytes: JSON has none."""
    return text.encode("utf-8", "replace").decode()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (target := dict(attrs).get("href")):
            self.found.append(target)


def links(mail: Mail) -> list[str]:
    """The web addresses that the mail points to, each once, in its order."""
    if mail.html is None:
        found = re.findall(r"https?://[^\s<>\"]+", mail.text or "")
    else:
        parser = _Links()
        parser.feed(mail.html)
        found = [link for link in parser.found if re.match(r"https?://", link)]
    return list(dict.fromkeys(found))
