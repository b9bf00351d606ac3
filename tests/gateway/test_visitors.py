from ipaddress import ip_network
from typing import Any

import pytest

from gateway.visitors import network, visitor
from tests.gateway.conftest import Start

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def scope(peer: str, *forwarded: str, proto: str | None = None) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    return {"client": (peer, 1), "scheme": "http", "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("1.2.3.4",), "203.0.113.9"),
        ("10.0.0.1", ("1.2.3.4",), "1.2.3.4"),
        ("10.0.0.1", ("6.6.6.6, 1.2.3.4",), "1.2.3.4"),
        ("10.0.0.1", ("6.6.6.6", "1.2.3.4, 10.9.9.9"), "1.2.3.4"),
        ("10.0.0.1", ("10.0.0.7, 10.0.0.8",), "10.0.0.7"),
        ("10.0.0.1", ("1.2.3.4, rubbish",), "10.0.0.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("1.2.3.4",), "1.2.3.4"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
    ],
)
def test_the_address_is_the_nearest_one_that_cannot_be_made_up(
    peer: str, forwarded: tuple[str, ...], address: str
) -> None:
    assert visitor(scope(peer, *forwarded), PROXIES).address == address


def test_only_a_trusted_proxy_says_which_scheme_was_used() -> None:
    assert (
        visitor(scope("10.0.0.1", "1.2.3.4", proto="https"), PROXIES).scheme == "https"
    )
    assert visitor(scope("1.2.3.4", proto="https"), PROXIES).scheme == "http"
    assert visitor(scope("10.0.0.1", proto="gopher"), PROXIES).scheme == "http"


def test_a_customer_with_many_addresses_counts_as_one() -> None:
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:1.2.3.4") == network("1.2.3.4") == "1.2.3.4"


async def test_behind_a_trusted_proxy_limits_count_its_clients_apart(
    start: Start,
) -> None:
    client = await start(
        in_process=True,
        address_per_minute=2,
        trusted_proxies=(ip_network("127.0.0.0/8"),),
    )

    async def passed(claimed: str) -> int:
        headers = {"X-Forwarded-For": claimed}
        got = [await client.get("/v1/games", headers=headers) for _ in range(4)]
        return [each.status_code for each in got].count(200)

    assert await passed("1.2.3.4") == 2
    assert await passed("6.6.6.6, 1.2.3.5") == 2
    assert await passed("7.7.7.7, 1.2.3.5") == 0
