"""Which servers to use, and what each process is told in its environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator
from sqlalchemy import make_url

from local.keys import Keys
from local.rooms import APP_ID
from local.settings import SERVICES, LocalSettings

OWNERS = (*SERVICES, "gateway")
"""Who has a database."""

ASKED = ("accounts", "coaches", "booking", "payments")
"""Who is asked by the gateway."""

PREFIX = "scrimline_"
"""Before the names of databases and roles, since the server may have others."""

MANY = 2000
"""Requests a minute, and new people in a quarter of an hour, that one address may make
here: demonstrations are in a hurry."""

WHAT_TO_SET = (
    "{missing} must be set. DATABASE_URL is a PostgreSQL server (15 or newer) and a "
    "role on it that may create databases and roles, such as "
    "postgresql://postgres:secret@localhost:5432/postgres; instead of it, every "
    "service may have its own, as in BOOKING_DATABASE_URL. AMQP_URL is a RabbitMQ "
    "server, such as amqp://guest:guest@localhost:5672/"
)


class ServersSettings(LocalSettings):
    """`amqp_url` and either `database_url` or one URL for each service and the gateway.

    A missing one is a ValueError that says what to set.
    """

    data: Path = Path(".local/servers")
    amqp_url: SecretStr = SecretStr("")
    database_url: SecretStr | None = None
    accounts_database_url: SecretStr | None = None
    coaches_database_url: SecretStr | None = None
    booking_database_url: SecretStr | None = None
    payments_database_url: SecretStr | None = None
    notifications_database_url: SecretStr | None = None
    scheduler_database_url: SecretStr | None = None
    gateway_database_url: SecretStr | None = None

    @model_validator(mode="after")
    def say_what_is_missing(self) -> Self:
        missing = []
        if self.database_url is None:
            without = [name for name in OWNERS if name not in self.own_databases()]
            if len(without) == len(OWNERS):
                missing = ["DATABASE_URL"]
            else:
                missing = [f"{name.upper()}_DATABASE_URL" for name in without]
        if not self.amqp_url.get_secret_value():
            missing.append("AMQP_URL")
        if missing:
            raise ValueError(WHAT_TO_SET.format(missing=" and ".join(missing)))
        return self

    def own_databases(self) -> dict[str, str]:
        """The databases that were named one by one, by service."""
        found = {}
        for name in OWNERS:
            url: SecretStr | None = getattr(self, f"{name}_database_url")
            if url is not None:
                driver = make_url(url.get_secret_value())
                asynchronous = driver.set(drivername="postgresql+asyncpg")
                found[name] = asynchronous.render_as_string(hide_password=False)
        return found


@dataclass(frozen=True)
class Plan:
    """Who listens where, and what everybody is told; made once for each fleet."""

    settings: ServersSettings
    keys: Keys
    databases: Mapping[str, str]
    ports: Mapping[str, int]

    def environment(self, name: str) -> dict[str, str]:
        """What the process `name` reads when it starts."""
        told = {
            "ENVIRONMENT": "local",
            "DATA": str(self.settings.data.absolute()),
            "PORT_BASE": str(self.settings.port_base),
            "LOG_LEVEL": self.settings.log_level,
            "HOST": "127.0.0.1",
            "PORT": str(self.ports[name]),
        }
        if name in self.databases:
            told["DATABASE_URL"] = self.databases[name]
            told["DATABASE_POOL_SIZE"] = "5"
        if name in OWNERS:
            told["AMQP_URL"] = self.settings.amqp_url.get_secret_value()
            told["JWKS_URL"] = f"{self._at('accounts')}/.well-known/jwks.json"
        return told | self._own(name)

    def _own(self, name: str) -> dict[str, str]:
        own = {
            "accounts": self._accounts,
            "booking": self._booking,
            "payments": self._payments,
            "notifications": self._notifications,
            "gateway": self._gateway,
            "stripe": self._stripe,
            "mailbox": self._mailbox,
        }
        return own[name]() if name in own else {}

    def _accounts(self) -> dict[str, str]:
        return {
            "SIGNING_KEYS": json.dumps(self.keys.signing),
            "FAILURES_PER_ADDRESS": str(MANY),
            "REGISTRATIONS_PER_ADDRESS": str(MANY),
        }

    def _booking(self) -> dict[str, str]:
        return {
            "PUBLIC_URL": self.settings.gateway_url,
            "JITSI_URL": f"{self.settings.gateway_url}/local/rooms",
            "JITSI_APP_ID": APP_ID,
            "JITSI_APP_SECRET": self.keys.rooms,
            "CALENDARS_LOOPBACK": "true",
        }

    def _payments(self) -> dict[str, str]:
        return {
            "STRIPE_API_KEY": self.keys.stripe_api,
            "STRIPE_WEBHOOK_SECRET": self.keys.stripe_webhook,
            "STRIPE_API_BASE": self._at("stripe"),
            "CHECKOUT_SUCCESS_URL": f"{self.settings.gateway_url}/checkout/success",
            "CHECKOUT_CANCEL_URL": f"{self.settings.gateway_url}/checkout/cancel",
        }

    def _notifications(self) -> dict[str, str]:
        return {
            "PUBLIC_URL": self.settings.gateway_url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.ports["smtp"]),
        }

    def _stripe(self) -> dict[str, str]:
        return {
            "STRIPE_WEBHOOK_SECRET": self.keys.stripe_webhook,
            "WEBHOOK_URL": f"{self._at('gateway')}/payments/webhook/",
            "PUBLIC_URL": self.settings.stripe_url,
            "STORE": self._file("stripe.sqlite"),
        }

    def _mailbox(self) -> dict[str, str]:
        return {
            "SMTP_PORT": str(self.ports["smtp"]),
            "STORE": self._file("mails.sqlite"),
        }

    def _gateway(self) -> dict[str, str]:
        ports = {name: self.ports[name] for name in SERVICES}
        limits = ("ADDRESS_PER_MINUTE", "USER_PER_MINUTE", "SIGN_IN_PER_MINUTE")
        return (
            {f"{name.upper()}_URL": self._at(name) for name in ASKED}
            | {limit: str(MANY) for limit in limits}
            | {"SERVICE_PORTS": json.dumps(ports), "ROOMS_SECRET": self.keys.rooms}
        )

    def _at(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _file(self, name: str) -> str:
        return str(self.settings.data.absolute() / name)
