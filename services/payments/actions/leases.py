"""Calls to Stripe that are due, each in the hands of one worker at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlmodel import col, select

from services.payments.models import Payment, Refund
from shared.db import Sessions

LEASE = timedelta(seconds=60)
"""Longer than a call can take; after that a crashed worker's row is due again."""

RETRY = timedelta(seconds=2)
"""Before a call whose outcome is not known is repeated."""

BATCH = 20

Due = TypeVar("Due", Payment, Refund)


def soon() -> datetime:
    """Real time, at once: delays of calls do not follow product time."""
    return datetime.now(UTC)


async def work_off(
    sessions: Sessions, kind: type[Due], do: Callable[[Due], Awaitable[None]]
) -> int:
    """Do what is due, together, outside a transaction; return how much that was.

    `do` must note a new `due_at`; what it did not is due again after the lease. One
    that raises does not keep the others from being done.
    """
    due = await _lease(sessions, kind)
    outcomes = await asyncio.gather(*map(do, due), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(due)


async def _lease(sessions: Sessions, kind: type[Due]) -> Sequence[Due]:
    async with sessions.begin() as session:
        query = (
            select(kind)
            .where(col(kind.due_at) <= soon())
            .order_by(col(kind.due_at))
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        due = (await session.exec(query)).all()
        for each in due:
            each.due_at = soon() + LEASE
    return due
