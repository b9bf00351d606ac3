"""`make dev`: everything on this machine until Ctrl-C."""

import asyncio
import signal
import sys

import uvloop

from local import seeds
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


async def run(settings: LocalSettings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    async with House(settings).open() as house:
        await seeds.plant(house)
        print(LINKS.format(settings=settings, password=seeds.PASSWORD), flush=True)  # noqa: T201
        await stopped.wait()
        print("Stopping …", flush=True)  # noqa: T201


def main() -> None:
    settings = LocalSettings()
    logs.configure("local", settings.log_level, json=False)
    try:
        uvloop.run(run(settings))
    except OSError as error:
        sys.exit(f"cannot start: {error}")


if __name__ == "__main__":
    main()
