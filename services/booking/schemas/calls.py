"""Calls, as those who join them see them."""

from typing import Literal

from pydantic import Field

from shared.inputs import Output


class Ticket(Output):
    """Where this person enters the call, now; not to be passed on or stored.

    `fallback` says that the coach's own choice of provider does not answer and the
    session takes place at `provider` instead, for everybody.
    """

    url: str = Field(examples=["https://meet.jit.si/scrimline-…"])
    provider: Literal["jitsi", "daily", "whereby", "custom"]
    fallback: bool
