"""Which addresses of the internet we let ourselves be sent to."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out for the public internet (RFC 4291)."""

TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""6to4 and Teredo: they carry an IPv4 address that may lead anywhere."""


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the public internet; False for any other.

    False as well for addresses that wrap an IPv4 one, and for what is no address.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast
    return _is_public6(found)


def _is_public6(address: IPv6Address) -> bool:
    tunnelled = any(address in network for network in TUNNELS)
    return address in UNICAST and address.is_global and not tunnelled


def is_loopback(address: str) -> bool:
    """Whether it is this very machine, written plainly."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def fault_of(url: str) -> str | None:
    """Why an address given by a coach, or by a redirect, is not followed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme != "https" or not parts.hostname:
        return "must be an https URL"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name"
    return "must not name the port 0" if port == 0 else None
