from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.booking.calls.given import House
from tests.booking.calls.vendors import DAILY_KEY, WHEREBY_KEY, Vendors, serving
from tests.booking.conftest import opened

Open = Callable[..., Awaitable[House]]


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with serving(Vendors()) as vendors:
        yield vendors


@pytest.fixture
async def house(
    database: Callable[[str], Awaitable[str]], vendors: Vendors
) -> AsyncIterator[House]:
    """Booking with a key for every provider."""
    async with opened(
        await database("booking"),
        daily_api_key=DAILY_KEY,
        daily_api_base=f"{vendors.url}/daily",
        whereby_api_key=WHEREBY_KEY,
        whereby_api_base=f"{vendors.url}/whereby",
        jitsi_url="https://jitsi.example",
    ) as service:
        yield House(service, vendors)
