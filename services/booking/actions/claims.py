"""Rows whose vendor or host is to be asked, each in the hands of one worker at a time.

Delays of calls are real time: they must not follow a product clock that is moved.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.models import BusyCalendar, Room
from shared.db import Sessions

CLAIM = timedelta(seconds=60)
"""Longer than any call here takes; after that a crashed worker's row is free again."""

BATCH = 10

Row = TypeVar("Row", Room, BusyCalendar)


def soon() -> datetime:
    """Real time, at once."""
    return datetime.now(UTC)


async def work_off(
    sessions: Sessions, kind: type[Row], do: Callable[[Row], Awaitable[None]]
) -> int:
    """Do what is due, together, outside a transaction; return how much that was.

    One that raises does not keep the others from being done.
    """
    claimed = await _claim_due(sessions, kind)
    outcomes = await asyncio.gather(*map(do, claimed), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(claimed)


async def claim(session: AsyncSession, kind: type[Row], key: UUID) -> Row | None:
    """The row, now ours for a while, though not due yet; None if somebody is at it."""
    query = (
        select(kind)
        .where(col(kind.id) == key, col(kind.due_at).is_not(None), _free(kind))
        .with_for_update(skip_locked=True)
    )
    row = (await session.exec(query)).one_or_none()
    if row is not None:
        _take(row)
    return row


async def still_ours(session: AsyncSession, row: Row) -> Row | None:
    """The row, locked, unless it was claimed anew or is gone meanwhile."""
    query = (
        select(type(row))
        .where(col(type(row).id) == row.id, col(type(row).attempt) == row.attempt)
        .with_for_update()
    )
    return (await session.exec(query)).one_or_none()


async def _claim_due(sessions: Sessions, kind: type[Row]) -> Sequence[Row]:
    query = (
        select(kind)
        .where(col(kind.due_at) <= soon(), _free(kind))
        .order_by(col(kind.due_at))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    async with sessions.begin() as session:
        due = (await session.exec(query)).all()
        for row in due:
            _take(row)
    return due


def _take(row: Room | BusyCalendar) -> None:
    row.attempt += 1
    row.claimed_until = soon() + CLAIM


def _free(kind: type[Room] | type[BusyCalendar]) -> ColumnElement[bool]:
    return or_(col(kind.claimed_until).is_(None), col(kind.claimed_until) <= soon())
