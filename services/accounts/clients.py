"""What accounts takes from cryptography: password hashes and signed tokens."""

import asyncio
import hashlib
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from services.accounts.domain import ACCESS_TOKEN_LIVES
from shared.auth import AUDIENCE, ISSUER
from shared.ids import new_id

AT_ONCE = 2
"""Hashes made at the same time: each takes a core and `memory_kib` of memory."""


class Passwords:
    """Argon2id in a thread, so that the loop goes on meanwhile."""

    def __init__(self, memory_kib: int, passes: int) -> None:
        hasher = Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._hash = PasswordHash((hasher,))
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._nobodys = self._hash.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hash.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """False for a wrong password; as slow, and False, if there is no user."""
        async with self._turns:
            matches = await asyncio.to_thread(
                self._hash.verify, password, stored or self._nobodys
            )
        return matches and stored is not None


class Signer:
    """Signs access tokens (RFC 7519, ES256) with the first of its keys."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self._keys = [ECKey.import_key(key) for key in keys]

    def access_token(self, user_id: UUID, roles: list[str], now: datetime) -> str:
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "roles": roles,
            "iat": issued,
            "exp": issued + int(ACCESS_TOKEN_LIVES.total_seconds()),
            "jti": str(new_id()),
        }
        key = self._keys[0]
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517), the retiring ones too."""
        keys = [key.as_dict(private=False) for key in self._keys]
        return {"keys": [{**key, "use": "sig", "alg": "ES256"} for key in keys]}


def new_signing_key() -> dict[str, Any]:
    """A private JWK with an id of its own."""
    key = ECKey.generate_key("P-256", {"kid": str(new_id())})
    return dict(key.as_dict(private=True))


def new_secret() -> tuple[str, bytes]:
    """A token of 256 random bits, and the digest of it that may be stored."""
    token = secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
