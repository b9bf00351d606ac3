"""What the account holds, in SQLite: objects, webhooks to deliver, saved answers."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    body TEXT NOT NULL, hidden TEXT NOT NULL, due_at INTEGER,
    payment_intent TEXT AS (json_extract(body, '$.payment_intent')),
    charge TEXT AS (json_extract(body, '$.charge')),
    status TEXT AS (json_extract(body, '$.status'))
);
CREATE INDEX IF NOT EXISTS due_objects ON objects (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_payment_intent ON objects (payment_intent, kind, seq);
CREATE INDEX IF NOT EXISTS by_charge ON objects (charge, kind, seq);
CREATE INDEX IF NOT EXISTS by_kind ON objects (kind, seq);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    first_at REAL NOT NULL, next_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS old_answers ON answers (at);
"""


@dataclass
class Record:
    """An object of the API.

    `body` is what the API shows, `hidden` what only the double knows. At `due_at`
    (product time, Unix seconds) something happens to it by itself.
    """

    body: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict)
    due_at: int | None = None


@dataclass(frozen=True)
class Delivery:
    """An event on its way to the webhook; `first_at` is real time in Unix seconds."""

    seq: int
    event: str
    attempts: int
    first_at: float


@dataclass(frozen=True)
class Answer:
    """What was answered under an idempotency key, and to which request."""

    request: str
    status: int
    body: str


class Store:
    """Synchronous and for one thread: a request is one transaction without waiting."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Objects

    def put(self, record: Record) -> None:
        """Insert the object or replace the one of the same id."""
        self._db.execute(
            "INSERT INTO objects (id, kind, body, hidden, due_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " body = excluded.body, hidden = excluded.hidden, due_at = excluded.due_at",
            (
                record.body["id"],
                record.body["object"],
                json.dumps(record.body),
                json.dumps(record.hidden),
                record.due_at,
            ),
        )

    def get(self, kind: str, key: str) -> Record | None:
        found = self._records("kind = ? AND id = ?", (kind, key))
        return found[0] if found else None

    def due(self, now: int) -> list[Record]:
        """Objects to which something happens by `now`, the earliest first."""
        return self._records("due_at <= ? ORDER BY due_at, seq", (now,))

    def waiting(self) -> int:
        """How many refunds have not come to their end yet."""
        return self._count(
            "SELECT count(*) FROM objects WHERE due_at IS NOT NULL AND kind = 'refund'"
        )

    def page(
        self,
        kind: str,
        where: Mapping[str, str],
        limit: int,
        after: str | None,
        before: str | None,
    ) -> list[Record]:
        """Newest first; `after` and `before` are ids that bound the page."""
        clauses, values = ["kind = ?"], [kind]
        for column, value in where.items():
            clauses.append(f"{column} = ?")
            values.append(value)
        for key, sign in ((after, "<"), (before, ">")):
            if key is not None:
                clauses.append(f"seq {sign} (SELECT seq FROM objects WHERE id = ?)")  # noqa: S608
                values.append(key)
        order = "ASC" if before else "DESC"
        found = self._records(
            f"{' AND '.join(clauses)} ORDER BY seq {order} LIMIT {limit:d}", values
        )
        return found[::-1] if before else found

    def _records(self, where: str, values: Any) -> list[Record]:
        rows = self._db.execute(
            f"SELECT body, hidden, due_at FROM objects WHERE {where}",  # noqa: S608
            values,
        )
        return [Record(json.loads(b), json.loads(h), due) for b, h, due in rows]

    # Deliveries of events, in real time

    def deliver(self, event: str, now: float) -> None:
        self._db.execute(
            "INSERT INTO deliveries (event, first_at, next_at) VALUES (?, ?, ?)",
            (event, now, now),
        )

    def deliveries(self, now: float) -> list[Delivery]:
        """What is to be sent by now, in the order in which it happened."""
        rows = self._db.execute(
            "SELECT seq, event, attempts, first_at FROM deliveries"
            " WHERE next_at <= ? ORDER BY seq LIMIT 200",
            (now,),
        )
        return [Delivery(*row) for row in rows]

    def retry(self, seq: int, at: float) -> None:
        self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE seq = ?",
            (at, seq),
        )

    def delivered(self, seq: int) -> None:
        """Also for those given up: nothing is left to send."""
        self._db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))

    def undelivered(self) -> int:
        return self._count("SELECT count(*) FROM deliveries")

    # Answers under idempotency keys, in real time

    def answer(self, key: str) -> Answer | None:
        row = self._db.execute(
            "SELECT request, status, body FROM answers WHERE key = ?", (key,)
        ).fetchone()
        return Answer(*row) if row else None

    def save_answer(self, key: str, answer: Answer, now: float) -> None:
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?)",
            (key, answer.request, answer.status, answer.body, now),
        )

    def forget_answers(self, before: float) -> None:
        self._db.execute("DELETE FROM answers WHERE at < ?", (before,))

    def _count(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])
