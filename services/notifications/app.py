"""The wiring of notifications: `python -m services.notifications.app serve|migrate`."""

from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.notifications.actions import deliveries, sending
from services.notifications.clients import Postman
from services.notifications.domain import House
from services.notifications.events import handlers
from services.notifications.settings import NotificationsSettings
from shared.auth import Verifier
from shared.clock import Clock
from shared.db import work_committed
from shared.service import Parts, assemble, main, make_app
from shared.workers import Worker

SENDERS = 4
"""Connections to the mail server at most, per process."""


def create_app(
    settings: NotificationsSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    """The service; local mode and tests hand in what is not on a server."""
    parts = assemble(
        "notifications",
        settings,
        handlers,
        broker=broker,
        clock=clock,
        verifier=verifier,
    )
    sender = settings.mail_from
    house = House(sender.name, sender.email, settings.public_url.rstrip("/"))
    _employ(parts, _postman(settings), house)
    parts.backlogs["mails"] = deliveries.waiting
    return make_app(parts)


def _postman(settings: NotificationsSettings) -> Postman:
    username, password = settings.smtp_username, settings.smtp_password
    return Postman(
        settings.smtp_host,
        settings.smtp_port,
        hello=settings.mail_from.email.rpartition("@")[2],
        starttls=settings.smtp_starttls,
        username=username.get_secret_value() if username else None,
        password=password.get_secret_value() if password else None,
    )


def _employ(parts: Parts, postman: Postman, house: House) -> None:
    async def send() -> int:
        return await sending.send_due(parts.sessions, postman, house, parts.clock)

    async def give_up() -> int:
        return await sending.give_up_unanswered(parts.sessions)

    committed = work_committed(parts.sessions)
    parts.workers += [
        Worker(f"notifications.mails-{number}", send, committed.subscribe())
        for number in range(1, SENDERS + 1)
    ]
    parts.workers.append(Worker("notifications.unanswered", give_up, interval=10))


if __name__ == "__main__":
    settings = NotificationsSettings()
    main("services.notifications", settings, handlers, lambda: create_app(settings))
