"""The guard: whoever names an address, nothing but the public internet is called, however it is written or moved."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import chain, repeat

import pytest

from hayon.errors import Misconfigured, Rejected, Unconfirmed, Unreachable
from hayon.outgoing import Outgoing, Request, wire
from hayon.outgoing.addresses import is_public
from tests.outgoing.peer import Arrived, Behave, Peer, answer_with

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "168.63.129.16",
    "::", "::1", "::7f00:1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "3fff::1", "100::1", "64:ff9b:1::1", "5f00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",                       # IPv4-mapped
    "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1",                           # 6to4
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",              # NAT64
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::1",                               # Teredo
    "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1",                     # ISATAP
    "localhost", "", "1.2.3", "0x7f000001",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.255.255", "192.0.1.1",
    "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::1.1.1.1", "::ffff:8.8.8.8",
    "2a00:1450::5efe:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


WAYS_HOME = [
    "http://127.0.0.1:{port}", "http://127.0.0.1:{port}/#@example.org", "http://LOCALHOST:{port}", "http://localhost.:{port}",
    "http://127.1:{port}", "http://127.0.1:{port}", "http://2130706433:{port}", "http://0x7f000001:{port}",
    "http://0x7f.0.0.1:{port}", "http://0x7F.1:{port}", "http://017700000001:{port}", "http://0177.0.0.1:{port}",
    "http://127.0.0.01:{port}", "http://127.0.0.1.:{port}", "http://0:{port}", "http://0.0.0.0:{port}",
    "http://[::1]:{port}", "http://[::]:{port}", "http://[::ffff:127.0.0.1]:{port}", "http://[::ffff:7f00:1]:{port}",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}", "http://[::127.0.0.1]:{port}", "http://[::1%25lo]:{port}", "http://[::1%lo]:{port}",
    "http://１２７.０.０.１:{port}", "http://127。0。0。1:{port}", "http://①②⑦.⓪.⓪.①:{port}", "http://ⓛocalhost:{port}",
    "http://%31%32%37.0.0.1:{port}", "http://127.0.0.1%2f@example.org:{port}", "http://127.0.0.1%00.example.org:{port}",
    "http://example.org@127.0.0.1:{port}", "http://127.0.0.1:{port}@127.0.0.1:{port}/", "http://@127.0.0.1:{port}",
    "http://127.0.0.1:{port}\\@example.org", "http://example.org\\@127.0.0.1:{port}", "http:\\\\127.0.0.1:{port}",
    "http:127.0.0.1:{port}", "http:///127.0.0.1:{port}", "//127.0.0.1:{port}", "127.0.0.1:{port}",
    "http://127.0.0.1 :{port}", "http://127.0.0.1\t:{port}", " http://127.0.0.1:{port}", "http://127.0.0.1:{port}\r\nX: y",
    "HTTP://127.0.0.1:{port}", "ftp://127.0.0.1:{port}", "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "ws://127.0.0.1:{port}",
    "data:text/html,hi", "http+unix://%2Ftmp/x", "", "http://", "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:-1",
    "http://private.example:{port}", "http://mixed.example:{port}", "http://six.example:{port}",
]  # fmt: skip


async def _resolver(host: str) -> Sequence[str]:
    """The system's numbers and names, and some names that somebody pointed at the inside."""
    own = {
        "private.example": ["127.0.0.1"],
        "mixed.example": ["127.0.0.1", "::1", "10.1.2.3"],
        "six.example": ["::ffff:127.0.0.1", "::1"],
    }
    if host in own:
        return own[host]
    loop = asyncio.get_running_loop()
    return [str(found[4][0]) for found in await loop.getaddrinfo(host, 80, type=socket.SOCK_STREAM)]


@pytest.mark.parametrize("way", WAYS_HOME)
async def test_no_way_leads_home(make_outgoing: Callable[..., Outgoing], way: str) -> None:
    outgoing = make_outgoing(allow_private_addresses=False, resolver=_resolver)
    async with Peer() as peer:
        url = way.replace("{port}", str(peer.port))
        for commit in (False, True):
            with pytest.raises(Unreachable):
                await outgoing.send(Request("GET", url), commit=commit)
        with pytest.raises(Unreachable):
            await outgoing.fetch_public(url, largest=100, accept="")
    assert peer.connections == 0


async def test_the_same_door_opens_where_private_addresses_are_allowed(make_outgoing: Callable[..., Outgoing]) -> None:
    outgoing = make_outgoing(resolver=_resolver)
    async with Peer() as peer:
        for host in ("127.0.0.1", "private.example", "mixed.example"):
            assert (await outgoing.send(Request("GET", f"http://{host}:{peer.port}"))).status == 200
        for trick in (
            f"{peer.url}/a b",
            f"{peer.url}/ HTTP/1.1\r\nX: y",
            f"http://0x7f000001:{peer.port}",
            f"http://2130706433:{peer.port}",
            f"http://a@127.0.0.1:{peer.port}",
            "http://127.0.0.1:22",
        ):
            with pytest.raises(Unreachable):
                await outgoing.send(Request("GET", trick))
    assert (len(peer.requests), peer.begun) == (3, 3)


async def test_a_trusted_origin_is_scheme_host_and_port(make_outgoing: Callable[..., Outgoing]) -> None:
    async with Peer() as trusted, Peer() as other:
        outgoing = make_outgoing(allow_private_addresses=False, trusted_origins=[f"{trusted.url}/ignored/path"])
        assert (await outgoing.send(Request("GET", f"{trusted.url}/x"))).status == 200
        assert (await outgoing.send(Request("GET", f"{trusted.url}/x"), commit=True)).status == 200
        for url in (other.url, trusted.url.replace("127.0.0.1", "localhost"), trusted.url.replace("http", "https")):
            with pytest.raises(Unreachable):
                await outgoing.send(Request("GET", url))
        with pytest.raises(Unreachable):
            await outgoing.fetch_public(trusted.url, largest=100, accept="")
    assert (len(trusted.requests), trusted.connections, other.connections) == (2, 2, 0)


def test_a_trusted_origin_that_is_none_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match=r"example\.org"):
        Outgoing(identity="x", trusted_origins=["example.org"])


@pytest.mark.parametrize("port", [1, 22, 25, 465, 587, 2375, 3306, 5432, 6379, 6667, 11211, 27017])
async def test_ports_where_no_web_server_is_expected_are_refused(outgoing: Outgoing, port: int) -> None:
    with pytest.raises(Unreachable, match=f"Port {port}"):
        await outgoing.send(Request("GET", f"http://127.0.0.1:{port}/"))


@pytest.fixture
def only_two_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 plays the public internet, since tests call nobody outside; all else is judged as always."""
    monkeypatch.setattr(wire, "is_public", lambda address: address == "127.0.0.2" or is_public(address))


@pytest.mark.usefixtures("only_two_is_public")
async def test_a_name_that_moves_inside_after_it_was_looked_up_leads_nowhere(
    make_outgoing: Callable[..., Outgoing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_NAMES_SECONDS", 0)
    monkeypatch.setattr(wire, "_KEEP_FOR_COMMIT_SECONDS", 0)  # each call looks the name up and connects anew
    asked = chain([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]], repeat(["127.0.0.1"]))

    async def resolver(host: str) -> Sequence[str]:
        return next(asked)

    outgoing = make_outgoing(allow_private_addresses=False, resolver=resolver)
    async with Peer(address="127.0.0.2") as public, Peer(port=public.port) as private:
        url = f"http://rebinding.example:{public.port}/"
        assert (await outgoing.send(Request("GET", url), commit=True)).status == 200
        with pytest.raises(Unreachable, match="private"):
            await outgoing.send(Request("GET", url), commit=True)
        assert (await outgoing.send(Request("GET", url), commit=True)).status == 200
        with pytest.raises(Unreachable):
            await outgoing.fetch_public(url, largest=100, accept="")
    assert (len(public.requests), private.connections) == (2, 0)


INWARD = [
    "http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://localhost:{port}", "http://2130706433:{port}/", "http://[::1]:{port}",
    "http://a@127.0.0.1:{port}", "file:///etc/passwd", "ftp://127.0.0.2/", "javascript:alert(1)", "http://127.0.0.2:22/",
    "http://moved.example:{port}/", "\\\\127.0.0.1:{port}\\", "http://[", "http://127.0.0.1:{port}/ with space",
]  # fmt: skip


@pytest.mark.usefixtures("only_two_is_public")
@pytest.mark.parametrize("location", INWARD)
async def test_no_redirect_leads_home(make_outgoing: Callable[..., Outgoing], location: str) -> None:
    async def resolver(host: str) -> Sequence[str]:
        return ["127.0.0.2"] if host == "start.example" else ["127.0.0.1"]

    outgoing = make_outgoing(allow_private_addresses=False, resolver=resolver)
    async with Peer() as private:
        where = location.replace("{port}", str(private.port))
        raw = f"HTTP/1.1 302 Go\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
        async with Peer(answer_with(raw, close=False), address="127.0.0.2") as public:
            with pytest.raises((Unreachable, Rejected)):
                await outgoing.fetch_public(f"http://start.example:{public.port}/", largest=100, accept="text/")
    assert private.connections == 0
    assert {arrived.path for arrived in public.requests} <= {"/", "/%5C%5C127.0.0.1:" + f"{private.port}%5C"}


async def test_a_redirect_to_a_port_where_no_web_server_is_expected_is_refused(outgoing: Outgoing) -> None:
    raw = b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:22/\r\nContent-Length: 0\r\n\r\n"
    async with Peer(answer_with(raw)) as peer:
        with pytest.raises(Unreachable, match="Port 22"):
            await outgoing.fetch_public(peer.url, largest=100, accept="")


def leading(**ways: str) -> Behave:
    """A server that leads on from some paths, and holds a picture at all others."""

    async def behave(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        to = ways.get(arrived.path.strip("/"))
        raw = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\nok"
        if to is not None:
            raw = f"HTTP/1.1 302 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
        writer.write(raw)
        await writer.drain()

    return behave


async def test_a_servers_own_pictures_may_be_where_the_operator_said_that_it_is(
    make_outgoing: Callable[..., Outgoing],
) -> None:
    async with Peer() as other:
        ways = {"on": "/there", "away": f"{other.url}/secret"}
        async with Peer(leading(**ways)) as home:
            outgoing = make_outgoing(allow_private_addresses=False, trusted_origins=[home.url])

            async def fetch(path: str, named_by: str = f"{home.url}/api", at: str = home.url) -> int:
                return (
                    await outgoing.fetch_public(f"{at}/{path}", largest=100, accept="image/", named_by=named_by)
                ).status

            assert (await fetch("a.png"), await fetch("on")) == (200, 200)
            asked = len(home.requests)
            for path, named_by, at in (
                ("a.png", "", home.url),
                ("a.png", other.url, home.url),
                ("a.png", other.url, other.url),
                ("a.png", f"{home.url}/api", other.url),
            ):
                with pytest.raises(Unreachable):
                    await fetch(path, named_by, at)
            assert len(home.requests) == asked
            with pytest.raises(Unreachable):
                await fetch("away")
    assert other.connections == 0


@pytest.mark.usefixtures("only_two_is_public")
async def test_who_was_led_away_does_not_come_back_as_somebody_who_is_trusted(
    make_outgoing: Callable[..., Outgoing],
) -> None:
    async with Peer() as home, Peer(leading(back=f"{home.url}/secret"), address="127.0.0.2") as away:
        home.behave = leading(out=f"{away.url}/back")
        outgoing = make_outgoing(allow_private_addresses=False, trusted_origins=[home.url], resolver=_resolver)
        with pytest.raises(Unreachable):
            await outgoing.fetch_public(f"{home.url}/out", largest=100, accept="image/", named_by=home.url)
    assert ([one.path for one in home.requests], [one.path for one in away.requests]) == (["/out"], ["/back"])


async def test_redirects_are_followed_as_far_as_allowed(outgoing: Outgoing) -> None:
    async def lead_on(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        step = int(arrived.path.strip("/") or 0)
        if step == 3:
            body = b"<title>there</title>"
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
        else:
            writer.write(
                f"HTTP/1.1 30{step % 2 + 1} Go\r\nLocation: /{step + 1}\r\nContent-Length: 3\r\n\r\nabc".encode()
            )

    async with Peer(lead_on) as peer:
        answer = await outgoing.fetch_public(peer.url, largest=100, accept="text/html")
        assert (answer.body, answer.url) == (b"<title>there</title>", f"{peer.url}/3")
        assert len(peer.requests) == 4
        with pytest.raises(Rejected):
            await outgoing.fetch_public(peer.url, largest=100, accept="text/html", hops=2)
    assert len(peer.requests) == 7
    assert peer.requests[0].headers["accept"] == "text/html"


async def test_only_what_is_of_use_is_read(outgoing: Outgoing) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 500\r\n\r\n" + b"a" * 500
    lost = b"HTTP/1.1 404 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
    async with Peer(answer_with(page)) as peer:
        with pytest.raises(Rejected, match="text/html"):
            await outgoing.fetch_public(peer.url, largest=1000, accept="image/")
        with pytest.raises(Unconfirmed):
            await outgoing.fetch_public(peer.url, largest=100, accept="text/html")
        answer = await outgoing.fetch_public(peer.url, largest=100, accept=("text/html", "image/"), cut=True)
        assert answer.body == b"a" * 100
    async with Peer(answer_with(lost)) as peer:
        assert (await outgoing.fetch_public(peer.url, largest=100, accept="image/")).status == 404
