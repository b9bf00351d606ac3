"""Who is calling: access tokens of accounts, verified offline.

Real time throughout: a token must not run out because product time was moved.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, GuestProtocol

from shared.errors import Forbidden, Outage, Unauthorized, Unavailable

ISSUER = "scrimline"
AUDIENCE = "scrimline"
# A key can be guessed at by anyone: so many unknown ones ask accounts only this often.
REFRESH_PAUSE = 5.0
# A key that accounts has withdrawn is believed no longer than this.
KEYS_LIVE = 600.0
CACHED_TOKENS = 10_000

FetchJwks = Callable[[], Awaitable[Mapping[str, Any]]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in user. `roles` holds "student", "coach" and "admin"."""

    id: UUID
    roles: frozenset[str]


class Verifier:
    """Verifies access tokens against the keys that `fetch` returns (RFC 7517).

    Keys are read when first needed, for a token of an unknown key and every ten
    minutes; callers who wait meanwhile share one fetch. While accounts is down the
    keys already known go on working.
    """

    def __init__(self, fetch: FetchJwks) -> None:
        self._fetch = fetch
        self._keys: dict[str, ECKey] = {}
        self._refreshing = asyncio.Lock()
        self._asked = self._read = float("-inf")
        self._cache: dict[str, tuple[Caller, float]] = {}
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Caller:
        """The user the token speaks for.

        Raises Unauthorized for any token that accounts did not sign for us or that has
        run out, Unavailable when there are no keys to tell.
        """
        if known := self._remembered(token):
            return known
        if time.monotonic() - self._read > KEYS_LIVE:
            await self._refresh()
        try:
            return self._check(token)
        except InvalidKeyIdError:
            await self._refresh()
        try:
            return self._check(token)
        except InvalidKeyIdError as error:
            if not self._keys:
                raise Unavailable(
                    "Sign-in cannot be checked at the moment.", retry_after=5
                ) from error
            raise Unauthorized("The access token is not valid.") from error

    def _remembered(self, token: str) -> Caller | None:
        entry = self._cache.get(token)
        if entry is None:
            return None
        caller, expires = entry
        if expires > time.time():
            return caller
        del self._cache[token]
        return None

    def _check(self, token: str) -> Caller:
        try:
            claims = jwt.decode(token, self._key, algorithms=["ES256"]).claims
            self._claims.validate(claims)
            caller = Caller(UUID(claims["sub"]), _roles(claims.get("roles")))
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthorized("The access token is not valid.") from error
        if len(self._cache) >= CACHED_TOKENS:
            self._cache.pop(next(iter(self._cache)))
        self._cache[token] = (caller, claims["exp"])
        return caller

    def _key(self, token: GuestProtocol) -> ECKey:
        kid = token.headers().get("kid")
        if kid not in self._keys:
            raise InvalidKeyIdError
        return self._keys[kid]

    async def _refresh(self) -> None:
        async with self._refreshing:
            if time.monotonic() - self._asked < REFRESH_PAUSE:
                return
            try:
                keys = _usable(await self._fetch())
            except Exception as error:  # whatever it is, the known keys still serve
                log.warning("keys_not_refreshed", error=repr(error))
                self._asked = time.monotonic()
                return
            if keys.keys() != self._keys.keys():
                self._cache.clear()
            self._keys = keys
            self._asked = self._read = time.monotonic()


def _roles(claim: object) -> frozenset[str]:
    if not isinstance(claim, list) or not all(isinstance(role, str) for role in claim):
        raise ValueError("roles must be a list of strings")
    return frozenset(claim)


def _usable(document: Mapping[str, Any]) -> dict[str, ECKey]:
    """The keys of the document that can sign with ES256; others are passed over."""
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise TypeError("a JWKS document has a list of keys")
    return {
        key["kid"]: ECKey.import_key(key)
        for key in keys
        if key.get("kty") == "EC" and key.get("crv") == "P-256" and "kid" in key
    }


def fetch_jwks(url: str) -> FetchJwks:
    """Reads the document over HTTP, within two seconds; raises Outage if it cannot."""

    async def fetch() -> Mapping[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=2) as client:
                response = (await client.get(url)).raise_for_status()
        except httpx2.HTTPError as error:
            raise Outage(f"{url} does not answer") from error
        document: Mapping[str, Any] = response.json()
        return document

    return fetch


Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, bearerFormat="JWT")),
]


async def maybe_signed_in(request: Request, credentials: Credentials) -> Caller | None:
    """None without a bearer; a bearer that is not valid is refused all the same."""
    if credentials is None:
        return None
    verifier: Verifier = request.app.state.verifier
    return await verifier.verify(credentials.credentials)


MaybeSignedIn = Annotated[Caller | None, Depends(maybe_signed_in)]


async def signed_in(caller: MaybeSignedIn) -> Caller:
    """Raises Unauthorized for nobody."""
    if caller is None:
        raise Unauthorized("Send an access token as a bearer.")
    return caller


SignedIn = Annotated[Caller, Depends(signed_in)]


def require(
    role: Literal["student", "coach", "admin"],
) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the caller, who has this role. It raises Forbidden otherwise."""

    async def with_role(caller: SignedIn) -> Caller:
        if role not in caller.roles:
            raise Forbidden(f"Only for the role {role}.")
        return caller

    return with_role


Student = Annotated[Caller, Depends(require("student"))]
Coach = Annotated[Caller, Depends(require("coach"))]
Admin = Annotated[Caller, Depends(require("admin"))]
