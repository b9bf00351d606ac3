"""Strict types for what clients send: no silent conversion, nothing extra."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    PlainSerializer,
    Strict,
    StringConstraints,
)

OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They change the direction of all that follows, also of what is not the user's."""


class Input(BaseModel):
    """A request body: unknown fields are an error, and so is a number sent as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """An answer, readable from a row or an object of the same field names."""

    model_config = ConfigDict(from_attributes=True)


def _only_text(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise ValueError("write it as RFC 3339, with an offset")  # noqa: TRY004
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        raise ValueError("write it as RFC 3339, with an offset")
    return value


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character U+0000 is not allowed")
    if any("\ud800" <= each <= "\udfff" for each in text):
        raise ValueError("half of a surrogate pair is not a character")
    return text


def _in_utc(at: datetime) -> datetime:
    """What is passed on, in events too, no longer bears the sender's offset."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be from the year 1 to 9999 in UTC") from None


def _one_line(text: str) -> str:
    """No breaks, which end a mail's header; no overrides, which turn text round."""
    kinds = [unicodedata.category(each) for each in text]
    if any(kind in {"Cc", "Zl", "Zp"} for kind in kinds) or OVERRIDES & set(text):
        raise ValueError("must be one line, without control characters")
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise ValueError("must have a character that can be seen")
    return text


def _https_only(url: HttpUrl) -> str:
    if url.scheme != "https" or url.username or url.password:
        raise ValueError("must be an https URL without a user name")
    return str(url)


def _utc(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`, and no more digits than the instant has."""
    text = at.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"


Int = Annotated[int, Strict()]
Bool = Annotated[bool, Strict()]

Text = Annotated[str, AfterValidator(_storable)]
"""Any text PostgreSQL can store; give it a length with `Field` where it is used."""

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_storable),
    AfterValidator(_one_line),
]
"""One to 200 characters of one line that are not all blank: names, titles."""

Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_only_text),
    AfterValidator(_in_utc),
    PlainSerializer(_utc, return_type=str, when_used="json"),
    Field(examples=["2026-06-19T18:00:00Z"]),
]
"""RFC 3339: with any offset on the way in (never without), with `Z` on the way out."""

HttpsUrl = Annotated[
    HttpUrl,
    AfterValidator(_https_only),
    PlainSerializer(str),
    Field(max_length=2000, examples=["https://…"]),
]


class Money(Input):
    """An amount in minor units (cents, yen, fils) and its ISO 4217 code."""

    amount: Annotated[Int, Field(ge=0, le=99_999_999)]
    currency: Annotated[
        str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["USD"])
    ]
