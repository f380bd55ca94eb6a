"""Ways around the guard that attackers have found in others' guards, each tried on every way out, against real sockets.

What may be called at all is tried in test_guard.py; here it is asked how to get there all the same.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import chain, product, repeat

import pytest

from hayon.errors import Rejected, Unreachable
from hayon.outgoing import Named, Outgoing, Request, wire
from hayon.outgoing.addresses import is_public
from hayon.platforms.bluesky.card import find_page, find_picture
from tests.outgoing.peer import Arrived, Peer, answer_with
from tests.outgoing.test_guard import PRIVATE

SECRET = "geheim-4711"
PUBLIC = "127.0.0.2"
"""Plays the public internet, since tests call nobody outside."""


async def _send(outgoing: Outgoing, url: str) -> None:
    await outgoing.send(Request("POST", url, {"Authorization": f"Bearer {SECRET}"}, json={}))


async def _commit(outgoing: Outgoing, url: str) -> None:
    await outgoing.send(Request("POST", url, {"Authorization": f"Bearer {SECRET}"}, json={}), commit=True)


async def _from_stranger(outgoing: Outgoing, url: str) -> None:
    await outgoing.send(Request("POST", url, json={}, named=Named.STRANGER))


async def _stream(outgoing: Outgoing, url: str) -> None:
    async with outgoing.stream(Request("GET", url)) as answer:
        async for _ in answer.pieces:
            pass


async def _fetch(outgoing: Outgoing, url: str) -> None:
    await outgoing.fetch_public(url, largest=1000, accept="")


OUT = {"send": _send, "commit": _commit, "stranger": _from_stranger, "stream": _stream, "fetch": _fetch}


@pytest.fixture(autouse=True)
def only_two_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but that one address is judged as always."""
    monkeypatch.setattr(wire, "is_public", lambda address: address == PUBLIC or is_public(address))


@pytest.fixture
def guarded(make_outgoing: Callable[..., Outgoing]) -> Callable[..., Outgoing]:
    """Outgoing as it is by default, with names of the test's own: {name: [addresses]}."""

    def make(
        names: dict[str, Sequence[str]] | None = None, asked: list[str] | None = None, **options: object
    ) -> Outgoing:
        async def resolver(host: str) -> Sequence[str]:
            if asked is not None:
                asked.append(host)
            if names and host in names:
                return names[host]
            raise OSError("no such name")

        return make_outgoing(allow_private_addresses=False, resolver=resolver, timeout_seconds=3, **options)

    return make


ADDRESSES = [
    *(address for address in PRIVATE if ":" in address or address.count(".") == 3),
    "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe",                     # IPv4-translated (RFC 2765)
    "64:ff9b:1::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::c0a8:101",  # NAT64, local and well known
    "2002:c0a8:101::1", "2002:6440:1::", "2002:a83f:8110::",        # 6to4 of private, shared and Azure's address
    "2001:0:7f00:1::", "2001:20::1", "2001:10::1",                  # Teredo, ORCHID
    "2606:4700::5efe:a9fe:a9fe", "2606:4700::200:5efe:10.0.0.1", "fe80::5efe:10.0.0.1",  # ISATAP
    "::ffff:168.63.129.16", "64:ff9b::100.100.100.200", "fd20:ce::254", "fd00:ec2::254", "fd00:ec2::23",  # metadata
    "fe80::a9fe:a9fe%eth0", "2606:4700::1%2", "::1%lo", "ff05::1:3", "0:0:0:0:0:0:0:0",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_name_of_a_private_address_leads_nowhere(guarded: Callable[..., Outgoing], address: str) -> None:
    outgoing = guarded({"inside.example": [address]})
    for way in OUT.values():
        with pytest.raises(Unreachable, match="private or reserved"):
            await way(outgoing, "http://inside.example/")


LITERALS = [
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.0.0.1.1", "0127.0.0.1", "127.0.0.1\u2024", "127.0.0.256",
    "2130706433", "2130706433.", "02130706433", "017700000001", "0o17700000001", "0x7f000001", "0X7F000001", "0x7f000001.",
    "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.0x0.0.1", "00000177.0.0.1", "127.0x1", "4294967296", "6425673729",
    "0", "0.0.0.0", "0x0", "00", "-1", "1e3", "127.0.0.1e0", "0x", "0x.1", "127..1", ".127.0.0.1", "127.0.0.1..",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:7f00:1]", "[::7f00:1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::5efe:7f00:1]",
    "[::1%25lo]", "[::1%lo]", "[::1%2525lo]", "[::1%00]", "[fe80::1%251]", "[::1", "::1", "[::1]]", "[[::1]]", "[127.0.0.1]",
    "[v1.127]", "[::ffff:0x7f.1]", "[::1].", "[::1]example.org",
    "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.⓪.⓪.①", "𝟏𝟐𝟕.𝟎.𝟎.𝟏", "١٢٧.٠.٠.١", "²¹³⁰⁷⁰⁶⁴³³", "0ｘ7f000001",
    "127.0.0.\u00ad1", "127.0.0.\u200b1", "127.0.0.\u20601", "\ufeff127.0.0.1", "127.0.0.1\u3002", "1\u034f27.0.0.1",
    "localhost", "LOCALHOST", "localhost.", "localhost..", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "loc\u00adalhost", "localhoſt", "xn--localhost-",
    "xn--", "xn--0", "xn---", "xn--127-", "%6c%6fcalhost", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "127.0.0.1%00", "127.0.0.1%20",
    "127.0.0.1%2f", "127.0.0.1%23", "127.0.0.1;", "127.0.0.1,example.org", "127.0.0.1&", "127.0.0.1|", "127.0.0.1`", "127.0.0.1^",
    "user@127.0.0.1", "user:pass@127.0.0.1", "example.org@127.0.0.1", "example.org%40127.0.0.1", "example.org:80@127.0.0.1",
    "@127.0.0.1", ":@127.0.0.1", "a@b@127.0.0.1", "example.org\\@127.0.0.1", "127.0.0.1\\.example.org", "example.org＠127.0.0.1",
    "example.org#@127.0.0.1", "example.org?@127.0.0.1", "example.org;@127.0.0.1", "127.0.0.1\t", "\t127.0.0.1", "127.0.\n0.1",
    "127.0.0.1\r\nHost: example.org\r\n", "127.0.0.1 ", "a" * 64, f"{'a' * 64}.example", ".".join(["a" * 60] * 5), "a" * 5000,
    "metadata", "metadata.google.internal", "169.254.169.254", "[fd00:ec2::254]", "instance-data", "host.docker.internal",
]  # fmt: skip
INNER = ("localhost", "localhost.", "metadata", "metadata.google.internal", "instance-data", "host.docker.internal")


def _hosts(port: int) -> dict[str, Sequence[str]]:
    """What a house's own name server says. Everything else it does not know."""
    return {"start.example": [PUBLIC]} | {name: ["127.0.0.1", "::1"] for name in INNER}


@pytest.mark.parametrize("literal", LITERALS)
async def test_no_way_of_writing_an_address_leads_home(guarded: Callable[..., Outgoing], literal: str) -> None:
    asked: list[str] = []
    async with Peer() as peer:
        outgoing = guarded(_hosts(peer.port), asked)
        for way, url in product(OUT.values(), (f"http://{literal}:{peer.port}/", f"http://{literal}:{peer.port}")):
            with pytest.raises(Unreachable):
                await way(outgoing, url)
    assert peer.connections == 0
    assert [host for host in asked if _is_number(host) or not _is_name(host)] == []


def _is_number(host: str) -> bool:
    """Whether a system's own reader, which takes octal, hexadecimal and whole numbers, would make an address of it."""
    try:
        socket.inet_aton(host.removesuffix("."))
    except OSError:
        return False
    return True


def _is_name(host: str) -> bool:
    try:
        return len(host.encode("idna")) <= 254
    except UnicodeError:
        return False


@pytest.mark.parametrize("scheme", ["HTTP://", "http:/", "http:", "http:///", "http:////", "//", "/\\/", "http:\\\\", "hTTp://", "https://"])  # fmt: skip
async def test_no_way_of_writing_a_scheme_leads_home(guarded: Callable[..., Outgoing], scheme: str) -> None:
    async with Peer() as peer:
        outgoing = guarded()
        for way in OUT.values():
            with pytest.raises(Unreachable):
                await way(outgoing, f"{scheme}127.0.0.1:{peer.port}/")
    assert peer.connections == 0


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "dict", "ldap", "tftp", "ws", "wss", "jar", "data", "unix", "http+unix", "javascript", "httpx", "ssh"])  # fmt: skip
async def test_only_the_webs_own_schemes_are_spoken(guarded: Callable[..., Outgoing], scheme: str) -> None:
    async with Peer(address=PUBLIC) as peer:
        outgoing = guarded({"start.example": [PUBLIC]})
        for way, path in product(OUT.values(), (f"//start.example:{peer.port}/", "///etc/passwd", ":x")):
            with pytest.raises(Unreachable):
                await way(outgoing, f"{scheme}:{path}")
    assert peer.connections == 0


PORTS = [
    "22",
    "25",
    "6379",
    "0",
    "-80",
    "+80",
    "080x",
    "65536",
    "99999999999999999999",
    "8 0",
    "２２",
    "0x16",
    "22/",
    "80:22",
]


@pytest.mark.parametrize("port", PORTS)
async def test_ports_are_read_strictly(guarded: Callable[..., Outgoing], port: str) -> None:
    outgoing = guarded({"start.example": [PUBLIC]})
    for way in OUT.values():
        with pytest.raises(Unreachable, match=r"Port|no web address"):
            await way(outgoing, f"http://start.example:{port}")


@pytest.mark.parametrize("order", [(PUBLIC, "127.0.0.1"), ("127.0.0.1", PUBLIC), ("10.0.0.1", "127.0.0.1", PUBLIC)])
@pytest.mark.parametrize("name", OUT)
async def test_of_several_addresses_the_private_one_is_never_called(
    guarded: Callable[..., Outgoing], name: str, order: Sequence[str]
) -> None:
    outgoing = guarded({"mixed.example": order})
    async with Peer() as private:
        # nobody listens at the public one: a client that goes on to the next address would come home
        with pytest.raises(Unreachable):
            await OUT[name](outgoing, f"http://mixed.example:{private.port}/")
        async with Peer(address=PUBLIC, port=private.port) as public:
            await OUT[name](outgoing, f"http://mixed.example:{private.port}/")
    assert (private.connections, len(public.requests)) == (0, 1)


@pytest.mark.parametrize("name", OUT)
async def test_a_name_that_moves_between_two_look_ups_leads_nowhere(
    make_outgoing: Callable[..., Outgoing], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(wire, "_NAMES_SECONDS", 0)
    asked = chain([[PUBLIC], ["127.0.0.1"]], repeat(["127.0.0.1"]))

    async def resolver(host: str) -> Sequence[str]:
        return next(asked)

    outgoing = make_outgoing(allow_private_addresses=False, resolver=resolver)
    once = answer_with(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    async with Peer(once, address=PUBLIC) as public, Peer(port=public.port) as private:
        await OUT[name](outgoing, f"http://moving.example:{public.port}/")
        for _ in range(3):
            with pytest.raises(Unreachable, match="private or reserved"):
                await OUT[name](outgoing, f"http://moving.example:{public.port}/")
    assert (len(public.requests), private.connections) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("hop", [0, 1, 2])
async def test_every_hop_is_guarded(guarded: Callable[..., Outgoing], status: int, hop: int) -> None:
    """Some steps in public, then one inside, by a number and by a name."""

    inside = ""

    async def lead_on(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        step = int(arrived.path.rsplit("/", 1)[1])
        there = f"/{step + 1}" if step < hop else inside
        writer.write(f"HTTP/1.1 {status} Go\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode())

    async with Peer() as private, Peer(lead_on, address=PUBLIC) as public:
        outgoing = guarded(_hosts(0) | {"inside.example": ["127.0.0.1"]})
        for where in (f"{private.url}/", f"http://inside.example:{private.port}/", f"//localhost:{private.port}/"):
            inside = where
            with pytest.raises(Unreachable, match="private or reserved"):
                await outgoing.fetch_public(f"http://start.example:{public.port}/0", largest=100, accept="")
    assert (len(public.requests), private.connections) == (3 * (hop + 1), 0)


@pytest.mark.parametrize("literal", [one for one in LITERALS if "\r" not in one and "\n" not in one])
async def test_no_redirect_leads_home_however_it_is_written(guarded: Callable[..., Outgoing], literal: str) -> None:
    async with Peer() as private:
        there = f"http://{literal}:{private.port}/".encode()
        raw = b"HTTP/1.1 302 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % there
        async with Peer(answer_with(raw, close=False), address=PUBLIC) as public:
            outgoing = guarded(_hosts(private.port))
            with pytest.raises((Unreachable, Rejected)):
                await outgoing.fetch_public(f"http://start.example:{public.port}/", largest=100, accept="")
    assert private.connections == 0


NO_REDIRECTS = {
    "refresh": b"200 OK\r\nRefresh: 0; url=%b",
    "not modified": b"304 Same\r\nLocation: %b",
    "choices": b"300 Choose\r\nLocation: %b",
    "use proxy": b"305 Proxy\r\nLocation: %b",
    "created": b"201 Made\r\nLocation: %b\r\nContent-Location: %b",
    "alternative": b'200 OK\r\nAlt-Svc: h2="%b"\r\nLink: <%b>; rel=preload',
}


@pytest.mark.parametrize("head", NO_REDIRECTS.values(), ids=NO_REDIRECTS.keys())
async def test_nothing_else_leads_anywhere(guarded: Callable[..., Outgoing], head: bytes) -> None:
    async with Peer(address=PUBLIC) as other:
        told = head.replace(b"%b", other.url.encode())
        async with Peer(answer_with(b"HTTP/1.1 " + told + b"\r\nContent-Length: 0\r\n\r\n"), address=PUBLIC) as public:
            answer = await guarded().fetch_public(f"{public.url}/a", largest=100, accept="")
    assert (answer.url, len(public.requests), other.connections) == (f"{public.url}/a", 1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_credential_follows_a_redirect(guarded: Callable[..., Outgoing], status: int) -> None:
    async with Peer(address=PUBLIC) as other:
        raw = f"HTTP/1.1 {status} Go\r\nSet-Cookie: a={SECRET}\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
        async with Peer(answer_with(raw.encode(), close=False), address=PUBLIC) as public:
            outgoing = guarded()
            for name in ("send", "commit", "stranger", "stream"):
                await OUT[name](outgoing, public.url)
            assert other.connections == 0
            await outgoing.fetch_public(f"{public.url}/?key={SECRET}", largest=100, accept=("text/",))
    (arrived,) = other.requests
    assert set(arrived.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert SECRET not in str(arrived)
    assert arrived.headers["user-agent"] == "Hayon/0.1 (+https://example.org)"


async def test_what_is_ours_is_ours_alone(guarded: Callable[..., Outgoing]) -> None:
    """Files and the server itself stand on private addresses: nobody reaches them by calling them a server of theirs."""
    async with Peer() as files, Peer() as platform:
        outgoing = guarded(trusted_origins=[platform.url], own_origins=[files.url])
        reached = {
            (named, peer is files): await _status(outgoing, Request("GET", peer.url, named=named))
            for named, peer in product(Named, (files, platform))
        }
        assert reached == {
            (Named.OPERATOR, True): 200, (Named.OPERATOR, False): 200,
            (Named.PLATFORM, True): None, (Named.PLATFORM, False): 200,
            (Named.STRANGER, True): None, (Named.STRANGER, False): None,
        }  # fmt: skip
        outgoing.trust(files.url)
        assert await _status(outgoing, Request("GET", files.url)) is None
        for peer in (files, platform):
            with pytest.raises(Unreachable):
                await _fetch(outgoing, peer.url)
    assert (len(files.requests), len(platform.requests)) == (1, 2)


async def _status(outgoing: Outgoing, request: Request) -> int | None:
    try:
        return (await outgoing.send(request)).status
    except Unreachable:
        return None


async def test_no_link_card_is_made_of_what_stands_inside(guarded: Callable[..., Outgoing]) -> None:
    """A linked page leads inside by a redirect, and by the address of its picture."""
    async with Peer() as private:
        page = f'<title>t</title><meta property="og:image" content="{private.url}/a.png">'.encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
        moved = f"HTTP/1.1 302 Go\r\nLocation: {private.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with (
            Peer(answer_with(head + page), address=PUBLIC) as public,
            Peer(answer_with(moved), address=PUBLIC) as mover,
        ):
            outgoing = guarded()
            found = await find_page(public.url, outgoing)
            assert found is not None
            assert found.picture == f"{private.url}/a.png"
            assert await find_picture(found.picture, outgoing) is None
            for url in (mover.url, private.url, f"http://localhost:{private.port}/"):
                assert await find_page(url, outgoing) is None
                assert await find_picture(url, outgoing) is None
        assert len(public.requests) == 1
    assert private.connections == 0
