from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, Field, StringConstraints
from pydantic.networks import validate_email

from services.accounts.domain import ACCESS_TOKEN_LIVES
from shared.inputs import Input, Instant, Line, Output, Text


def _email(text: str) -> str:
    if "<" in text:
        raise ValueError("must be the address alone, without a name")
    return validate_email(text)[1]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("must be a zone of the IANA database, such as Europe/Berlin")
    return name


def _locale(tag: str) -> str:
    try:
        return str(Locale.parse(tag, sep="-")).replace("_", "-")
    except (ValueError, UnknownLocaleError) as error:
        raise ValueError("must be a known language tag, such as en or pt-BR") from error


Email = Annotated[
    Text, AfterValidator(_email), Field(max_length=254, examples=["kim@example.com"])
]
Password = Annotated[Text, StringConstraints(min_length=10, max_length=128)]
Zone = Annotated[
    str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_zone)
]
LocaleTag = Annotated[
    str, Field(max_length=35, examples=["en"]), AfterValidator(_locale)
]
Token = Annotated[Text, Field(min_length=1, max_length=200)]
OpenRole = Literal["student", "coach"]


def _unique(roles: list[OpenRole]) -> list[OpenRole]:
    if len(set(roles)) != len(roles):
        raise ValueError("each role may be named once")
    return sorted(roles)


class Registration(Input):
    email: Email
    password: Password = Field(repr=False)
    display_name: Annotated[Line, Field(max_length=80)]
    timezone: Zone
    locale: LocaleTag = "en"
    roles: Annotated[
        list[OpenRole], Field(min_length=1, max_length=2), AfterValidator(_unique)
    ]


class Login(Input):
    """The password is not checked for length here: older rules may have been weaker."""

    email: Annotated[Text, Field(min_length=1, max_length=254)]
    password: Annotated[Text, Field(min_length=1, max_length=128, repr=False)]


class Refresh(Input):
    refresh_token: Token = Field(repr=False)


class EmailOnly(Input):
    email: Email


class NewPassword(Input):
    token: Token = Field(repr=False)
    password: Password = Field(repr=False)


class TokenOnly(Input):
    token: Token = Field(repr=False)


class Changes(Input):
    """What is left out stays as it is."""

    display_name: Annotated[Line, Field(max_length=80)] | None = None
    timezone: Zone | None = None
    locale: LocaleTag | None = None


class UserView(Output):
    id: UUID
    email: str
    email_verified: bool
    display_name: str
    timezone: str
    locale: str
    roles: list[str]
    created_at: Instant


class Tokens(Output):
    """`expires_in` is the access token's life in seconds."""

    access_token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a name
    expires_in: int = int(ACCESS_TOKEN_LIVES.total_seconds())
    refresh_token: str = Field(repr=False)
