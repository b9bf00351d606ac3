"""A person at the gateway, and what the demonstration says meanwhile."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx2

from shared.ids import new_id

Json = dict[str, Any]

PATIENCE = 60.0
GLANCE = 0.05
PAUSE = 0.25
DOWN = (502, 503, 504)


class Unexpected(Exception):  # noqa: N818 - it is what the demonstration ends with
    """The system did something else than the demonstration promised."""


def say(text: str = "") -> None:
    print(text, flush=True)  # noqa: T201 - this is what it is for


def fail(what: str) -> NoReturn:
    raise Unexpected(what)


@dataclass
class Person:
    """Somebody with an account, signed in at the gateway."""

    http: httpx2.AsyncClient
    email: str
    id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, password: str) -> None:
        body = {"email": self.email, "password": password}
        tokens = await call(self.http, "POST", "/v1/auth/login", json=body)
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.id = (await self.get("/v1/me"))["id"]

    async def get(self, path: str, **params: Any) -> Json:
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Json, expect: int = 0) -> Json:
        return await self._call("POST", path, expect, json=body)

    async def put(self, path: str, body: Json) -> Json:
        return await self._call("PUT", path, json=body)

    async def patch(self, path: str, body: Json) -> Json:
        return await self._call("PATCH", path, json=body)

    async def _call(
        self, method: str, path: str, expect: int = 0, **content: Any
    ) -> Json:
        return await call(
            self.http, method, path, expect, headers=self.headers, **content
        )


async def call(
    http: httpx2.AsyncClient,
    method: str,
    path: str,
    expect: int = 0,
    **content: Any,
) -> Json:
    """Ask and return the JSON answer; a success is expected unless a status is named.

    While a server is down (no connection, 502 to 504) it asks again for up to a minute.
    A POST bears an `Idempotency-Key`, so that it acts once however often it is sent.
    """
    if method == "POST":
        key = {"Idempotency-Key": str(new_id())}
        content["headers"] = content.get("headers", {}) | key
    response = await patiently(http, method, path, content)
    good = response.status_code == expect if expect else response.is_success
    if not good:
        fail(f"{method} {path} was answered {response.status_code}: {response.text}")
    answer: Json = response.json() if response.content else {}
    return answer


async def patiently(
    http: httpx2.AsyncClient, method: str, path: str, content: Json
) -> httpx2.Response:
    """Ask until somebody answers, for up to a minute."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            response = await http.request(method, path, **content)
        except httpx2.TransportError as error:
            trouble = repr(error)
        else:
            if response.status_code not in DOWN:
                return response
            trouble = response.text
        if asyncio.get_running_loop().time() > deadline:
            fail(f"{method} {path}: {trouble}")
        await asyncio.sleep(PAUSE)


async def until(
    what: str,
    look: Callable[[], Awaitable[Any]],
    good: Callable[[Any], bool] = bool,
) -> Any:
    """Look again and again until it is good; return what was seen then."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not good(seen := await look()):
        if asyncio.get_running_loop().time() > deadline:
            fail(f"waited {PATIENCE:.0f} s for {what}; last seen: {seen}")
        await asyncio.sleep(GLANCE)
    return seen


def attached_calendar(mail: Json) -> str:
    """The ICS file of a mail, as text."""
    for part in mail["attachments"]:
        if part["content_type"] in ("application/ics", "text/calendar"):
            content: str = part["content"]
            if content.startswith("BEGIN:"):
                return content
            return base64.b64decode(content).decode()
    fail(f"no calendar entry in the mail “{mail['subject']}”")
