"""Which addresses may be called: reading URLs strictly, and telling public addresses from all others. No network here."""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urlencode

from yarl import URL

from hayon.errors import Misconfigured, Unreachable

# Ports below 1024 other than the web's own, and ports whose services can be talked into harm by an HTTP request
# (Fetch standard, "bad port"; then data stores, caches and brokers).
_BAD_PORTS = frozenset(
    (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080)
) | frozenset((2375, 2376, 2379, 2380, 3306, 5432, 5672, 6379, 9042, 9200, 9300, 10250, 11211, 27017))

# IANA IPv4 and IPv6 special-purpose address registries. Written out, since what `ipaddress` calls global differs from
# one Python to the next.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's own wire server: a public number that answers only inside the machine's host
    )
)  # fmt: skip
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(block)
    # protocol assignments (Teredo among them), documentation, 6to4, documentation
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_MAPPED, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")

_AUTHORITY = re.compile(r"(\[[^][@]*\]|[^][@:]*)(:[0-9]{0,5})?")
_LONGEST_NAME = 254
"""With the dot at its end (RFC 1035, section 2.3.4)."""
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_DOTTED = re.compile(r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}")
_NUMERIC_END = re.compile(r"(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$")


def read_url(url: str, query: Mapping[str, str] | None = None) -> URL:
    """A URL as it will be sent, byte for byte where it is plain ASCII, with `query` added at its end.

    Raises Unreachable for anything but http and https, for user names inside, for numeric hosts in any but the usual
    dotted form, and for what is no URL at all.
    """
    if not query and "?" not in url:
        return _read_plain(url)
    if query:
        address, mark, fragment = url.partition("#")
        joint = "&" if "?" in address else "?"
        url = f"{address}{joint}{urlencode(query, quote_via=quote)}{mark}{fragment}"
    return _read(url)


def _read(url: str) -> URL:
    read = None if _UNFIT.search(url) else _parsed(url)
    if read is None or read.scheme not in ("http", "https") or not _fits(read):
        raise Unreachable("This is no web address that can be called.", host=(read and read.raw_host) or "")
    return read


@lru_cache(500)
def _read_plain(url: str) -> URL:
    """Most calls go to one of a few addresses. None with a query is kept: there are secrets in some."""
    return _read(url)


def join_url(start: URL, location: str) -> URL:
    """Where a redirect leads. Raises Unreachable as read_url does."""
    lax = quote(location.strip(), safe="%/:?#[]@!$&'()*+,;=~-._") if location.isascii() else location.strip()
    target = _parsed(lax)
    return read_url("" if target is None else str(start.join(target)))


def origin_of(url: URL) -> str:
    """Scheme, host and port, as one word that can be compared."""
    return f"{url.scheme}://{(url.raw_host or '').lower()}:{url.port}"


def read_origin(address: str) -> str:
    """The origin of an address in the settings. Raises Misconfigured where it is none."""
    try:
        return origin_of(read_url(address))
    except Unreachable:
        raise Misconfigured(f"{address!r} is no address of a server; write it like https://example.org.") from None


def refuse_port(url: URL) -> None:
    """Raises Unreachable for a port on which no web server is to be expected."""
    port = url.port or 0
    if (port < 1024 and port not in (80, 443)) or port in _BAD_PORTS:
        host = url.raw_host or ""
        raise Unreachable(f"Port {port} of {host} is not called: no web server is expected there.", host=host)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, looking through IPv4 embedded in IPv6."""
    try:
        read = ip_address(address)
    except ValueError:
        return False
    if isinstance(read, IPv4Address):
        return not any(read in block for block in _NOT_PUBLIC_V4)
    return _is_public_v6(read)


def _is_public_v6(address: IPv6Address) -> bool:
    embedded = IPv4Address(address.packed[12:])
    if address.scope_id is not None:
        return False
    if address in _MAPPED or address in _NAT64:
        return is_public(str(embedded))
    if address.packed[8:12] in _ISATAP and not is_public(str(embedded)):
        return False
    return address in _PUBLIC_V6 and not any(address in block for block in _NOT_PUBLIC_V6)


def _parsed(url: str) -> URL | None:
    try:
        read = URL(url, encoded=url.isascii())
        _ = read.raw_host, read.port  # read lazily, and may be impossible
    except (ValueError, UnicodeError):
        return None
    return read


def _fits(url: URL) -> bool:
    """Whether it names a host, no user, and a number only in its one usual form: 2130706433, 0x7f.1, 010.0.0.1 are tricks."""
    host = url.raw_host
    if not host or not url.port or "%" in host or not _AUTHORITY.fullmatch(url.raw_authority):
        return False
    if ":" in host:
        return True
    if not all(0 < len(label) <= 63 for label in host.removesuffix(".").split(".")) or len(host) > _LONGEST_NAME:
        return False
    return not _NUMERIC_END.search(host) or _DOTTED.fullmatch(host) is not None
