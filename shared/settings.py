"""What every process reads from its environment, once, at start."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service needs. Secrets have no default: a missing one stops the start.

    `database_url` is `postgresql+asyncpg://user:password@host:port/name`;
    `jwks_url` is where accounts publishes its keys; `otlp_endpoint` is an OTLP/HTTP
    collector, tracing stays in process without it.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    environment: Literal["local", "production"] = "production"
    database_url: SecretStr
    database_pool_size: int = 10
    amqp_url: SecretStr
    jwks_url: str = "http://accounts:8000/.well-known/jwks.json"
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: str = "INFO"
    otlp_endpoint: str | None = None
