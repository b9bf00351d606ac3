import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe
from fastapi import FastAPI
from pydantic import ValidationError

from local.stripe.__main__ import Environment
from local.stripe.app import create_app
from local.stripe.settings import DoubleSettings
from tests.given import FixedClock
from tests.local.stripe.given import (
    SECRET,
    Shop,
    pay,
    sdk,
    start_checkout,
    until,
)
from tests.serving import served


@asynccontextmanager
async def running(
    shop: Shop, clock: FixedClock, store: Path
) -> AsyncIterator[tuple[FastAPI, stripe.StripeClient, httpx2.AsyncClient]]:
    settings = DoubleSettings(shop.url, SECRET, "http://pay.example", store)
    app = create_app(settings, clock)
    async with (
        served(app) as url,
        sdk(url) as client,
        httpx2.AsyncClient(base_url=url) as web,
    ):
        yield app, client, web


async def test_everything_survives_a_restart(
    shop: Shop, clock: FixedClock, tmp_path: Path
) -> None:
    store = tmp_path / "new" / "stripe.sqlite"
    key: Any = {"idempotency_key": "r-1"}
    shop.statuses.extend([500] * 1000)
    async with running(shop, clock, store) as (app, client, web):
        session = await start_checkout(client)
        await pay(web, session)
        paid = await client.v1.checkout.sessions.retrieve_async(session.id)
        assert app.state.pending() == 4
        assert isinstance(paid.payment_intent, str)
        refund = await client.v1.refunds.create_async(
            {"payment_intent": paid.payment_intent},
            key,
        )
    shop.got.clear()
    shop.statuses.clear()
    async with running(shop, clock, store) as (app, client, web):
        same = await client.v1.checkout.sessions.retrieve_async(session.id)
        assert same.to_dict() == paid.to_dict()
        again = await client.v1.refunds.create_async(
            {"payment_intent": paid.payment_intent},
            key,
        )
        assert again.id == refund.id
        await until(lambda: app.state.pending() == 0)
    assert len({event.id for event in shop.events()}) == 6


async def test_it_runs_as_a_server_of_its_own(shop: Shop, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env",
        "PORT=0",
        f"WEBHOOK_URL={shop.url}",
        f"STRIPE_WEBHOOK_SECRET={SECRET}",
        f"STORE={tmp_path / 'stripe.sqlite'}",
        sys.executable,
        "-m",
        "local.stripe",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"running on" not in (line := await process.stdout.readline()):
                assert line, "it ended before it listened"
        url = line.decode().split("running on ")[1].split(" ")[0]
        async with httpx2.AsyncClient(base_url=url) as web:
            assert (await web.get("/_double/idle")).json() == {"pending": 0}
            answer = await web.get("/v1/refunds", auth=("sk_test_x", ""))
            assert answer.json()["data"] == []
    finally:
        process.terminate()
        output, _ = await process.communicate()
    assert b"Application shutdown complete" in output


@pytest.mark.parametrize(
    ("name", "value"),
    [("ENVIRONMENT", "production"), ("STRIPE_WEBHOOK_SECRET", None)],
)
def test_it_does_not_start_in_production_or_without_a_secret(
    name: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "http://shop.example")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "x")
    assert Environment().port == 8090
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Environment()
