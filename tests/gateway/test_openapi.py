import asyncio
from copy import deepcopy
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from gateway import openapi
from gateway.openapi import Library, merge
from tests.gateway.conftest import Start


class Money(BaseModel):
    amount: int
    currency: str


class Game(BaseModel):
    """A <b>game</b> that is played."""

    slug: str
    rate: Money


def coaches() -> FastAPI:
    app = FastAPI()

    @app.get("/v1/games", tags=["of its own"])
    async def list_games() -> list[Game]:
        """Every <script>alert(1)</script> game."""
        return []

    @app.get("/internal/secrets")
    async def secrets() -> str:
        return "never shown"

    return app


def payments() -> FastAPI:
    router = APIRouter()

    class Money(BaseModel):  # another one of the same name
        amount: int

    class Game(BaseModel):  # the same, but for what it refers to
        """A <b>game</b> that is played."""

        slug: str
        rate: Money

    @router.get("/v1/payments/{payment_id}")
    async def show_payment(payment_id: str) -> Game:
        return Game(slug=payment_id, rate=Money(amount=1))

    app = FastAPI()
    app.include_router(router)
    return app


def schema_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    response = document["paths"][path]["get"]["responses"]["200"]
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def test_only_public_routes_are_told_each_under_its_service() -> None:
    merged = merge({"coaches": coaches().openapi()})

    assert merged["paths"].keys() == {"/v1/games"}
    assert merged["paths"]["/v1/games"]["get"]["tags"] == ["coaches"]


def test_components_of_one_name_and_two_meanings_are_told_apart() -> None:
    merged = merge({"coaches": coaches().openapi(), "payments": payments().openapi()})
    schemas = merged["components"]["schemas"]
    theirs = schema_of(merged, "/v1/payments/{payment_id}")["$ref"]

    assert schemas["Money"]["required"] == ["amount", "currency"]
    assert schemas["PaymentsMoney"]["required"] == ["amount"]
    assert theirs == "#/components/schemas/PaymentsGame"
    assert schemas["PaymentsGame"]["properties"]["rate"]["$ref"].endswith(
        "/PaymentsMoney"
    )
    assert schemas["Game"]["properties"]["rate"]["$ref"].endswith("/Money")


def test_components_of_one_name_and_one_meaning_are_shared() -> None:
    merged = merge({"coaches": coaches().openapi(), "booking": coaches().openapi()})

    assert merged["components"]["schemas"].keys() == {"Money", "Game"}


def test_merging_leaves_the_services_documents_alone() -> None:
    documents = {"coaches": coaches().openapi(), "payments": payments().openapi()}
    before = deepcopy(documents)

    merge(documents)

    assert documents == before


async def test_a_service_that_is_down_is_left_out_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openapi, "RETRY", 0.0)
    up = False
    app = payments()

    async def flaky(scope: Scope, receive: Receive, send: Send) -> None:
        if not up:
            raise ConnectionError
        await app(scope, receive, send)

    library = Library({"coaches": coaches(), "payments": flaky})
    without = await library.merged()
    up = True
    whole = await library.merged()

    assert without["paths"].keys() == {"/v1/games"}
    assert whole["paths"].keys() == {"/v1/games", "/v1/payments/{payment_id}"}


async def test_a_document_is_read_once_however_many_ask() -> None:
    asked = 0
    app = coaches()

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        await app(scope, receive, send)

    library = Library({"coaches": counting})
    await asyncio.gather(*[library.merged() for _ in range(10)])

    assert asked == 1


@pytest.mark.parametrize("in_process", [False, True])
async def test_the_gateway_serves_the_document_and_a_page_of_it(
    start: Start, in_process: bool
) -> None:
    client = await start(
        in_process=in_process, apps={"coaches": coaches(), "payments": payments()}
    )

    document = await client.get("/openapi.json")
    page = await client.get("/docs")
    style = await client.get("/docs/reference.css")

    assert document.json()["info"]["title"] == "Scrimline"
    assert "/v1/games" in document.json()["paths"]
    assert page.status_code == 200
    assert "/v1/payments/{payment_id}" in page.text
    assert 'href="#PaymentsGame"' in page.text
    assert style.headers["content-type"].startswith("text/css")


async def test_the_page_runs_no_script_and_loads_nothing_from_elsewhere(
    start: Start,
) -> None:
    client = await start(in_process=True, apps={"coaches": coaches()})

    page = await client.get("/docs")

    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
