"""`make demo`, as the program that it is."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from local import seeds
from local.demo.client import until
from local.doors import free_base
from local.house import House
from local.launch import INTERRUPTED
from local.processes import temporary_folder
from local.settings import PASSWORD, LocalSettings
from tests.local.terminal import Program, assert_no_errors

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

STEPS = (
    "A coach in Berlin opens shop",
    "An admin verifies the coach",
    "A student in New York looks for a coach and a time",
    "The student holds the slot for a quarter of an hour",
    "The card 4000 0000 0000 0002 is declined",
    "The card 4242 4242 4242 4242 pays, and Stripe's webhook confirms",
    "Both sides get mail, each in their own time zone, with a calendar entry",
    "Another student wants the same slot and is told what else is free",
    "A session is cancelled 25 hours before it starts: all money back",
    "A session is cancelled 23 hours before it starts: nothing back",
    "Three students share a group session; a fourth finds it full",
    "A session moves across the night in which the clocks are put back",
    "An hour that is taken opens: who waits for it is offered it, and takes it",
    "Somebody does not come: first the student, then the coach, then both",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    settings = LocalSettings(port_base=free_base())
    async with House(settings, kept=False).open() as house:
        await seeds.basics(house)
        yield house


async def demo(folder: Path, base: int, **env: str) -> Program:
    """The demonstration, when it has ended; the house runs in this very process."""
    program = Program(folder, "local.demo", PORT_BASE=str(base), **env)
    async with asyncio.timeout(240):
        while program.process.poll() is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return program


def steps(said: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^● (.*)$", said, re.MULTILINE))


@pytest.fixture
def temporary() -> Iterator[str]:
    """Where a program puts its temporary folders, of which nothing may be left.

    PostgreSQL's user can go there.
    """
    folder = temporary_folder(None)
    folder.chmod(0o777)
    yield str(folder)
    folder.rmdir()


async def test_it_shows_the_main_job_in_a_house_of_its_own_and_leaves_nothing(
    tmp_path: Path, temporary: str
) -> None:
    shown = await demo(tmp_path, free_base(), TMPDIR=temporary, DATA=f"{tmp_path}/no")

    assert shown.end() == 0, shown.said
    assert shown.said.endswith("\ndemo: ok\n")
    assert steps(shown.said) == STEPS
    assert_no_errors(shown.said)
    assert not (tmp_path / "no").exists()


async def test_it_can_be_shown_again_in_a_house_that_runs(
    house: House, tmp_path: Path
) -> None:
    before = house.clock.now()
    for _ in range(2):
        shown = await demo(tmp_path, house.settings.port_base)
        assert (shown.end(), steps(shown.said)) == (0, STEPS)
        assert f"runs at {house.settings.gateway_url}" in shown.said
    assert (house.clock.now() - before).days >= 2


async def test_it_fails_where_a_step_goes_wrong_and_says_which(
    house: House, tmp_path: Path
) -> None:
    await with_another_password(house, "somebody changed it")
    try:
        shown = await demo(tmp_path, house.settings.port_base)
    finally:
        await with_another_password(house, PASSWORD)

    assert shown.end() == 1
    assert steps(shown.said) == STEPS[:2]
    *_, what, verdict = shown.said.splitlines()
    assert what.startswith("✗ POST /v1/auth/login was answered 401")
    assert verdict == "demo: failed"
    assert_no_errors(shown.said)


async def with_another_password(house: House, password: str) -> None:
    """The admin forgets the password, as anybody may."""
    email = "admin@scrimline.example"
    known = {each.id for each in house.mails.messages(email)}
    await house.gateway.post("/v1/auth/password-reset", json={"email": email})

    async def look() -> str | None:
        fresh = (each for each in house.mails.messages(email) if each.id not in known)
        found = (re.search(r"token=([\w-]+)", each.text or "") for each in fresh)
        return next((each[1] for each in found if each), None)

    body = {"token": await until("the mail", look), "password": password}
    answer = await house.gateway.post("/v1/auth/password-reset/confirm", json=body)
    assert answer.status_code == httpx2.codes.NO_CONTENT, answer.text


async def test_one_that_is_interrupted_leaves_nothing(
    tmp_path: Path, temporary: str
) -> None:
    program = Program(
        tmp_path, "local.demo", PORT_BASE=str(free_base()), TMPDIR=temporary
    )
    program.wait_for(f"● {STEPS[0]}")
    program.send(signal.SIGINT)
    program.send(signal.SIGTERM)

    assert program.end(30) == INTERRUPTED
    assert program.said.endswith("\ndemo: interrupted\n")
    assert_no_errors(program.said)
