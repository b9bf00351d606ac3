"""What the mailbox reads from its environment when it runs by itself."""

from pathlib import Path

from pydantic_settings import BaseSettings


class MailboxSettings(BaseSettings):
    """`store` is the SQLite file; without it the mails live in memory."""

    host: str = "127.0.0.1"
    port: int = 8025
    smtp_port: int = 1025
    store: Path | None = None
