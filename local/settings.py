"""What can be chosen about local mode, and its fixed ports."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = (
    "accounts",
    "coaches",
    "booking",
    "payments",
    "notifications",
    "scheduler",
)

PASSWORD = "scrimline-demo"  # noqa: S105 - everybody's here, and shown to everybody


class LocalSettings(BaseSettings):
    """`PORT_BASE` moves the three ports together; `DATA` is where everything is kept.

    An environment that calls itself production is refused: local mode has known
    passwords, a clock that anybody moves and a payment page that believes test cards.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    environment: Literal["local"] = "local"
    port_base: int = Field(default=8000, ge=1024, le=65000)
    data: Path = Path(".local")
    log_level: str = "WARNING"

    @property
    def gateway_port(self) -> int:
        return self.port_base

    @property
    def mailbox_port(self) -> int:
        return self.port_base + 25

    @property
    def stripe_port(self) -> int:
        return self.port_base + 90

    @property
    def ports(self) -> tuple[int, int, int]:
        """Of the gateway, the mailbox and the Stripe double."""
        return self.gateway_port, self.mailbox_port, self.stripe_port

    @property
    def gateway_url(self) -> str:
        return f"http://localhost:{self.gateway_port}"

    @property
    def mailbox_url(self) -> str:
        return f"http://localhost:{self.mailbox_port}"

    @property
    def stripe_url(self) -> str:
        return f"http://localhost:{self.stripe_port}"


def read_settings() -> LocalSettings:
    """From the environment; one that is not right ends the program with a sentence."""
    try:
        return LocalSettings()
    except ValidationError as error:
        [first, *_] = error.errors()
        name = str(first["loc"][0]).upper()
        if name == "ENVIRONMENT":
            sys.exit(
                f"ENVIRONMENT is {first['input']!r}: this is for a laptop only. It has "
                "known passwords, a clock that anybody moves and a payment page that "
                "believes test cards."
            )
        sys.exit(f"{name} is {first['input']!r}: {first['msg']}.")
