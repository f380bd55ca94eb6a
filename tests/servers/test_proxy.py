"""The proxy carries, cuts, delays and swallows as it is told."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers.ports import LOOPBACK
from tests.servers.proxy import Proxy, running_proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it is sent."""
    server = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[peer], daemon=True).start()

    def answer(peer: socket.socket) -> None:
        with peer:
            try:
                while said := peer.recv(4096):
                    peer.sendall(said)
            except OSError:
                return

    taking = threading.Thread(target=serve, daemon=True)
    taking.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    taking.join()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with running_proxy(echo) as running:
        yield running


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=10)


def ask(link: socket.socket, said: bytes) -> bytes:
    link.sendall(said)
    return link.recv(4096)


def test_it_carries(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        assert (ask(one, b"one"), ask(other, b"other")) == (b"one", b"other")
        assert proxy.links == 2


def test_a_cut_ends_every_link_and_new_ones_are_taken(proxy: Proxy) -> None:
    with connect(proxy) as link:
        assert ask(link, b"before") == b"before"
        proxy.cut()
        with pytest.raises(ConnectionError):
            ask(link, b"after")
    with connect(proxy) as link:
        assert ask(link, b"again") == b"again"


def test_nobody_connects_while_it_refuses(proxy: Proxy) -> None:
    with connect(proxy) as link:
        assert ask(link, b"before") == b"before"
        proxy.refuse()
        with pytest.raises(ConnectionError):
            ask(link, b"after")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.restore()
    with connect(proxy) as link:
        assert ask(link, b"again") == b"again"


def test_a_black_hole_keeps_links_and_lets_nothing_through(proxy: Proxy) -> None:
    with connect(proxy) as link:
        assert ask(link, b"before") == b"before"
        proxy.black_hole()
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(link, b"swallowed")
        with connect(proxy) as new:
            new.settimeout(0.3)
            with pytest.raises(TimeoutError):
                ask(new, b"swallowed too")
        link.settimeout(10)
        proxy.restore()
        assert link.recv(4096) == b"swallowed"


def test_a_delay_holds_up_each_way(proxy: Proxy) -> None:
    with connect(proxy) as link:
        assert ask(link, b"at once") == b"at once"
        proxy.delay(0.2)
        started = time.monotonic()
        assert ask(link, b"later") == b"later"
        assert time.monotonic() - started >= 0.4
