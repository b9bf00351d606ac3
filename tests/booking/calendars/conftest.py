from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.booking.calendars.given import House
from tests.booking.calendars.hosts import Host, authority, serving
from tests.booking.conftest import opened


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def host(certificate: tuple[Path, Path]) -> AsyncIterator[Host]:
    async with serving(Host(), *certificate) as host:
        yield host


@pytest.fixture
async def house(
    database: Callable[[str], Awaitable[str]],
    host: Host,
    certificate: tuple[Path, Path],
) -> AsyncIterator[House]:
    """Booking that may read the calendars of this machine."""
    async with opened(
        await database("booking"),
        environment="local",
        calendars_loopback=True,
        calendars_ca_file=certificate[0],
        public_url="https://play.example",
    ) as service:
        yield House(service, host)
