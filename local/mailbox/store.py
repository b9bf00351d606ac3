"""Where the mails are kept: one SQLite file, or memory."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from local.mailbox.messages import Mail, Message

KEPT = 5_000
"""The newest mails that are kept; older ones go."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mail TEXT NOT NULL,
    source BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS recipients (
    address TEXT NOT NULL,
    message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    PRIMARY KEY (address, message_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recipients_message ON recipients (message_id);
"""


class Store:
    """The mails, newest first, safe to use from several threads and tasks.

    With a path they are there again after a restart. Calls take well below a
    millisecond each, but for a whole box.
    """

    def __init__(self, path: Path | None = None, kept: int = KEPT) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._kept = kept
        self._lock = Lock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        with self._lock:
            self._db.close()

    def add(self, mail: Mail, source: bytes, recipients: Sequence[str]) -> int:
        """Keep a mail and forget the oldest beyond the limit; returns its id."""
        with self._lock, self._db:
            added = self._db.execute(
                "INSERT INTO messages (mail, source) VALUES (?, ?)",
                (mail.model_dump_json(), source),
            ).lastrowid
            assert added is not None
            self._db.executemany(
                "INSERT OR IGNORE INTO recipients VALUES (?, ?)",
                [(address.lower(), added) for address in recipients],
            )
            self._db.execute(
                "DELETE FROM messages WHERE id <= (SELECT id FROM messages "
                "ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (self._kept,),
            )
        return added

    def messages(
        self, to: str | None = None, before: int | None = None, limit: int = -1
    ) -> list[Message]:
        """Newest first: those to one address, those older than the id `before`."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, mail FROM messages WHERE (:to IS NULL OR id IN "
                "(SELECT message_id FROM recipients WHERE address = :to)) "
                "AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
                {"to": to and to.lower(), "before": before, "limit": limit},
            ).fetchall()
        return [_message(*row) for row in rows]

    def message(self, message_id: int) -> Message | None:
        """One message, if it is (still) there."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, mail FROM messages WHERE id = ?", (message_id,)
            ).fetchone()
        return _message(*row) if row else None

    def source(self, message_id: int) -> bytes | None:
        """The bytes of one message as they came."""
        with self._lock:
            row = self._db.execute(
                "SELECT source FROM messages WHERE id = ?", (message_id,)
            ).fetchone()
        return bytes(row[0]) if row else None

    def clear(self, to: str | None = None) -> None:
        """Forget all messages, or all that went to one address."""
        with self._lock, self._db:
            self._db.execute(
                "DELETE FROM messages WHERE :to IS NULL OR id IN "
                "(SELECT message_id FROM recipients WHERE address = :to)",
                {"to": to and to.lower()},
            )


def _message(message_id: int, mail: str) -> Message:
    return Message.model_validate({"id": message_id, **json.loads(mail)})
