"""One house and one browser for all; a fresh profile for each test."""

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from local import seeds
from local.doors import free_base
from local.house import House
from local.settings import LocalSettings
from tests.browser.visitor import Visitor
from tests.servers.install import BROWSERS

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def house() -> AsyncIterator[House]:
    settings = LocalSettings(port_base=free_base())
    async with House(settings, kept=False).open() as house:
        await seeds.basics(house)
        yield house


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.fail("There is no Chromium: `make servers` installs Debian's package.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=list(QUIET)
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def visitor(browser: Browser) -> AsyncIterator[Visitor]:
    """At a desk; nothing may have gone wrong in the browser by the end of the test."""
    async with await browser.new_context() as context:
        visitor = Visitor(await context.new_page())
        yield visitor
        assert visitor.complaints == []
