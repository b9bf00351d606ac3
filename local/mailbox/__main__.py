"""`python -m local.mailbox`: HOST, PORT, SMTP_PORT and STORE from the environment."""

import asyncio

import uvicorn

from local.mailbox.app import create_app
from local.mailbox.settings import MailboxSettings
from local.mailbox.smtp import start_smtp
from local.mailbox.store import Store


async def main(settings: MailboxSettings) -> None:
    """Serve SMTP and HTTP until a signal comes."""
    store = Store(settings.store)
    sink = await start_smtp(settings.host, settings.smtp_port, store)
    try:
        app = create_app(store)
        config = uvicorn.Config(app, host=settings.host, port=settings.port)
        await uvicorn.Server(config).serve()
    finally:
        await sink.close()
        store.close()


if __name__ == "__main__":
    asyncio.run(main(MailboxSettings()))
