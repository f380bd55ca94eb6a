"""Answers made to harm: bombs, lies about lengths, endless heads, drips. Each ends in time and in bounds, on every way out."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from hayon.errors import PlatformError, Unconfirmed
from hayon.outgoing import Answer, Deadline, Outgoing, Request
from tests.outgoing.peer import Arrived, Behave, Peer, never
from tests.outgoing.test_bypasses import OUT, _fetch


def _packed(content: bytes, coding: str, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {size}\r\n\r\n".encode() + content


def _bomb() -> bytes:
    squeeze = zlib.compressobj(9, wbits=31)
    return b"".join([*(squeeze.compress(bytes(1_000_000)) for _ in range(200)), squeeze.flush()])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIES: dict[str, Callable[[], bytes]] = {
    "gzip bomb": lambda: _packed(_bomb(), "gzip"),
    "gzip in gzip": lambda: _packed(gzip.compress(_bomb()), "gzip, gzip"),
    "many members": lambda: _packed(gzip.compress(b"") * 20_000, "gzip"),
    "members of a bomb": lambda: _packed(_bomb() * 20, "gzip"),
    "raw deflate": lambda: _packed(zlib.compress(bytes(50_000_000))[2:-4], "deflate"),
    "brotli": lambda: _packed(b"\xcf\xff\xff\x7f\xf8" * 1000, "br"),
    "zstd": lambda: _packed(b"\x28\xb5\x2f\xfd" + b"\xff" * 1000, "zstd"),
    "chunked bomb": lambda: (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_bomb()), _bomb())
    ),
    "chunk beyond counting": lambda: CHUNKED + b"ffffffffffffffffffffffff\r\nab",
    "chunk below nothing": lambda: CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
    "chunk that is no number": lambda: CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "chunk shorter than told": lambda: CHUNKED + b"5\r\nabc\r\n0\r\n\r\n",
    "chunk longer than told": lambda: CHUNKED + b"3\r\nabcde\r\n0\r\n\r\n",
    "chunk extension": lambda: CHUNKED + b"5;" + b"a" * 5_000_000,
    "chunk size without end": lambda: CHUNKED + b"0" * 5_000_000,
    "trailers": lambda: CHUNKED + b"0\r\n" + b"X: " + b"a" * 5_000_000,
    "many trailers": lambda: CHUNKED + b"0\r\n" + b"X: a\r\n" * 1_000_000,
    "both lengths": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + CHUNKED[17:] + b"5\r\nabc",
    "two lengths": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nabcde",
    "length below nothing": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcde",
    "length beyond counting": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabcde",
    "length that is no number": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 5a\r\n\r\nabcde",
    "header without end": lambda: b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000_000,
    "name without end": lambda: b"HTTP/1.1 200 OK\r\n" + b"a" * 20_000_000,
    "headers without end": lambda: b"HTTP/1.1 200 OK\r\n" + b"X-Y: aaaaaaaaaaaaaaaaaaaaaa\r\n" * 1_000_000,
    "reason without end": lambda: b"HTTP/1.1 200 " + b"a" * 20_000_000,
    "cookies": lambda: b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 100_000,
    "folded": lambda: b"HTTP/1.1 200 OK\r\nX: a\r\n" + b" b\r\n" * 1_000_000,
    "no answer but promises": lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000,
    "another protocol": lambda: b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + bytes(5_000_000),
    "no status": lambda: b"HTTP/1.1 abc OK\r\n\r\n",
    "status below nothing": lambda: b"HTTP/1.1 -1 OK\r\n\r\n",
    "status beyond": lambda: b"HTTP/1.1 99999 OK\r\n\r\n",
    "version": lambda: b"HTTP/9.9 200 OK\r\n\r\n" + bytes(5_000_000),
    "no version": lambda: b"<html>" + bytes(5_000_000),
    "NUL in a header": lambda: b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "bare line ends": lambda: b"HTTP/1.1 200 OK\nX: a\n\n" + bytes(5_000_000),
    "bytes that are no text": lambda: b"HTTP/1.1 200 \xff\r\nX: \xff\xfe\r\n\xff: a\r\nContent-Length: 0\r\n\r\n",
    "larger than told": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + bytes(20_000_000),
    "until the end": lambda: b"HTTP/1.1 200 OK\r\n\r\n" + bytes(20_000_000),
    "location": lambda: b"HTTP/1.1 302 Go\r\nLocation: http://[\r\nLocation: " + b"a" * 30_000 + b"\r\n\r\n",
}
LARGEST = 1_000_000


@pytest.mark.parametrize("make", LIES.values(), ids=LIES.keys())
async def test_no_answer_takes_more_than_it_may(outgoing: Outgoing, make: Callable[[], bytes]) -> None:
    """Whatever is answered, it ends in time and in bounds: with an answer as large as allowed, or with an error of ours."""
    raw = make()
    for ask in (_asked, _fetched):
        async with Peer(_pouring(raw)) as peer:
            tracemalloc.start()
            began = time.perf_counter()
            try:
                answer = await ask(outgoing, peer.url)
                took = time.perf_counter() - began
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert answer is None or len(answer.body) <= LARGEST
        assert took < 5
        assert peak < 16 * LARGEST
        assert len(peer.requests) == 1


async def _asked(outgoing: Outgoing, url: str) -> Answer | None:
    try:
        return await outgoing.send(Request("POST", url, json={}, largest_answer=LARGEST), deadline=Deadline.after(1))
    except Unconfirmed:  # it was sent: whatever came back proves nothing
        return None


async def _fetched(outgoing: Outgoing, url: str) -> Answer | None:
    try:
        return await outgoing.fetch_public(url, largest=LARGEST, accept="", cut=True, deadline=Deadline.after(1))
    except PlatformError:
        return None


def _pouring(raw: bytes) -> Behave:
    """Writes all of it as far as somebody takes it, a piece at a time, then hangs up."""

    async def behave(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(raw), 65_536):
            writer.write(raw[start : start + 65_536])
            await writer.drain()
        writer.close()

    return behave


DRIPS = {
    "head": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "promises": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"),
    "chunks": (CHUNKED, b"1\r\na\r\n"),
    "chunk sizes": (CHUNKED, b"0"),
    "chunk extensions": (CHUNKED + b"1;", b"a"),
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n"),
}


@pytest.mark.parametrize(("start", "drop"), DRIPS.values(), ids=DRIPS.keys())
@pytest.mark.parametrize("name", OUT)
async def test_who_drips_is_left(make_outgoing: Callable[..., Outgoing], name: str, start: bytes, drop: bytes) -> None:
    async def drip(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not peer.over.is_set():
            writer.write(drop)
            await asyncio.sleep(0.01)

    outgoing = make_outgoing(timeout_seconds=0.3)
    async with Peer(drip) as peer:
        began = time.perf_counter()
        with pytest.raises(Unconfirmed):
            await asyncio.wait_for(OUT[name](outgoing, peer.url), 10)
        assert time.perf_counter() - began < 10
    assert len(peer.requests) == 1


async def test_hops_share_one_deadline(make_outgoing: Callable[..., Outgoing]) -> None:
    async def dawdle(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 302 Go\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n")

    async with Peer(dawdle) as peer:
        outgoing = make_outgoing(timeout_seconds=0.5)
        with pytest.raises(PlatformError):
            await outgoing.fetch_public(peer.url, largest=100, accept="", hops=50)
        assert 1 <= len(peer.requests) <= 4


async def test_a_stream_that_comes_slowly_but_surely_is_read_to_its_end(make_outgoing: Callable[..., Outgoing]) -> None:
    """Longer than the ordinary deadline in all: it is the trickle that is given up, not the large file."""
    size = 40 * 20_000

    async def steadily(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(40):
            writer.write(bytes(20_000))
            await asyncio.sleep(0.02)

    outgoing = make_outgoing(timeout_seconds=0.4)
    async with Peer(steadily) as peer, outgoing.stream(Request("GET", peer.url)) as answer:
        assert sum([len(piece) async for piece in answer.pieces]) == size


async def test_nobody_who_listens_and_says_nothing_holds_up_others(make_outgoing: Callable[..., Outgoing]) -> None:
    outgoing = make_outgoing(timeout_seconds=60)
    async with Peer(never) as silent, Peer() as other:
        stuck = [asyncio.create_task(_fetch(outgoing, silent.url)) for _ in range(50)]
        await silent.arrival.wait()
        await _fetch(outgoing, other.url)
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck)
