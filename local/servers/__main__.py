"""`make dev-servers`: one process per service, on servers of yours, until Ctrl-C."""

import asyncio
import signal
import sys

from pydantic import ValidationError

from local import seeds
from local.servers import Servers, ServersSettings, home_in
from local.settings import PASSWORD
from shared import logs

LINKS = """
Scrimline runs as one process for each service. Ctrl-C stops it.

  Start page      {servers.url}/
  API described   {servers.url}/docs
  Mailbox         {servers.mailbox_url}/
  Stripe double   {servers.stripe_url}/_double/requests
  Logs            {servers.folder}/*.log

  Sign in as admin@, coach1@ … coach12@ or student1@ … student40@scrimline.example,
  password {password}. See the main job done: `make demo` in another terminal.
"""

GLANCE = 0.5


async def run(settings: ServersSettings) -> int:
    """0 after Ctrl-C or SIGTERM, 1 when a process died."""
    task = asyncio.current_task()
    assert task is not None
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    try:
        say("Preparing the databases and the queues …")
        async with Servers(settings) as servers:
            say("Planting people, shops and sessions, if there are none …")
            async with home_in(servers) as home:
                await seeds.plant(home)
            say(LINKS.format(servers=servers, password=PASSWORD))
            while not (ended := servers.ended()):  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(GLANCE)
            for name, last_words in ended.items():
                say(f"{name} ended, so everything stops. Its last words:\n{last_words}")
    except asyncio.CancelledError:
        say("Stopped.")
        return 0
    else:
        return 1


def main() -> int:
    try:
        settings = ServersSettings()
    except ValidationError as error:
        return complain(error.errors()[0]["msg"].removeprefix("Value error, "))
    logs.configure("servers", settings.log_level, json=False)
    try:
        return asyncio.run(run(settings))
    except (OSError, RuntimeError) as error:
        return complain(f"cannot start: {error}")


def complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
