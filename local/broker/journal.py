"""What the bus must not forget, in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.broker.exchanges import Exchange
from local.broker.messages import Message
from local.broker.queues import Queue

SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS exchanges (
    name TEXT PRIMARY KEY, type TEXT NOT NULL, durable INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, durable INTEGER NOT NULL, arguments TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bindings (
    exchange TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    routing_key TEXT NOT NULL,
    queue TEXT NOT NULL REFERENCES queues ON DELETE CASCADE,
    PRIMARY KEY (exchange, routing_key, queue)
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL REFERENCES queues ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    header BLOB NOT NULL,
    body BLOB NOT NULL,
    due REAL,
    deliveries INTEGER NOT NULL
);
DELETE FROM exchanges WHERE NOT durable;
DELETE FROM queues WHERE NOT durable;
"""


class Journal:
    """Every method has reached the operating system when it returns.

    So it outlives the death of the process, by kill -9 too, but not that of the
    machine. Opening forgets what was declared without `durable`. Raises RuntimeError
    while another process has the file open.
    """

    def __init__(self, path: Path | None) -> None:
        name = ":memory:" if path is None else str(path)
        self._database = sqlite3.connect(name, timeout=0, isolation_level=None)
        try:
            self._database.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._database.close()
            raise RuntimeError(f"{name} cannot be used: {error}") from error

    def exchanges(self) -> list[Exchange]:
        """All exchanges with their bindings."""
        found = {
            name: Exchange(name, type_, bool(durable))
            for name, type_, durable in self._database.execute(
                "SELECT name, type, durable FROM exchanges"
            )
        }
        for exchange, routing_key, queue in self._database.execute(
            "SELECT exchange, routing_key, queue FROM bindings"
        ):
            found[exchange].bindings.append((routing_key, queue))
        return list(found.values())

    def queues(self) -> list[Queue]:
        """All queues, still without their messages."""
        rows = self._database.execute("SELECT name, durable, arguments FROM queues")
        return [
            Queue(name, bool(durable), json.loads(arguments))
            for name, durable, arguments in rows
        ]

    def messages(self) -> list[Message]:
        """All messages, oldest first."""
        rows = self._database.execute(
            "SELECT id, queue, exchange, routing_key, header, body, due, deliveries"
            " FROM messages ORDER BY id"
        )
        return [Message(*row) for row in rows]

    def add_exchange(self, exchange: Exchange) -> None:
        self._database.execute(
            "INSERT INTO exchanges VALUES (?, ?, ?)",
            (exchange.name, exchange.type, exchange.durable),
        )

    def add_queue(self, queue: Queue) -> None:
        self._database.execute(
            "INSERT INTO queues VALUES (?, ?, ?)",
            (queue.name, queue.durable, json.dumps(queue.arguments)),
        )

    def add_binding(self, exchange: str, routing_key: str, queue: str) -> None:
        self._database.execute(
            "INSERT INTO bindings VALUES (?, ?, ?)", (exchange, routing_key, queue)
        )

    def add(self, messages: Sequence[Message], instead_of: Message | None) -> None:
        """Keep the messages and forget the one they replace, both or neither."""
        with self._transaction():
            self._database.executemany(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        each.id,
                        each.queue,
                        each.exchange,
                        each.routing_key,
                        each.header,
                        each.body,
                        each.due,
                        each.deliveries,
                    )
                    for each in messages
                ],
            )
            if instead_of is not None:
                self.remove(instead_of)

    def remove(self, message: Message) -> None:
        self._database.execute("DELETE FROM messages WHERE id = ?", (message.id,))

    def count_deliveries(self, messages: Sequence[Message]) -> None:
        """Keep how often the messages were delivered."""
        with self._transaction():
            self._database.executemany(
                "UPDATE messages SET deliveries = ? WHERE id = ?",
                [(each.deliveries, each.id) for each in messages],
            )

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
