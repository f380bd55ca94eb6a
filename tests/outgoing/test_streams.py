"""Bodies and answers that memory should not hold: every byte arrives, in pieces, or the truth is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hayon.errors import Rejected, Unconfirmed, Unreachable
from hayon.outgoing import Outgoing, Part, Request, Stream
from tests.outgoing.peer import Arrived, Peer, answer_with, never

PIECE = bytes(range(256)) * 256


def stream_of(*pieces: bytes, size: int | None = None) -> Stream:
    async def given() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Stream(sum(map(len, pieces)) if size is None else size, given)


async def test_a_streamed_body_arrives_byte_for_byte_with_its_length(outgoing: Outgoing) -> None:
    async with Peer() as peer:
        await outgoing.send(
            Request("PUT", peer.url, body=stream_of(*[PIECE] * 40), headers={"Content-Type": "video/mp4"})
        )
    (arrived,) = peer.requests
    assert arrived.body == PIECE * 40
    assert (arrived.headers["content-length"], arrived.headers["content-type"]) == (str(len(PIECE) * 40), "video/mp4")


async def test_a_streamed_file_in_a_form_stands_between_its_lines(outgoing: Outgoing) -> None:
    parts = [Part("json", "{}", mime="application/json"), Part("v", stream_of(PIECE, PIECE), filename="v.mp4")]
    async with Peer() as peer:
        await outgoing.send(Request("POST", peer.url, parts=parts))
    (arrived,) = peer.requests
    assert b"\r\n\r\n" + PIECE * 2 + b"\r\n--" in arrived.body
    assert arrived.headers["content-length"] == str(len(arrived.body))


@pytest.mark.parametrize("size", [len(PIECE) - 1, len(PIECE) + 1])
async def test_a_stream_of_another_size_than_promised_breaks_the_request_off(outgoing: Outgoing, size: int) -> None:
    async with Peer() as peer:
        with pytest.raises(Unconfirmed):
            await outgoing.send(Request("POST", peer.url, body=stream_of(PIECE, size=size)))


async def test_a_form_is_written_as_browsers_do(outgoing: Outgoing) -> None:
    async with Peer() as peer:
        await outgoing.send(Request("POST", peer.url, form={"text": "Grüße & 👋", "children": "1,2"}))
        with pytest.raises(Rejected):
            await outgoing.send(Request("POST", peer.url, form={}, json={}))
    (arrived,) = peer.requests
    assert arrived.headers["content-type"] == "application/x-www-form-urlencoded"
    assert arrived.body == b"text=Gr%C3%BC%C3%9Fe+%26+%F0%9F%91%8B&children=1%2C2"


async def test_an_answer_comes_in_pieces(outgoing: Outgoing) -> None:
    async def slowly(peer: Peer, arrived: Arrived, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % (len(PIECE) * 3))
        for _ in range(3):
            writer.write(PIECE)
            await writer.drain()
        writer.close()

    async with Peer(slowly) as peer, outgoing.stream(Request("GET", peer.url)) as answer:
        pieces = [piece async for piece in answer.pieces]
        assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4")
    assert b"".join(pieces) == PIECE * 3
    assert len(pieces) > 1


async def test_an_answer_cut_short_is_never_taken_for_whole(outgoing: Outgoing) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    async with Peer(answer_with(raw)) as peer, outgoing.stream(Request("GET", peer.url)) as answer:
        with pytest.raises(Unconfirmed):
            [piece async for piece in answer.pieces]


async def test_a_streamed_answer_is_guarded_and_bounded_like_every_other() -> None:
    guarded = Outgoing(identity="Hayon/test", timeout_seconds=0.3)
    impatient = Outgoing(identity="Hayon/test", timeout_seconds=0.3, allow_private_addresses=True)
    try:
        async with Peer(never) as peer:
            with pytest.raises(Unreachable):
                async with guarded.stream(Request("GET", peer.url)):
                    pass
            assert not peer.requests
            with pytest.raises(Unconfirmed):
                async with impatient.stream(Request("GET", peer.url)):
                    pass
    finally:
        await guarded.aclose()
        await impatient.aclose()
