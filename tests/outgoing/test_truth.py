"""Unreachable or Unconfirmed: for each way in which a request can fail, what is said and what really arrived."""

import asyncio
import gzip
import socket
import ssl
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hayon.errors import PlatformError, Unconfirmed, Unreachable
from hayon.outgoing import Deadline, Outgoing, Request, exchange
from tests.outgoing.peer import ANSWER, Arrived, Behave, Peer, answer, answer_with, hang_up, never, reset

SECRET = "geheim-4711"
METHODS = ["GET", "PUT", "DELETE", "POST", "PATCH"]


def _request(url: str, method: str = "POST", largest: int = 2_000_000) -> Request:
    return Request(
        method,
        f"{url}/call?token={SECRET}",
        headers={"Authorization": f"Bearer {SECRET}"},
        query={"key": SECRET},
        body=None if method == "GET" else SECRET.encode(),
        largest_answer=largest,
    )


async def _fail(
    outgoing: Outgoing, request: Request, *, commit: bool = True, deadline: Deadline | None = None
) -> PlatformError:
    """The error of a request that must fail; looks through it for secrets on the way."""
    with pytest.raises(PlatformError) as caught:
        await outgoing.send(request, commit=commit, deadline=deadline)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert SECRET not in shown
    assert caught.value.__context__ is None
    assert len(str(caught.value)) < 200
    return caught.value


CUT = {
    "hangs up": hang_up,
    "resets": reset,
    "half a head": answer_with(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half a body": answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"),
    "half a chunk": answer_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf"),
    "chunks without an end": answer_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
    "no HTTP": answer_with(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "too large a header": answer_with(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "too many headers": answer_with(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 500 + b"Content-Length: 0\r\n\r\n"),
    "broken gzip": answer_with(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
}


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("behave", CUT.values(), ids=CUT.keys())
async def test_no_whole_answer_is_unconfirmed_and_sent_once(
    outgoing: Outgoing, behave: Behave, method: str, commit: bool
) -> None:
    async with Peer(behave) as peer:
        error = await _fail(outgoing, _request(peer.url, method), commit=commit)
        await asyncio.sleep(0)
    assert isinstance(error, Unconfirmed)
    assert not error.proves_absence
    assert len(peer.requests) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_kept_connection_that_drops_is_not_tried_again(outgoing: Outgoing, method: str) -> None:
    async def drop_the_second(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        await (answer if len(peer.requests) == 1 else hang_up)(peer, arrived, writer)

    async with Peer(drop_the_second) as peer:
        await outgoing.send(_request(peer.url, method))
        error = await _fail(outgoing, _request(peer.url, method), commit=False)
        await asyncio.sleep(0.01)
    assert isinstance(error, Unconfirmed)
    assert [arrived.connection for arrived in peer.requests] == [1, 1]


async def test_a_connection_cut_before_anything_was_read_counts_as_sent(outgoing: Outgoing) -> None:
    async with Peer(read=False) as peer:
        error = await _fail(outgoing, _request(peer.url))
    assert isinstance(error, Unconfirmed)
    assert (peer.connections, peer.requests) == (1, [])


@pytest.mark.parametrize("method", METHODS)
async def test_a_silent_server_is_unconfirmed_when_the_deadline_passes(outgoing: Outgoing, method: str) -> None:
    async with Peer(never) as peer:
        error = await _fail(outgoing, _request(peer.url, method), deadline=Deadline.after(0.1))
        assert len(peer.requests) == 1
    assert isinstance(error, Unconfirmed)
    assert len(peer.requests) == 1


async def test_an_answer_that_trickles_past_the_deadline_is_unconfirmed(outgoing: Outgoing) -> None:
    async def trickle(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not peer.over.is_set():
            writer.write(b".")
            await asyncio.sleep(0.02)

    async with Peer(trickle) as peer:
        error = await _fail(outgoing, _request(peer.url), deadline=Deadline.after(0.15))
    assert isinstance(error, Unconfirmed)
    assert len(peer.requests) == 1


def _squeezed(bits: int) -> bytes:
    """100 MB of nothing, small: gzip with 31 window bits, deflate with 15."""
    squeeze = zlib.compressobj(9, wbits=bits)
    return b"".join([*(squeeze.compress(bytes(1_000_000)) for _ in range(100)), squeeze.flush()])


def _bomb(coding: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


LARGE: dict[str, Callable[[], bytes]] = {
    "declared": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + bytes(3_000_000),
    "until the end": lambda: b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3_000_000),
    "chunked": lambda: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 60
    ),
    "gzip bomb": lambda: _bomb("gzip", _squeezed(31)),
    "deflate bomb": lambda: _bomb("deflate", _squeezed(15)),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
async def test_an_answer_larger_than_allowed_is_not_read(outgoing: Outgoing, make: Callable[[], bytes]) -> None:
    raw = make()
    async with Peer(answer_with(raw)) as peer:
        tracemalloc.start()
        try:
            error = await _fail(outgoing, _request(peer.url, largest=1_000_000))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(error, Unconfirmed)
    assert len(peer.requests) == 1
    assert peak < 12_000_000


async def test_an_answer_as_large_as_allowed_is_read(outgoing: Outgoing) -> None:
    body = gzip.compress(bytes(1_000_000))
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with Peer(answer_with(raw)) as peer:
        answer = await outgoing.send(_request(peer.url, largest=1_000_000))
        error = await _fail(outgoing, _request(peer.url, largest=999_999))
    assert answer.body == bytes(1_000_000)
    assert isinstance(error, Unconfirmed)


@pytest.mark.parametrize("commit", [False, True])
async def test_refused_connections_are_unreachable(outgoing: Outgoing, commit: bool) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        error = await _fail(outgoing, _request(f"http://127.0.0.1:{taken.getsockname()[1]}"), commit=commit)
    assert isinstance(error, Unreachable)
    assert (error.host, error.proves_absence) == ("127.0.0.1", True)
    assert "refuses connections" in str(error)


@pytest.mark.parametrize("found", [[], socket.gaierror(socket.EAI_NONAME, SECRET)])
async def test_unknown_names_are_unreachable(make_outgoing: Callable[..., Outgoing], found: object) -> None:
    async def resolver(host: str) -> Sequence[str]:
        if isinstance(found, Exception):
            raise found
        return []

    error = await _fail(make_outgoing(resolver=resolver), _request("https://nowhere.example"))
    assert isinstance(error, Unreachable)
    assert (error.host, "no such name" in str(error)) == ("nowhere.example", True)


async def test_a_deadline_that_passes_in_the_name_server_is_unreachable(make_outgoing: Callable[..., Outgoing]) -> None:
    async def resolver(host: str) -> Sequence[str]:
        await asyncio.sleep(0.2)
        return ["127.0.0.1"]

    async with Peer() as peer:
        outgoing = make_outgoing(resolver=resolver)
        request = _request(f"http://slow.example:{peer.port}")
        error = await _fail(outgoing, request, deadline=Deadline.after(0.05))
    assert isinstance(error, Unreachable)
    assert peer.connections == 0


async def test_a_deadline_that_has_passed_sends_nothing(outgoing: Outgoing) -> None:
    async with Peer() as peer:
        await outgoing.send(_request(peer.url))
        for commit in (False, True):
            error = await _fail(outgoing, _request(peer.url), commit=commit, deadline=Deadline.after(0))
            assert isinstance(error, Unreachable)
    assert len(peer.requests) == peer.begun == 1


class _Sleep:
    """Lets the machine sleep an hour: the clock that counts suspension jumps, asyncio's own does not."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._hours = 0
        real = time.clock_gettime
        patch.setattr(exchange.time, "clock_gettime", lambda clock: real(clock) + 3600 * self._hours)

    def __call__(self) -> None:
        self._hours += 1


async def test_a_machine_that_slept_while_connecting_sends_nothing(
    make_outgoing: Callable[..., Outgoing], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = _Sleep(monkeypatch)

    async def resolver(host: str) -> Sequence[str]:
        sleep()
        return ["127.0.0.1"]

    async with Peer() as peer:
        outgoing = make_outgoing(resolver=resolver)
        error = await _fail(outgoing, _request(f"http://sleepy.example:{peer.port}"))
    assert isinstance(error, Unreachable)
    assert (peer.connections, peer.begun) == (1, 0)


async def test_a_machine_that_slept_while_sending_sends_no_more(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = _Sleep(monkeypatch)
    arrived = 0
    over = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += len(await reader.read(1000))
        sleep()
        while piece := await reader.read(1_000_000):
            arrived += len(piece)
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await _fail(outgoing, Request("POST", url, body=bytes(50_000_000)))
        await over.wait()
    assert isinstance(error, Unconfirmed)
    assert 0 < arrived < 50_000_000


async def test_waiting_for_a_free_connection_is_unreachable(make_outgoing: Callable[..., Outgoing]) -> None:
    outgoing = make_outgoing(per_host=1)
    async with Peer(never) as peer:
        first = asyncio.create_task(outgoing.send(_request(peer.url)))
        await peer.arrival.wait()
        error = await _fail(outgoing, _request(peer.url), commit=False, deadline=Deadline.after(0.05))
        assert isinstance(error, Unreachable)
        waiting = asyncio.create_task(_fail(outgoing, _request(peer.url), commit=False))
        await asyncio.sleep(0.01)
        await outgoing.aclose()
        assert isinstance(await waiting, Unreachable)
        with pytest.raises(Unconfirmed):
            await first
        for commit in (False, True):
            assert isinstance(await _fail(outgoing, _request(peer.url), commit=commit), Unreachable)
    assert (len(peer.requests), peer.connections) == (1, 1)


async def test_who_cancels_gets_a_cancellation(outgoing: Outgoing) -> None:
    async with Peer(never) as peer:
        task = asyncio.create_task(outgoing.send(_request(peer.url), commit=True))
        await peer.arrival.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_certificate_that_nobody_vouches_for_is_unreachable(outgoing: Outgoing, tmp_path: Path) -> None:
    async with Peer(tls=_own_certificate(tmp_path)) as peer:
        error = await _fail(outgoing, _request(peer.url))
    assert isinstance(error, Unreachable)
    assert "certificate" in str(error)
    assert peer.requests == []


async def test_a_server_without_tls_is_unreachable_over_https(outgoing: Outgoing) -> None:
    async with Peer(answer_with(ANSWER)) as peer:
        error = await _fail(outgoing, _request(peer.url.replace("http:", "https:")), deadline=Deadline.after(0.3))
    assert isinstance(error, Unreachable)
    assert peer.requests == []


def _own_certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "own.pem"
    path.write_bytes(certificate + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
