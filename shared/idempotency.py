"""`Idempotency-Key`: a POST that is sent twice acts once and answers the same.

The answer is kept in the transaction of the effect, for 24 hours: there is no effect
without the answer and no answer without the effect. A refusal changes nothing and is
not kept. The key and the body are stored as digests only (a body may hold a password);
the body's is keyed by the raw key, which is not stored.
"""

import hashlib
import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import (
    Column,
    DateTime,
    LargeBinary,
    String,
    Table,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.auth import Caller
from shared.db import MECHANISMS
from shared.errors import InvalidRequest

KEPT = timedelta(hours=24)
LONGEST_KEY = 255

ANSWERS = Table(
    "idempotent_answers",
    MECHANISMS,
    Column("key", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
    Column("answer", JSONB(none_as_null=True)),
    Column("body", String),
)


class IdempotencyMismatch(InvalidRequest):
    slug = "idempotency-mismatch"
    title = "This Idempotency-Key was used for another request"


class Replay(Exception):  # noqa: N818 - not an error: the answer given before
    """The request was carried out before; `response` is what it was answered."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(frozen=True)
class Claim:
    """This request's right to act under its key, in its own transaction."""

    session: AsyncSession
    key: bytes

    async def keep(self, response: Response) -> None:
        """Store a success, to be committed or rolled back with the effect."""
        if response.status_code >= 300:
            return
        headers = {
            name: value
            for name, value in response.headers.items()
            if name in ("content-type", "location", "etag")
        }
        await self.session.exec(
            update(ANSWERS)
            .where(ANSWERS.c.key == self.key)
            .values(
                answer={"status": response.status_code, "headers": headers},
                body=bytes(response.body).decode(),
            )
        )


async def claim(
    session: AsyncSession, request: Request, caller: Caller | None
) -> Claim | None:
    """Claim the request's key, if it has one, for this transaction.

    While another request with the same key is under way, this waits for its commit.
    Raises Replay if it was answered before, IdempotencyMismatch if the key came with
    another body. A key whose answer was never kept acts again: a route that commits in
    steps claims its key so, keeps no answer, and is idempotent by itself.
    """
    if (raw := _raw_key(request)) is None:
        return None
    owner = caller.id if caller else "anonymous"
    scope = f"{owner}\n{request.url.path}\n{raw}"
    key = hashlib.sha256(scope.encode()).digest()
    fingerprint = hmac.digest(raw.encode(), await request.body(), "sha256")
    now = datetime.now(UTC)
    claimed = await session.exec(
        insert(ANSWERS)
        .values(key=key, fingerprint=fingerprint, created_at=now)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "fingerprint": fingerprint,
                "created_at": now,
                "answer": None,
                "body": None,
            },
            where=ANSWERS.c.created_at < now - KEPT,
        )
        .returning(ANSWERS.c.key)
    )
    if claimed.first() is None:
        await _replay(session, key, fingerprint)
    return Claim(session, key)


def _raw_key(request: Request) -> str | None:
    raw = request.headers.get("Idempotency-Key")
    if raw is None or request.method != "POST":
        return None
    if not raw or len(raw) > LONGEST_KEY:
        message = f"must have 1 to {LONGEST_KEY} characters"
        raise InvalidRequest(
            "The Idempotency-Key cannot be used.",
            errors=[{"field": "header.Idempotency-Key", "message": message}],
        )
    return raw


async def _replay(session: AsyncSession, key: bytes, fingerprint: bytes) -> None:
    query = select(ANSWERS).where(ANSWERS.c.key == key)
    row = (await session.exec(query)).one()  # type: ignore[call-overload]
    if not hmac.compare_digest(row.fingerprint, fingerprint):
        raise IdempotencyMismatch(
            "Send a new key with a new request.",
            errors=[{"field": "header.Idempotency-Key", "message": "was used before"}],
        )
    if row.answer is not None:
        headers = {**row.answer["headers"], "Idempotent-Replayed": "true"}
        raise Replay(Response(row.body, row.answer["status"], headers))


class IdempotentRoute(APIRoute):
    """Keeps the route's answer while its transaction is still open."""

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            response = await handle(request)
            claimed: Claim | None = getattr(request.state, "idempotent", None)
            if claimed is not None:
                await claimed.keep(response)
            return response

        return answer


def make_router(**options: Any) -> APIRouter:
    """The router of a service's `api.py`: its POSTs honour `Idempotency-Key`."""
    return APIRouter(route_class=IdempotentRoute, **options)


async def forget_old(session: AsyncSession) -> None:
    """Delete the answers that are older than a day."""
    old = ANSWERS.c.created_at < datetime.now(UTC) - KEPT
    await session.exec(delete(ANSWERS).where(old))
