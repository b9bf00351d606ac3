"""Where a request comes from, behind proxies we trust and proxies we do not."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who stands at the door: its address, what it limits by, and how it called us."""

    address: str
    network: str
    scheme: str
    host: str


def visitor(scope: Scope, trusted: tuple[Network, ...]) -> Visitor:
    """The peer, or the right-most untrusted address that a trusted one reports."""
    client = scope.get("client")
    address: str = client[0] if client else "unknown"
    scheme: str = scope["scheme"]
    headers = scope["headers"]
    if trusted and _is_trusted(address, trusted):
        forwarded = _values(headers, b"x-forwarded-for")
        address = _outermost(forwarded, trusted) or address
        proto = _values(headers, b"x-forwarded-proto")
        scheme = proto[-1] if proto and proto[-1] in ("http", "https") else scheme
    host = dict(headers).get(b"host", b"").decode("latin-1")
    return Visitor(address, network(address), scheme, host)


def _values(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    lines = [value.decode("latin-1") for name, value in headers if name == wanted]
    return [each.strip() for each in ",".join(lines).split(",") if each.strip()]


def _outermost(forwarded: list[str], trusted: tuple[Network, ...]) -> str | None:
    """The last hop that no proxy of ours added; None if there is no usable one."""
    for address in reversed(forwarded):
        if parsed(address) is None:
            return None
        if not _is_trusted(address, trusted):
            return address
    return forwarded[0] if forwarded else None


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    ip = parsed(address)
    return ip is not None and any(ip in network for network in trusted)


@lru_cache(maxsize=10_000)
def parsed(address: str) -> IPv4Address | IPv6Address | None:
    """IPv4 in IPv6 counts as IPv4; None for what is no address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """What limits count by: an IPv4 address, or the /64 that an IPv6 customer has."""
    ip = parsed(address)
    if isinstance(ip, IPv6Address):
        return str(IPv6Network((ip, 64), strict=False))
    return str(ip or address)
