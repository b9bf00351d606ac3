"""What accounts says: who there is, and what they asked us to mail them."""

from typing import ClassVar
from uuid import UUID

from shared.contracts import Event, Instant


class UserRegisteredV1(Event):
    """Somebody joined. `version` rises with every later change of the same user."""

    name: ClassVar[str] = "accounts.user_registered.v1"

    user_id: UUID
    version: int
    email: str
    email_verified: bool
    display_name: str
    timezone: str
    locale: str
    roles: list[str]
    suspended: bool


class UserChangedV1(UserRegisteredV1):
    """A user's data changed. Carries the whole state; an older `version` is ignored."""

    name: ClassVar[str] = "accounts.user_changed.v1"


class EmailVerificationRequestedV1(Event):
    """Mail this token to its owner. It is a secret: stored by nobody but the mailer."""

    name: ClassVar[str] = "accounts.email_verification_requested.v1"

    user_id: UUID
    email: str
    token: str
    expires_at: Instant


class PasswordResetRequestedV1(Event):
    """Mail this token to its owner. It is a secret: stored by nobody but the mailer."""

    name: ClassVar[str] = "accounts.password_reset_requested.v1"

    user_id: UUID
    email: str
    token: str
    expires_at: Instant
