"""What coaches says: who coaches what, for how much, and whether they are listed."""

from typing import ClassVar
from uuid import UUID

from shared.contracts import Event, Value


class GameRate(Value):
    """A game the coach teaches; `hourly_rate` in minor units, None: the base rate."""

    slug: str
    hourly_rate: int | None


class ProfileChangedV1(Event):
    """A coach's profile, whole. `version` rises; an older one is ignored.

    `listed` says that the coach shows in the directory: verified, active, accepting.
    Rates are minor units of `currency`.
    """

    name: ClassVar[str] = "coaches.profile_changed.v1"

    coach_id: UUID
    version: int
    display_name: str
    verified: bool
    listed: bool
    accepting: bool
    currency: str
    hourly_rate: int
    group_rate: int | None
    games: list[GameRate]
