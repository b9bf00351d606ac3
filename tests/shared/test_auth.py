import asyncio
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from shared import auth
from shared.auth import Coach, MaybeSignedIn, SignedIn, Verifier
from shared.errors import Outage, Problem, Unauthorized, Unavailable


class Accounts:
    """Signs tokens and publishes its keys; counts how often it is asked for them."""

    def __init__(self) -> None:
        self.keys: dict[str, ECKey] = {}
        self.asked = 0
        self.down = False
        self.add_key("first")

    def add_key(self, kid: str) -> None:
        self.keys[kid] = ECKey.generate_key("P-256", {"kid": kid})

    async def jwks(self) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.down:
            raise Outage("accounts is down")
        return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}

    def token(self, kid: str = "first", **claims: Any) -> str:
        now = int(time.time())
        default = {
            "iss": "scrimline",
            "aud": "scrimline",
            "sub": str(uuid4()),
            "roles": ["student"],
            "iat": now,
            "exp": now + 900,
            "jti": str(uuid4()),
        }
        merged = {k: v for k, v in {**default, **claims}.items() if v is not None}
        return jwt.encode({"alg": "ES256", "kid": kid}, merged, self.keys[kid])


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def verifier(accounts: Accounts) -> Verifier:
    return Verifier(accounts.jwks)


async def test_a_token_of_accounts_names_the_caller(
    accounts: Accounts, verifier: Verifier
) -> None:
    user = uuid4()

    caller = await verifier.verify(
        accounts.token(sub=str(user), roles=["coach", "student"])
    )

    assert caller.id == user
    assert caller.roles == {"coach", "student"}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "elsewhere"},
        {"iss": None},
        {"aud": "elsewhere"},
        {"aud": None},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"sub": "not-a-uuid"},
        {"sub": None},
        {"roles": "admin"},
        {"roles": [1]},
        {"roles": None},
        {"nbf": int(time.time()) + 86_400},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    accounts: Accounts, verifier: Verifier, claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthorized):
        await verifier.verify(accounts.token(**claims))


async def test_a_token_signed_by_somebody_else_is_refused(verifier: Verifier) -> None:
    with pytest.raises(Unauthorized):
        await verifier.verify(Accounts().token())


async def test_an_altered_token_is_refused(
    accounts: Accounts, verifier: Verifier
) -> None:
    header, _, signature = accounts.token().split(".")
    _, payload, _ = accounts.token(roles=["admin"]).split(".")

    with pytest.raises(Unauthorized):
        await verifier.verify(f"{header}.{payload}.{signature}")


async def test_a_token_without_a_signature_is_refused(
    accounts: Accounts, verifier: Verifier
) -> None:
    _, payload, _ = accounts.token().split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ"  # {"alg":"none","kid":"first"}

    with pytest.raises(Unauthorized):
        await verifier.verify(f"{none}.{payload}.")


async def test_the_public_key_used_as_a_shared_secret_is_refused(
    accounts: Accounts, verifier: Verifier
) -> None:
    def encode(part: bytes) -> bytes:
        return urlsafe_b64encode(part).rstrip(b"=")

    await verifier.verify(accounts.token())
    _, payload, _ = accounts.token(roles=["admin"]).encode().split(b".")
    signed = encode(b'{"alg":"HS256","kid":"first"}') + b"." + payload
    public = accounts.keys["first"].as_pem(private=False)
    forged = signed + b"." + encode(hmac.digest(public, signed, "sha256"))

    with pytest.raises(Unauthorized):
        await verifier.verify(forged.decode())


@given(st.text(max_size=200) | st.from_regex(r"[\w-]+\.[\w-]*\.[\w-]*", fullmatch=True))
def test_garbage_is_refused_and_never_fails_otherwise(garbage: str) -> None:
    with pytest.raises((Unauthorized, Unavailable)):
        asyncio.run(Verifier(Accounts().jwks).verify(garbage))


async def test_callers_who_arrive_together_share_one_fetch(
    accounts: Accounts, verifier: Verifier
) -> None:
    await asyncio.gather(*[verifier.verify(accounts.token()) for _ in range(20)])

    assert accounts.asked == 1


async def test_a_rotated_key_is_learnt_from_its_first_token(
    accounts: Accounts, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REFRESH_PAUSE", 0)
    await verifier.verify(accounts.token())
    accounts.add_key("second")

    caller = await verifier.verify(accounts.token("second"))

    assert caller.roles == {"student"}
    assert accounts.asked == 2


async def test_tokens_of_unknown_keys_do_not_hammer_accounts(
    accounts: Accounts, verifier: Verifier
) -> None:
    await verifier.verify(accounts.token())
    stranger = Accounts()
    for number in range(50):
        stranger.add_key(f"guess-{number}")
        with pytest.raises(Unauthorized):
            await verifier.verify(stranger.token(f"guess-{number}"))

    assert accounts.asked == 1


async def test_known_keys_go_on_working_while_accounts_is_down(
    accounts: Accounts, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(accounts.token())
    accounts.down = True
    monkeypatch.setattr(auth, "REFRESH_PAUSE", 0)
    monkeypatch.setattr(auth, "KEYS_LIVE", -1)

    caller = await verifier.verify(accounts.token())

    assert caller.roles == {"student"}
    assert accounts.asked == 2


async def test_without_any_key_the_answer_is_unavailable_not_unauthorized(
    accounts: Accounts, verifier: Verifier
) -> None:
    accounts.down = True

    with pytest.raises(Unavailable) as refusal:
        await verifier.verify(accounts.token())

    assert refusal.value.retry_after == 5


async def test_a_withdrawn_key_is_no_longer_believed_not_even_from_the_cache(
    accounts: Accounts, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = accounts.token()
    await verifier.verify(stolen)
    monkeypatch.setattr(auth, "REFRESH_PAUSE", 0)
    del accounts.keys["first"]
    accounts.add_key("second")
    await verifier.verify(accounts.token("second"))

    with pytest.raises(Unauthorized):
        await verifier.verify(stolen)


async def test_a_verified_token_is_remembered_until_it_expires(
    accounts: Accounts, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = int(time.time()) + 900
    token = accounts.token(exp=expires)
    first = await verifier.verify(token)

    assert await verifier.verify(token) is first
    monkeypatch.setattr(time, "time", lambda: expires + 0.1)
    with pytest.raises(Unauthorized):
        await verifier.verify(token)


async def test_no_more_tokens_are_remembered_than_allowed(
    accounts: Accounts, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "CACHED_TOKENS", 3)
    tokens = [accounts.token() for _ in range(5)]
    callers = [await verifier.verify(token) for token in tokens]

    assert await verifier.verify(tokens[-1]) is callers[-1]
    assert await verifier.verify(tokens[0]) is not callers[0]


async def test_keys_of_other_kinds_in_the_document_are_passed_over(
    accounts: Accounts,
) -> None:
    async def jwks() -> Mapping[str, Any]:
        document = await accounts.jwks()
        other = ECKey.generate_key("P-384", {"kid": "other"}).as_dict(private=False)
        return {"keys": [{"kty": "OKP", "kid": "x"}, other, *document["keys"]]}

    caller = await Verifier(jwks).verify(accounts.token())

    assert caller.roles == {"student"}


@pytest.fixture
async def client(accounts: Accounts) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.state.verifier = Verifier(accounts.jwks)

    @app.get("/me")
    async def me(caller: SignedIn) -> str:
        return str(caller.id)

    @app.get("/maybe")
    async def maybe(caller: MaybeSignedIn) -> str:
        return str(caller.id) if caller else "nobody"

    @app.get("/coach")
    async def coach(caller: Coach) -> str:
        return str(caller.id)

    @app.exception_handler(Problem)
    async def answer(request: Request, problem: Problem) -> JSONResponse:
        return JSONResponse(problem.body(request.url.path), problem.status)

    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


async def test_a_route_for_the_signed_in_refuses_nobody(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    user = uuid4()
    bearer = {"Authorization": f"Bearer {accounts.token(sub=str(user))}"}

    assert (await client.get("/me")).status_code == 401
    assert (await client.get("/me", headers=bearer)).json() == str(user)


async def test_an_open_route_knows_who_asks_and_refuses_a_bad_bearer(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    user = uuid4()
    good = {"Authorization": f"bearer {accounts.token(sub=str(user))}"}
    bad = {"Authorization": "Bearer garbage"}

    assert (await client.get("/maybe")).json() == "nobody"
    assert (await client.get("/maybe", headers=good)).json() == str(user)
    assert (await client.get("/maybe", headers=bad)).status_code == 401


async def test_a_route_for_coaches_refuses_a_student(
    client: httpx2.AsyncClient, accounts: Accounts
) -> None:
    student = {"Authorization": f"Bearer {accounts.token(roles=['student'])}"}
    coach = {"Authorization": f"Bearer {accounts.token(roles=['coach'])}"}

    assert (await client.get("/coach")).status_code == 401
    assert (await client.get("/coach", headers=student)).status_code == 403
    assert (await client.get("/coach", headers=coach)).status_code == 200


async def test_the_document_says_that_a_route_takes_a_bearer(
    client: httpx2.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()

    assert document["paths"]["/me"]["get"]["security"] == [{"HTTPBearer": []}]


async def test_an_unreachable_jwks_address_is_an_outage() -> None:
    with pytest.raises(Outage):
        await auth.fetch_jwks("http://127.0.0.1:1/.well-known/jwks.json")()
