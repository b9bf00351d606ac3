import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiosmtplib
import httpx2

from local.processes import free_port
from tests.local.mailbox.given import a_mail


@contextmanager
def running(web: int, smtp: int, store: Path) -> Iterator[None]:
    environment = {"PORT": f"{web}", "SMTP_PORT": f"{smtp}", "STORE": f"{store}"}
    mailbox = subprocess.Popen(
        [sys.executable, "-m", "local.mailbox"], env=os.environ | environment
    )
    try:
        deadline = time.monotonic() + 30
        while not answers(web):
            assert mailbox.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
        mailbox.send_signal(signal.SIGTERM)
        mailbox.wait(20)
    finally:
        mailbox.kill()
        mailbox.wait()


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/live").is_success
    except httpx2.TransportError:
        return False


async def test_it_runs_by_itself_and_keeps_its_mails(tmp_path: Path) -> None:
    web, smtp, store = free_port(), free_port(), tmp_path / "mails.sqlite"
    with running(web, smtp, store):
        await aiosmtplib.send(a_mail(), hostname="127.0.0.1", port=smtp)
    with running(web, smtp, store):
        (message,) = httpx2.get(f"http://127.0.0.1:{web}/api/messages").json()
    assert message["subject"] == "You are booked"
