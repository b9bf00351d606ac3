"""Signing in and staying signed in: refresh tokens, rotated, in families."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts import clients
from services.accounts.clients import Signer
from services.accounts.domain import (
    REFRESH_TOKEN_LIVES,
    Rotation,
    rotation,
)
from services.accounts.models import RefreshToken, User
from services.accounts.schemas import Tokens
from shared.ids import new_id


async def issue_tokens(
    session: AsyncSession,
    signer: Signer,
    user: User,
    now: datetime,
    family: UUID | None = None,
) -> Tokens:
    """An access token and a refresh token, of a new family unless one is given."""
    refresh, digest = clients.new_secret()
    session.add(
        RefreshToken(
            digest=digest,
            family=family or new_id(),
            user_id=user.id,
            expires_at=now + REFRESH_TOKEN_LIVES,
        )
    )
    await session.flush()
    return Tokens(
        access_token=signer.access_token(user.id, user.roles, now),
        refresh_token=refresh,
    )


async def present(
    session: AsyncSession, refresh: str, now: datetime
) -> tuple[Rotation, RefreshToken | None]:
    """Use a refresh token, its owner locked; a thief's closes its family.

    Within the grace, parallel tabs that present the same token all rotate.
    """
    await _lock_owner(session, refresh)
    query = select(RefreshToken).where(
        col(RefreshToken.digest) == clients.digest(refresh)
    )
    token = (await session.exec(query)).first()
    if token is None:
        return Rotation.INVALID, None
    verdict = rotation(token.used_at, token.revoked_at, token.expires_at, now)
    if verdict is Rotation.REUSED:
        await revoke_family(session, token.family, now)
    elif verdict is Rotation.ROTATE:
        token.used_at = token.used_at or now
    return verdict, token


async def sign_out(session: AsyncSession, refresh: str, now: datetime) -> None:
    """Close the token's family; an unknown token is nobody's, and nothing happens."""
    await _lock_owner(session, refresh)
    query = select(RefreshToken.family).where(
        col(RefreshToken.digest) == clients.digest(refresh)
    )
    family = (await session.exec(query)).first()
    if family is not None:
        await revoke_family(session, family, now)


async def _lock_owner(session: AsyncSession, refresh: str) -> None:
    """Who closes a session waits for who renews it: no new token slips past."""
    query = (
        select(User.id)
        .join(RefreshToken, col(RefreshToken.user_id) == col(User.id))
        .where(col(RefreshToken.digest) == clients.digest(refresh))
        .with_for_update(of=User)
    )
    await session.exec(query)


async def revoke_family(session: AsyncSession, family: UUID, now: datetime) -> None:
    await session.exec(
        update(RefreshToken)
        .where(
            col(RefreshToken.family) == family, col(RefreshToken.revoked_at).is_(None)
        )
        .values(revoked_at=now)
    )


async def revoke_all(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """Sign the user out everywhere."""
    await session.exec(
        update(RefreshToken)
        .where(
            col(RefreshToken.user_id) == user_id, col(RefreshToken.revoked_at).is_(None)
        )
        .values(revoked_at=now)
    )
