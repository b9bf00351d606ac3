"""`make demo`: shown at a running `make dev`, else in a house of its own."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import httpx2

from local import seeds
from local.demo.client import Unexpected, call, say
from local.demo.walk import Walk
from local.house import House
from local.processes import free_port
from local.settings import LocalSettings
from shared import logs

TIMEOUT = 30.0


async def runs(settings: LocalSettings) -> bool:
    """True if a local house answers at these ports."""
    async with httpx2.AsyncClient(base_url=settings.gateway_url) as http:
        try:
            return (await http.get("/local/clock")).status_code == 200
        except httpx2.TransportError:
            return False


@asynccontextmanager
async def a_house(settings: LocalSettings) -> AsyncIterator[LocalSettings]:
    """The running house, or one that lives as long as the demonstration."""
    if await runs(settings):
        say(f"Using the marketplace at {settings.gateway_url}")
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="scrimline-demo-") as folder:
        own = settings.model_copy(
            update={"data": Path(folder), "port_base": free_port()}
        )
        say("Starting a marketplace for this demonstration …")
        async with House(own).open() as house:
            await seeds.basics(house)
            yield own


async def show(settings: LocalSettings) -> None:
    started = perf_counter()
    async with (
        a_house(settings) as at,
        httpx2.AsyncClient(base_url=at.gateway_url, timeout=TIMEOUT) as gateway,
        httpx2.AsyncClient(base_url=at.mailbox_url, timeout=TIMEOUT) as mailbox,
    ):

        async def advance(by: timedelta) -> datetime:
            path, seconds = "/local/clock", int(by.total_seconds())
            if not seconds:
                answer = await call(gateway, "GET", path)
            else:
                body = {"advance_seconds": seconds}
                answer = await call(gateway, "POST", path, json=body)
            return datetime.fromisoformat(answer["now"])

        await Walk(gateway, mailbox, advance).everything()
        await call(gateway, "GET", "/local/idle")
    say()
    say(f"All of it in {perf_counter() - started:.1f} s.")


def main() -> None:
    settings = LocalSettings()
    logs.configure("demo", settings.log_level, json=False)
    try:
        asyncio.run(show(settings))
    except Unexpected as error:
        say(f"\n✗ {error}")
        say("demo: failed")
        sys.exit(1)
    say("demo: ok")


if __name__ == "__main__":
    main()
