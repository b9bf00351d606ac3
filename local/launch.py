"""`make dev` and `make reset`, as a person at a terminal meets them."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from local import seeds
from local.clock import MovableClock
from local.folder import forget, held, reset
from local.house import House
from local.settings import LocalSettings
from shared import logs

LINKS = """
Scrimline runs on this machine. Ctrl-C stops it; `make reset` forgets its data.

  Start page      {settings.gateway_url}/
  API described   {settings.gateway_url}/docs
  Mailbox         {settings.mailbox_url}/
  Stripe double   {settings.stripe_url}/_double/requests

  Sign in as admin@, coach1@ … coach12@ or student1@ … student40@scrimline.example,
  password {password}. See the main job done: `make demo` in another terminal.
"""

INTERRUPTED = 130
"""What a shell calls a program that Ctrl-C ended."""


async def run(settings: LocalSettings) -> None:
    """Serve until we are cancelled."""
    if MovableClock(settings.data / "clock").behind:
        say("The first start was interrupted, so it begins anew.")
        forget(settings.data)
    say("Starting …")
    async with House(settings).open() as house:
        if not await seeds.planted(house):
            say("Planting people, shops and sessions, this once …")
            await seeds.plant(house)
        say(LINKS.format(settings=settings, password=seeds.PASSWORD))
        await asyncio.Event().wait()


async def until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Do the work; False if SIGINT or SIGTERM ended it before it was done.

    Further signals change nothing: what was begun is put away in order.
    """
    task = asyncio.ensure_future(work)

    def stop() -> None:
        if not task.cancelling():
            say("Stopping …")
            task.cancel()

    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


def main(settings: LocalSettings, arguments: Sequence[str]) -> int:
    logs.configure("local", settings.log_level, json=False)
    acts = {(): start, ("reset",): clear}
    act = acts.get(tuple(arguments))
    if act is None:
        return complain("usage: python -m local [reset]")
    try:
        act(settings)
    except (OSError, RuntimeError) as error:
        return complain(f"Cannot {act.__name__}: {error}.")
    return 0


def start(settings: LocalSettings) -> None:
    with held(settings.data, settings.gateway_url):
        uvloop.run(until_stopped(run(settings)))


def clear(settings: LocalSettings) -> None:
    reset(settings.data)
    say(f"All local data in {settings.data} is forgotten.")


def complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for whoever sits there
