"""The wiring of accounts; `python -m services.accounts.app` runs and administers it."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.accounts import api, events
from services.accounts.actions import throttle, users
from services.accounts.clients import Passwords, Signer, new_signing_key
from services.accounts.domain import Role
from services.accounts.settings import AccountsSettings
from shared import db, service
from shared.auth import Verifier
from shared.clock import Clock
from shared.service import Parts
from shared.workers import Worker

HOUR = 3600.0


def create_app(
    settings: AccountsSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    signer = Signer(settings.signing_keys)

    async def own_keys() -> dict[str, object]:
        return signer.jwks()

    parts = service.assemble(
        "accounts",
        settings,
        events.handlers,
        router=api.router,
        broker=broker,
        clock=clock,
        verifier=verifier or Verifier(own_keys),
    )
    parts.workers.append(_forgetter(parts))
    app = service.make_app(parts)
    app.state.settings = settings
    app.state.signer = signer
    app.state.passwords = Passwords(settings.argon2_memory_kib, settings.argon2_passes)
    return app


def _forgetter(parts: Parts) -> Worker:
    async def step() -> int:
        async with parts.sessions.begin() as session:
            await throttle.forget_old(session, datetime.now(UTC))
        return 0

    return Worker("accounts.forget", step, interval=HOUR)


async def make_admin(settings: AccountsSettings, email: str) -> str:
    """Give the user the role admin; what happened, in words.

    Exits with 1 if there is nobody of that address.
    """
    sessions = db.make_sessions(settings.database_url.get_secret_value())
    try:
        async with sessions.begin() as session:
            user = await users.find(session, email)
            if user is None:
                sys.exit(f"nobody has the address {email}")
            added = await users.add_role(
                session, user.id, Role.ADMIN, datetime.now(UTC)
            )
    finally:
        await db.engine_of(sessions).dispose()
    return f"{email} is an admin {'now' if added else 'already'}"


def run(arguments: list[str]) -> None:
    """The command line; prints a new private key without needing any setting."""
    if arguments == ["new-key"]:
        print(json.dumps(new_signing_key()))  # noqa: T201
        return
    settings = AccountsSettings()
    if len(arguments) == 2 and arguments[0] == "make-admin":
        print(asyncio.run(make_admin(settings, arguments[1])))  # noqa: T201
        return
    service.main(
        "services.accounts", settings, events.handlers, lambda: create_app(settings)
    )


if __name__ == "__main__":
    run(sys.argv[1:])
