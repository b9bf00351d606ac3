"""What moving asks for, and what cancelling would give when."""

from typing import Annotated

from pydantic import Field

from services.booking.schemas.attendance import Reason
from services.booking.schemas.sessions import Moment
from shared.inputs import Input, Instant, Money, Output


class MoveRequest(Input):
    """The start that is wished for; length, price and seats stay. A reason is told."""

    start: Moment
    reason: Reason | None = None


class StageView(Output):
    """What cancelling gives back from one instant to another.

    `until` is the last such instant; in the last stage it is the first one at which
    it is too late.
    """

    since: Annotated[Instant, Field(serialization_alias="from")]
    until: Instant
    percent: int
    refund: Money
    rule: str


class Timeline(Output):
    """What a student's cancelling would give from now on, if nothing else happens."""

    steps: list[StageView]
    free_until: Instant | None
    quoted_at: Instant
