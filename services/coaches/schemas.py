from typing import Annotated, Any
from uuid import UUID

from babel.core import Locale, parse_locale
from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
)

from services.coaches.domain import Experience, Status, Verification
from shared.inputs import Bool, HttpsUrl, Input, Int, Line, Money, Output, Text

CLDR = Locale("en")
"""Which languages, scripts and regions there are; their English names are not used."""


def _language(tag: str) -> str:
    message = "must be a BCP 47 tag of a known language, such as en, pt-BR or zh-Hant"
    try:
        language, region, script, variant, *_ = parse_locale(tag, sep="-")
    except ValueError as error:
        raise ValueError(message) from error
    known = (
        language in CLDR.languages
        and (region is None or region in CLDR.territories)
        and (script is None or script in CLDR.scripts)
    )
    if variant is not None or not known:
        raise ValueError(message)
    return "-".join(part for part in (language, script, region) if part)


def _not_blank(text: str) -> str:
    if not (stripped := text.strip()):
        raise ValueError("must not be blank")
    return stripped


def _unique(items: list[str]) -> list[str]:
    if len({item.casefold() for item in items}) < len(items):
        raise ValueError("each may be named once")
    return items


Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60),
    Field(examples=["league-of-legends"]),
]
Label = Annotated[Line, Field(max_length=60)]
Ranks = Annotated[
    list[Label], Field(min_length=1, max_length=100), AfterValidator(_unique)
]
"""From low to high."""

LanguageTag = Annotated[
    str, Field(max_length=35, examples=["en"]), AfterValidator(_language)
]
Languages = Annotated[
    list[LanguageTag], Field(min_length=1, max_length=20), AfterValidator(_unique)
]
Specializations = Annotated[list[Label], Field(max_length=20), AfterValidator(_unique)]
LongText = Annotated[Text, Field(max_length=5000)]
Bio = Annotated[LongText, AfterValidator(_not_blank)]
Notes = Annotated[Text, Field(max_length=2000)]
Reason = Annotated[Notes, AfterValidator(_not_blank)]
Years = Annotated[Int, Field(ge=0, le=60)]


class NewGame(Input):
    slug: Slug
    name: Label
    ranks: Ranks


class GameChanges(Input):
    """What is left out stays. `ranks` replaces all of them, in their order."""

    name: Label | None = None
    ranks: Ranks | None = None

    @field_validator("name", "ranks", mode="before")
    @classmethod
    def not_null(cls, value: Any) -> Any:
        return required(value)


class GameView(Output):
    """`ranks` from low to high."""

    slug: str
    name: str
    ranks: list[str]


def required(value: Any) -> Any:
    """A field may be left out of a change, but null is no value for it."""
    if value is None:
        raise ValueError("must not be null; leave it out to keep it")
    return value


class Application(Input):
    """Who the coach is and what an hour costs."""

    headline: Line
    bio: Bio
    achievements: LongText = ""
    experience_level: Experience
    years_experience: Years = 0
    hourly_rate: Money
    group_rate: Money | None = None
    languages: Languages
    specializations: Specializations = Field(default=[])
    profile_video_url: HttpsUrl | None = None
    status: Status = Status.ACTIVE
    accepting_students: Bool = True


class ProfileChanges(Input):
    """What is left out stays; null clears `group_rate` and `profile_video_url`."""

    headline: Line | None = None
    bio: Bio | None = None
    achievements: LongText | None = None
    experience_level: Experience | None = None
    years_experience: Years | None = None
    hourly_rate: Money | None = None
    group_rate: Money | None = None
    languages: Languages | None = None
    specializations: Specializations | None = None
    profile_video_url: HttpsUrl | None = None
    status: Status | None = None
    accepting_students: Bool | None = None

    @field_validator(
        "headline",
        "bio",
        "achievements",
        "experience_level",
        "years_experience",
        "hourly_rate",
        "languages",
        "specializations",
        "status",
        "accepting_students",
        mode="before",
    )
    @classmethod
    def not_null(cls, value: Any) -> Any:
        return required(value)


class TaughtGame(Input):
    """`rank` is one of the game's; without `hourly_rate` the base rate holds."""

    rank: Label
    rank_proof_url: HttpsUrl | None = None
    hourly_rate: Money | None = None
    is_primary: Bool = False
    notes: Notes = ""


class Approval(Input):
    """`notes` are kept with the decision, for admins."""

    notes: Notes = ""


class Rejection(Input):
    """`notes` are the reason, which the coach reads."""

    notes: Reason


class CoachedGameView(Output):
    """`hourly_rate` null: the coach's base rate."""

    slug: str
    rank: str
    rank_proof_url: str | None
    hourly_rate: Money | None
    is_primary: bool
    notes: str


class VerificationView(Output):
    """`reason` is why an admin rejected; it stays until the coach submits again."""

    status: Verification
    reason: str | None


class CoachView(Output):
    """A coach. `display_name` and `timezone` are null until accounts has told them."""

    id: UUID
    display_name: str | None
    timezone: str | None
    headline: str
    bio: str
    achievements: str
    experience_level: Experience
    years_experience: int
    hourly_rate: Money
    group_rate: Money | None
    languages: list[str]
    specializations: list[str]
    profile_video_url: str | None
    status: Status
    accepting_students: bool
    verification: VerificationView
    games: list[CoachedGameView]
    packages: list[JsonValue] = Field(
        default=[], description="Empty until packages can be offered."
    )
    stats: dict[str, JsonValue] = Field(
        default={}, description="Empty until statistics are kept."
    )
