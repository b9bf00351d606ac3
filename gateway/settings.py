from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def no_wildcard(origin: str) -> str:
    """Browsers send credentials to us: no origin is trusted without being named."""
    if "*" in origin or not origin.startswith(("https://", "http://")):
        raise ValueError("name the origin, such as https://app.example.com")
    return origin.rstrip("/")


Origin = Annotated[str, AfterValidator(no_wildcard)]


class GatewaySettings(BaseSettings):
    """What the door needs to know. Lists are JSON in the environment.

    `trusted_proxies` are the networks whose `X-Forwarded-For` and `-Proto` we believe;
    `ops_port` serves `/metrics` and health on a second port, for operators only. Limits
    are requests a minute: per address, per signed-in user, per address for what guesses
    at passwords, and per address for webhooks and readiness. Timeouts are in seconds:
    `read_timeout` is a service's longest silence, `client_timeout` what a client may
    take to send a body.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    environment: Literal["local", "production"] = "production"
    database_url: SecretStr
    database_pool_size: PositiveInt = 5
    host: str = "127.0.0.1"
    port: int = 8000
    ops_port: int | None = None
    log_level: str = "INFO"

    accounts_url: str = "http://accounts:8000"
    coaches_url: str = "http://coaches:8000"
    booking_url: str = "http://booking:8000"
    payments_url: str = "http://payments:8000"
    upstream_connections: PositiveInt = 256
    connect_timeout: PositiveFloat = 2
    read_timeout: PositiveFloat = 30
    client_timeout: PositiveFloat = 30
    body_limit: PositiveInt = Field(1024 * 1024, description="bytes")

    address_per_minute: PositiveInt = 300
    user_per_minute: PositiveInt = 600
    sign_in_per_minute: PositiveInt = 10
    webhook_per_minute: PositiveInt = 6000

    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
