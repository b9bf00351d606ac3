"""What the booking service reads from its environment."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class BookingSettings(ServiceSettings):
    """`hold_minutes` is how long a seat waits for its payment."""

    hold_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    fee_percent: Annotated[int, Field(ge=0, le=100)] = 15
