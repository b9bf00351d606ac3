from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import stripe
from fastapi import FastAPI

from local.stripe.app import create_app
from local.stripe.double import Double
from local.stripe.settings import DoubleSettings
from tests.given import FixedClock
from tests.local.stripe.given import SECRET, Shop, sdk
from tests.serving import served as being_served


@dataclass
class Served:
    """A double that listens at `url`."""

    url: str
    app: FastAPI

    @property
    def double(self) -> Double:
        double: Double = self.app.state.double
        return double


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with shop.open():
        yield shop


@pytest.fixture
async def served(shop: Shop, clock: FixedClock) -> AsyncIterator[Served]:
    settings = DoubleSettings(
        webhook_url=shop.url,
        webhook_secret=SECRET,
        public_url="http://pay.example",
        stall_seconds=0.5,
    )
    app = create_app(settings, clock)
    async with being_served(app) as url:
        yield Served(url, app)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[stripe.StripeClient]:
    """The official SDK; it never repeats a request by itself."""
    async with sdk(served.url) as client:
        yield client


@pytest.fixture
async def web(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser without scripts that does not follow redirects by itself."""
    async with httpx2.AsyncClient(base_url=served.url) as web:
        yield web
