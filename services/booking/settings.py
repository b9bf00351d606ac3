"""What the booking service reads from its environment."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


def _a_base(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must be an http or https URL")
    return url.rstrip("/")


Base = Annotated[str, AfterValidator(_a_base)]

KNOWN_HOSTS = (
    "meet.google.com",
    "zoom.us",
    "teams.microsoft.com",
    "teams.live.com",
    "discord.com",
    "discord.gg",
    "whereby.com",
    "meet.jit.si",
)


class BookingSettings(ServiceSettings):
    """`hold_minutes` is how long a seat waits for its payment.

    Calls: Jitsi works without a key; a coach may choose Daily or Whereby where there is
    a key for it, and links to `meeting_hosts` and the hosts below them. With
    `room_fallback` a room that its vendor cannot make is a Jitsi room instead.
    `calendars_loopback` and `calendars_ca_file` let busy calendars be read from this
    very machine and are refused in production.
    """

    # compose passes on what is empty in .env
    model_config = SettingsConfigDict(env_ignore_empty=True)

    hold_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    fee_percent: Annotated[int, Field(ge=0, le=100)] = 15
    public_url: Base = "http://localhost:8000"

    jitsi_url: Base = "https://meet.jit.si"
    jitsi_app_id: str | None = None
    jitsi_app_secret: SecretStr | None = None
    daily_api_key: SecretStr | None = None
    daily_api_base: Base = "https://api.daily.co/v1"
    whereby_api_key: SecretStr | None = None
    whereby_api_base: Base = "https://api.whereby.dev/v1"
    meeting_hosts: tuple[str, ...] = KNOWN_HOSTS
    room_fallback: bool = True

    calendars_loopback: bool = False
    calendars_ca_file: Path | None = None

    @model_validator(mode="after")
    def know_both_of_jitsi_or_neither(self) -> Self:
        if (self.jitsi_app_id is None) != (self.jitsi_app_secret is None):
            raise ValueError("jitsi_app_id and jitsi_app_secret belong together")
        return self

    @model_validator(mode="after")
    def read_no_calendars_at_home_in_production(self) -> Self:
        trusting = self.calendars_loopback or self.calendars_ca_file is not None
        if self.environment == "production" and trusting:
            raise ValueError(
                "calendars_loopback and calendars_ca_file are for tests and laptops"
            )
        return self
