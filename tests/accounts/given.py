"""Things an accounts test starts from."""

from typing import Any

import httpx2

PASSWORD = "correct horse"

KIM = {
    "email": "Kim@Example.com",
    "password": PASSWORD,
    "display_name": "Kim",
    "timezone": "Europe/Berlin",
    "roles": ["student"],
}


async def registered(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/auth/register", json={**KIM, **changes})
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json()
    return user


async def login(
    client: httpx2.AsyncClient, password: str = PASSWORD, email: str = "kim@example.com"
) -> httpx2.Response:
    body = {"email": email, "password": password}
    return await client.post("/v1/auth/login", json=body)


async def signed_in(client: httpx2.AsyncClient) -> dict[str, Any]:
    response = await login(client)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def authorization(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
