"""What the services tell each other: the events, and nothing else.

A contract never changes shape once released. A new optional field may be added
to a version; anything else is a new class with the next version number, published
beside the old one until no consumer reads the old one.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from shared.ids import new_id

Instant = Annotated[
    AwareDatetime,
    PlainSerializer(lambda at: at.isoformat(), return_type=str, when_used="json"),
]
"""A point in time with its offset; published as RFC 3339."""

REGISTRY: dict[str, type["Event"]] = {}
"""Every event by its name: what AsyncAPI and the released schemas are made from."""


class Value(BaseModel):
    """A part of an event: as frozen, and as tolerant of new fields, as the event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Value):
    """A fact that has happened. Named in the past tense, published once, never edited.

    Carries ids and the values a consumer acts on: times with an offset, money in
    minor units beside its ISO 4217 currency. Unknown fields are ignored, so a
    consumer keeps working when a producer adds one. `occurred_at` is product time.
    """

    name: ClassVar[str]
    """Routing key, `<publisher>.<what_happened>.v<version>`."""

    event_id: UUID = Field(default_factory=new_id)
    occurred_at: Instant
    correlation_id: str | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        if "name" in cls.__dict__:
            REGISTRY[cls.name] = cls


class Money(Value):
    """An amount in minor units (cents, yen, fils) and its ISO 4217 code."""

    amount: int
    currency: str


__all__ = ["REGISTRY", "Event", "Instant", "Money", "Value"]
