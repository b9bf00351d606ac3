"""Where the demonstration takes place, and how it ends."""

import math
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from time import perf_counter

import httpx2
import uvloop

from local import seeds
from local.demo.absences import a_no_show_of_each_kind
from local.demo.client import Unexpected, call, say
from local.demo.groups import a_group_of_three
from local.demo.moves import a_move_across_the_change_of_clocks
from local.demo.waitlist import an_offer_is_taken
from local.demo.walk import Walk
from local.doors import free_base
from local.house import House
from local.launch import INTERRUPTED, until_stopped
from local.settings import LocalSettings
from shared import logs

TIMEOUT = 30.0

CLOCK = "/local/clock"

ACTS = (
    a_group_of_three,
    a_move_across_the_change_of_clocks,
    an_offer_is_taken,
    a_no_show_of_each_kind,
)
"""What else happens to sessions, after the main job and with its people."""


async def runs(settings: LocalSettings) -> bool:
    """True if a local house answers at these ports, or soon will."""
    async with httpx2.AsyncClient(base_url=settings.gateway_url) as http:
        try:
            answer = await http.get(CLOCK, timeout=TIMEOUT)
        except httpx2.TransportError:
            return False
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            say("Waiting until the demo data is planted there …")
            await call(http, "GET", CLOCK)
        return answer.status_code in (200, 503)


@asynccontextmanager
async def a_house(settings: LocalSettings) -> AsyncIterator[LocalSettings]:
    """The running house, or one that lives as long as the demonstration."""
    if await runs(settings):
        say(f"Using the marketplace that runs at {settings.gateway_url}.")
        say("The demonstration moves its clock forward by some days.")
        yield settings
        return
    own = settings.model_copy(update={"port_base": free_base()})
    say("Starting a marketplace for this demonstration …")
    async with House(own, kept=False).open() as house:
        await seeds.basics(house)
        yield own


async def show(settings: LocalSettings) -> None:
    """All of it; raises Unexpected, or whatever a step raises."""
    async with (
        a_house(settings) as at,
        httpx2.AsyncClient(base_url=at.gateway_url, timeout=TIMEOUT) as gateway,
        httpx2.AsyncClient(base_url=at.mailbox_url, timeout=TIMEOUT) as mailbox,
    ):

        async def advance(by: timedelta) -> datetime:
            if not by:
                answer = await call(gateway, "GET", CLOCK)
            else:
                body = {"advance_seconds": math.ceil(by.total_seconds())}
                answer = await call(gateway, "POST", CLOCK, json=body)
            return datetime.fromisoformat(answer["now"])

        walk = Walk(gateway, mailbox, advance)
        await walk.main_job()
        for act in ACTS:
            await act(walk)
        await call(gateway, "GET", "/local/idle")


def main(settings: LocalSettings) -> int:
    """0 after `demo: ok`, 1 after `demo: failed`, as for a shell when interrupted."""
    logs.configure("demo", settings.log_level, json=False)
    started = perf_counter()
    try:
        finished = uvloop.run(until_stopped(show(settings)))
    except Exception as error:
        if not isinstance(error, Unexpected):
            traceback.print_exc()
        say(f"\n✗ {error}")
        say("demo: failed")
        return 1
    if not finished:
        say("demo: interrupted")
        return INTERRUPTED
    say(f"\nAll of it in {perf_counter() - started:.1f} s.")
    say("demo: ok")
    return 0
