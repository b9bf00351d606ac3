"""Tokens that travel by mail: to verify an address, to set a new password."""

from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import and_, col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts import clients
from services.accounts.domain import (
    RESET_LIVES,
    VERIFICATION_LIVES,
    BadToken,
    Purpose,
)
from services.accounts.models import MailedToken, User
from shared import outbox
from shared.contracts.accounts import (
    EmailVerificationRequestedV1,
    PasswordResetRequestedV1,
)

KINDS = {
    Purpose.VERIFY_EMAIL: (EmailVerificationRequestedV1, VERIFICATION_LIVES),
    Purpose.RESET_PASSWORD: (PasswordResetRequestedV1, RESET_LIVES),
}


async def send(
    session: AsyncSession,
    user: User,
    purpose: Purpose,
    real_now: datetime,
    now: datetime,
) -> None:
    """Have a new token mailed to the user; earlier ones stay good until they run out.

    The token lives on real time, the event bears product time.
    """
    kind, lives = KINDS[purpose]
    token, digest = clients.new_secret()
    expires_at = real_now + lives
    session.add(
        MailedToken(
            digest=digest, purpose=purpose, user_id=user.id, expires_at=expires_at
        )
    )
    await session.flush()
    event = kind(
        occurred_at=now,
        user_id=user.id,
        email=user.email,
        token=token,
        expires_at=expires_at,
    )
    await outbox.publish(session, event)


async def use(
    session: AsyncSession, token: str, purpose: Purpose, real_now: datetime
) -> User:
    """Spend the token and all others of its purpose; the user it was mailed to, locked.

    Raises BadToken if it is unknown, of another purpose, spent or too old. Of two who
    use it at once, one succeeds. The user is locked first, then tokens.
    """
    query = (
        select(User)
        .join(MailedToken, col(MailedToken.user_id) == col(User.id))
        .where(_names(token, purpose))
        .with_for_update(of=User)
    )
    user = (await session.exec(query)).first()
    if user is None:
        raise BadToken
    spend = (
        update(MailedToken)
        .where(
            _names(token, purpose),
            col(MailedToken.used_at).is_(None),
            col(MailedToken.expires_at) > real_now,
        )
        .values(used_at=real_now)
        .returning(col(MailedToken.user_id))
    )
    if (await session.exec(spend)).first() is None:
        raise BadToken
    others = update(MailedToken).where(
        col(MailedToken.user_id) == user.id,
        col(MailedToken.purpose) == purpose,
        col(MailedToken.used_at).is_(None),
    )
    await session.exec(others.values(used_at=real_now))
    return user


async def require_known(session: AsyncSession, token: str, purpose: Purpose) -> None:
    """Raise BadToken for a token that nobody was ever mailed, at the cost of a look."""
    query = select(MailedToken.digest).where(_names(token, purpose))
    if (await session.exec(query)).first() is None:
        raise BadToken


def _names(token: str, purpose: Purpose) -> ColumnElement[bool]:
    return and_(
        col(MailedToken.digest) == clients.digest(token),
        col(MailedToken.purpose) == purpose,
    )
