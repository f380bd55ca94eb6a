"""Where a request comes from, as far as proxies may be believed. Only `X-Forwarded-For` is, and only from a trusted peer.

`Forwarded` (RFC 7239) and the like are not read: a proxy sets one of them and hands on whatever the client wrote into the others.
"""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from fastapi import Request

OF_PROXIES = ("x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host")
"""Any of these says that somebody else may stand behind the peer."""
HOUSEHOLD_BITS = 64
"""One subscriber has at least this much of IPv6 for themselves (RFC 6177), so it counts as one address."""


def client_address(request: Request, trusted_proxies: Sequence[str]) -> str:
    """Where the request comes from: what the nearest trusted proxy says, or else the peer itself.

    What a proxy said that is no address (a word, nonsense) is not believed: then the proxy itself is who asks.
    """
    address = request.client.host if request.client else "unknown"
    forwarded = _forwarded(request)
    while forwarded and _is_trusted(address, trusted_proxies):
        said = read_address(forwarded.pop())
        if said is None:
            break
        address = str(said)
    known = read_address(address)
    return address if known is None else str(known)


def counted_as(address: str) -> str:
    """The name under which the tries of an address are counted: itself, or the /64 of an IPv6 address."""
    known = read_address(address)
    if isinstance(known, IPv6Address):
        return str(ipaddress.ip_network((known, HOUSEHOLD_BITS), strict=False))
    return address if known is None else str(known)


def is_loopback(request: Request, trusted_proxies: Sequence[str]) -> bool:
    """Whether a program on this machine asks, and not somebody behind a proxy that runs here."""
    peer = request.client.host if request.client else ""
    chain = [peer]
    if any(name in request.headers for name in OF_PROXIES):
        chain = _forwarded(request) if _is_trusted(peer, trusted_proxies) else []
    known = [read_address(address) for address in chain]
    return bool(known) and all(one is not None and one.is_loopback for one in known)


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with a port, in brackets, with a zone, or IPv4 dressed as IPv6. None for anything else."""
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        known = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = known.ipv4_mapped if isinstance(known, IPv6Address) else None
    return mapped or known


def _forwarded(request: Request) -> list[str]:
    """Everybody whom the proxies named, the nearest last; a header that came twice is one list (RFC 9110, section 5.3)."""
    told = ",".join(request.headers.getlist("x-forwarded-for"))
    return [part.strip() for part in told.split(",") if part.strip()]


def _is_trusted(address: str, trusted_proxies: Sequence[str]) -> bool:
    known = read_address(address)
    if known is None:
        return False
    return any(known in ipaddress.ip_network(network, strict=False) for network in trusted_proxies)
