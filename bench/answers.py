"""A service that does nothing, and the tokens that everybody here believes.

uvicorn serves `app` in a process of its own: the keys that `bearer` signs with where
accounts publishes its own, the same 200 bytes of JSON everywhere else.
"""

import json
import os
import time
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.types import Receive, Scope, Send

from shared.auth import AUDIENCE, ISSUER

KEYS = "/.well-known/jwks.json"
VARIABLE = "BENCH_JWKS"
BODY = json.dumps({"x": "y" * 190}).encode()
LIFETIME = 3600
KEY = ECKey.generate_key("P-256", {"kid": "bench"})


async def app(scope: Scope, _: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body = os.environ[VARIABLE].encode() if scope["path"] == KEYS else BODY
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def environment() -> dict[str, str]:
    """What the process of `app` needs."""
    return {VARIABLE: json.dumps({"keys": [KEY.as_dict(private=False)]})}


def bearer(user_id: UUID, role: str) -> dict[str, str]:
    """The header of a signed-in user, good for an hour."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "roles": [role],
        "exp": int(time.time()) + LIFETIME,
    }
    token = jwt.encode({"alg": "ES256", "kid": "bench"}, claims, KEY)
    return {"Authorization": f"Bearer {token}"}
