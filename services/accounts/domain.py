"""The rules of accounts. Nothing here waits, reads a clock or knows a database.

Everything about tokens and throttling lives on real time, not product time.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address

from shared.errors import Conflict, Forbidden, InvalidRequest, TooManyRequests
from shared.errors import Unauthorized as NotSignedIn

ACCESS_TOKEN_LIVES = timedelta(minutes=15)
REFRESH_TOKEN_LIVES = timedelta(days=30)
ROTATION_GRACE = timedelta(seconds=10)
"""Two tabs may use one refresh token at the same moment."""

VERIFICATION_LIVES = timedelta(hours=24)
RESET_LIVES = timedelta(hours=1)

THROTTLE_WINDOW = timedelta(minutes=15)
FAILURES_PER_EMAIL = 5
RESETS_PER_EMAIL = 3


class Role(StrEnum):
    STUDENT = "student"
    COACH = "coach"
    ADMIN = "admin"


class Purpose(StrEnum):
    """What a token that was mailed can do, once."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a name


class EmailTaken(Conflict):
    slug = "email-taken"
    title = "There is an account with this e-mail address"


class BadCredentials(NotSignedIn):
    slug = "bad-credentials"
    title = "E-mail address or password is wrong"


class BadRefreshToken(NotSignedIn):
    slug = "bad-refresh-token"
    title = "Sign in again"


class TokenReused(NotSignedIn):
    slug = "token-reused"
    title = "This token was used before; the session is closed"


class Suspended(Forbidden):
    slug = "suspended"
    title = "The account is suspended"


class BadToken(InvalidRequest):
    slug = "bad-token"
    title = "The link is not valid any more"

    def __init__(self) -> None:
        message = "is unknown, spent or too old"
        errors = [{"field": "body.token", "message": message}]
        super().__init__("Ask for a new mail.", errors=errors)


class TooManyAttempts(TooManyRequests):
    """Too often in a quarter of an hour; `retry_after` is when the next one may be."""


def place(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 an IPv6 customer has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return str(IPv6Network((ip.packed, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def refuse_if_over(limit: int, attempts: list[datetime], now: datetime) -> None:
    """Raise TooManyAttempts if `limit` attempts lie within the window before `now`."""
    recent = sorted(at for at in attempts if now - at < THROTTLE_WINDOW)
    if len(recent) < limit:
        return
    free_at = recent[-limit] + THROTTLE_WINDOW
    seconds = max(1, int((free_at - now).total_seconds()) + 1)
    raise TooManyAttempts("Wait before you try again.", retry_after=seconds)


class Rotation(StrEnum):
    """What becomes of a refresh token that is presented."""

    ROTATE = "rotate"
    REUSED = "reused"
    INVALID = "invalid"


def rotation(
    used_at: datetime | None,
    revoked_at: datetime | None,
    expires_at: datetime,
    now: datetime,
) -> Rotation:
    """A used token rotates within the grace, and betrays a thief after it."""
    if revoked_at is not None or expires_at <= now:
        return Rotation.INVALID
    if used_at is None or now - used_at <= ROTATION_GRACE:
        return Rotation.ROTATE
    return Rotation.REUSED
