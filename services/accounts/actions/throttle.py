"""How often something may be tried; counted in the database that all replicas share."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts.domain import THROTTLE_WINDOW, refuse_if_over
from services.accounts.models import Attempt, MailedToken, RefreshToken

KEPT = timedelta(days=1)


def subject(kind: str, who: str) -> bytes:
    """Who tried what, as a digest: addresses are not kept."""
    return hashlib.sha256(f"{kind}\n{who.casefold()}".encode()).digest()


async def check(
    session: AsyncSession, subject: bytes, limit: int, now: datetime
) -> None:
    """Raise TooManyAttempts if the subject has reached its limit.

    Attempts of one subject are counted one after the other (an advisory lock until the
    transaction ends), so that parallel ones cannot all slip through.
    """
    key = int.from_bytes(subject[:8], signed=True)
    await session.exec(select(func.pg_advisory_xact_lock(key)))
    query = select(Attempt.at).where(
        col(Attempt.subject) == subject, col(Attempt.at) > now - THROTTLE_WINDOW
    )
    refuse_if_over(limit, list((await session.exec(query)).all()), now)


async def note(session: AsyncSession, subject: bytes, now: datetime) -> UUID:
    """Count an attempt; its id, to take it back with."""
    attempt = Attempt(subject=subject, at=now)
    session.add(attempt)
    await session.flush()
    return attempt.id


async def take_back(session: AsyncSession, attempt: UUID) -> None:
    await session.exec(delete(Attempt).where(col(Attempt.id) == attempt))


async def forgive(session: AsyncSession, subject: bytes) -> None:
    """Forget the subject's attempts."""
    await session.exec(delete(Attempt).where(col(Attempt.subject) == subject))


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Delete attempts and tokens that mean nothing any more."""
    await session.exec(delete(Attempt).where(col(Attempt.at) < now - KEPT))
    for kind in (RefreshToken, MailedToken):
        await session.exec(delete(kind).where(col(kind.expires_at) < now - KEPT))
