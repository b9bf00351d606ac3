"""Reading what strangers point to: never at home, never for long, never much."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.booking.clients import calendars
from services.booking.clients.calendars import Calendars
from services.booking.domain.busy_calendars import LARGEST, Unreadable
from tests.booking.calendars.hosts import EMPTY, Host

UNREACHABLE = "cannot be reached"


@pytest.fixture
async def at_home(certificate: tuple[Path, Path]) -> AsyncIterator[Calendars]:
    """May read from this machine."""
    async with Calendars(loopback=True, ca_file=certificate[0]) as reader:
        yield reader


@pytest.fixture
async def outside(certificate: tuple[Path, Path]) -> AsyncIterator[Calendars]:
    """As in production, but that it knows the test's authority."""
    async with Calendars(ca_file=certificate[0]) as reader:
        yield reader


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let every name resolve to each of these answers in turn; returns who asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        asked.append(str(host))
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            info for each in found for info in real(each, port, 0, socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


async def test_a_calendar_is_read_over_tls(at_home: Calendars, host: Host) -> None:
    assert await at_home.read(f"{host.url}/kim.ics") == EMPTY.encode()


async def test_this_machine_is_not_read_outside_tests(
    outside: Calendars, host: Host
) -> None:
    port = host.url.rpartition(":")[2]
    for name in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]"):  # noqa: S104
        with pytest.raises(Unreadable, match=UNREACHABLE):
            await outside.read(f"https://{name}:{port}/kim.ics")
    assert host.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "10.0.0.5",
        "192.168.0.1",
        "100.64.0.1",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::a9fe:a9fe]",
        "2130706433",
        "0x7f.1",
    ],
)
async def test_no_private_address_is_even_tried(
    outside: Calendars, address: str
) -> None:
    began = time.monotonic()
    with pytest.raises(Unreadable, match=UNREACHABLE):
        await outside.read(f"https://{address}/latest/meta-data")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.1.2.3"],
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254", "10.0.0.1"],
    ],
)
async def test_a_name_that_leads_home_is_not_followed(
    outside: Calendars,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    asked = named(monkeypatch, addresses)
    port = host.url.rpartition(":")[2]
    began = time.monotonic()

    with pytest.raises(Unreadable, match=UNREACHABLE):
        await outside.read(f"https://calendar.example:{port}/kim.ics")

    assert asked == ["calendar.example"]
    assert host.asked == []
    assert time.monotonic() - began < 3


async def test_of_a_name_only_the_allowed_address_is_tried(
    at_home: Calendars, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, ["10.0.0.5", "127.0.0.1"])
    assert await at_home.read(f"{host.url}/kim.ics") == EMPTY.encode()


async def test_a_redirect_is_judged_as_the_first_address_was(
    at_home: Calendars, host: Host
) -> None:
    for location in (
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://10.0.0.1/",
    ):
        host.location = location
        with pytest.raises(Unreadable, match=UNREACHABLE):
            await at_home.read(f"{host.url}/kim.ics")


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://localhost/kim.ics", "https URL"),
        ("file:///etc/passwd", "https URL"),
        ("https://kim:secret@localhost/", "user name"),
        ("https://[::1", "not a URL"),
    ],
)
async def test_a_redirect_to_what_is_no_plain_https_url_ends_it(
    at_home: Calendars, host: Host, location: str, why: str
) -> None:
    host.location = location
    with pytest.raises(Unreadable, match=why):
        await at_home.read(f"{host.url}/kim.ics")


async def test_a_name_may_not_change_its_mind_between_two_connections(
    outside: Calendars, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged at every connection, whatever it said before."""
    named(monkeypatch, ["127.0.0.1"])
    for _ in range(3):
        with pytest.raises(Unreadable, match=UNREACHABLE):
            await outside.read(f"{host.url}/kim.ics")
    assert host.asked == []


async def test_three_redirects_are_followed_and_no_more(
    at_home: Calendars, host: Host
) -> None:
    assert await at_home.read(f"{host.url}/hops/3") == EMPTY.encode()
    host.asked.clear()
    with pytest.raises(Unreadable, match="redirects too often"):
        await at_home.read(f"{host.url}/hops/4")
    assert len(host.asked) == 4


async def test_a_body_without_end_is_cut_off(at_home: Calendars, host: Host) -> None:
    with pytest.raises(Unreadable, match="larger than"):
        await at_home.read(f"{host.url}/huge.ics")
    written = len(host.asked) * 65_000
    assert written < LARGEST + (16 << 20)  # what sockets hold on the way


async def test_a_body_that_drips_is_given_up(
    certificate: tuple[Path, Path], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendars, "PATIENCE", 0.5)
    began = time.monotonic()
    async with Calendars(loopback=True, ca_file=certificate[0]) as reader:
        with pytest.raises(Unreadable, match=UNREACHABLE):
            await reader.read(f"{host.url}/slow.ics")
    assert time.monotonic() - began < 3


async def test_nothing_compressed_is_unfolded(at_home: Calendars, host: Host) -> None:
    with pytest.raises(Unreadable, match="compressed"):
        await at_home.read(f"{host.url}/bomb.ics")
    assert host.asked == ["identity"]


@pytest.mark.parametrize(
    ("content_type", "read"),
    [
        ("text/calendar; charset=utf-8", True),
        ("text/plain", True),
        ("application/octet-stream", True),
        (None, True),
        ("text/html", False),
        ("image/png", False),
    ],
)
async def test_only_what_may_be_a_calendar_is_read(
    at_home: Calendars, host: Host, content_type: str | None, read: bool
) -> None:
    host.content_type = content_type
    if read:
        assert await at_home.read(f"{host.url}/kim.ics")
    else:
        with pytest.raises(Unreadable, match="not a calendar"):
            await at_home.read(f"{host.url}/kim.ics")


@pytest.mark.parametrize("status", [204, 401, 404, 500])
async def test_another_status_is_told(
    at_home: Calendars, host: Host, status: int
) -> None:
    host.status = status
    with pytest.raises(Unreadable, match=f"answers {status}"):
        await at_home.read(f"{host.url}/kim.ics")


async def test_a_certificate_of_nobody_is_not_believed(host: Host) -> None:
    async with Calendars(loopback=True) as reader:
        with pytest.raises(Unreadable, match="certificate"):
            await reader.read(f"{host.url}/kim.ics")
    assert host.asked == []


async def test_a_host_that_is_not_there_is_told_as_any_other(
    at_home: Calendars,
) -> None:
    for url in ("https://localhost:9/x.ics", "https://no-such-host.invalid/x.ics"):
        with pytest.raises(Unreadable, match=UNREACHABLE):
            await at_home.read(url)
    await asyncio.sleep(0)
