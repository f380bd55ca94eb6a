"""A video on its way to Tumblr through a socket: in pieces, the description first, and never in memory whole."""

import asyncio
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from uuid import uuid4

from hayon.domain.model import Content, Fitting, Media, MediaUse
from hayon.outgoing import Outgoing
from hayon.platforms.contract import ParcelMedia
from tests.platforms.parcels import USER, Checkpoints, make_account, make_parcel
from tests.platforms.tumblr.scripted import ADAPTER, OAUTH1, UUID

SIZE = 30_000_000
BOUND = 4_000_000
ANSWER = json.dumps({"meta": {"status": 201, "msg": "Created"}, "response": {"id": "7000", "state": "draft"}}).encode()
DRAFT = {"id": "7000", "state": "draft", "content": [{"type": "video", "media": {"media_key": "k"}}]}
FETCHED = json.dumps({"meta": {"status": 200, "msg": "OK"}, "response": DRAFT}).encode()


class Film:
    """A video that exists only while it is read."""

    def __init__(self) -> None:
        self.media = Media(uuid4(), USER, "key", "video/mp4", SIZE, 640, 480, duration_seconds=9.0, ready=True)
        self.alt_text = ""

    async def read(self) -> bytes:
        raise AssertionError("a video may be larger than memory")

    async def stream(self) -> AsyncIterator[bytes]:
        for start in range(0, SIZE, 50_000):
            yield bytes([start // 50_000 % 251]) * min(50_000, SIZE - start)

    async def fit(self, fitting: Fitting) -> ParcelMedia:
        raise AssertionError("videos are not made anew")

    async def address(self) -> str:
        raise AssertionError("Tumblr fetches nothing")


@dataclass
class Sink:
    """Reads requests without keeping their bodies: of each only the head, the beginning, the end and the size."""

    heads: list[str] = field(default_factory=list)
    beginnings: list[bytes] = field(default_factory=list)
    ends: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not reader.at_eof():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                await self._drain(reader, head)
                answer = FETCHED if head.startswith("GET") else ANSWER
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _drain(self, reader: asyncio.StreamReader, head: str) -> None:
        found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        left = size = int(found[1]) if found else 0
        beginning, end = b"", b""
        while left:
            piece = await reader.read(min(65_536, left))
            left -= len(piece)
            beginning = beginning or piece
            end = (end + piece)[-200:]
        self.beginnings.append(beginning)
        self.ends.append(end)
        self.sizes.append(size)


async def test_a_video_goes_out_in_pieces() -> None:
    sink = Sink()
    listener = await asyncio.start_server(sink.meet, "127.0.0.1", 0)
    host = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    outgoing = Outgoing(identity="Hayon tests", allow_private_addresses=True)
    film = Film()
    parcel = make_parcel(make_account("tumblr", host, UUID), OAUTH1)
    parcel = replace(parcel, content=Content("Film", (MediaUse(film.media.id),)), media=(film,))
    tracemalloc.start()
    try:
        handles = await ADAPTER.prepare(parcel, Checkpoints(), outgoing)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await outgoing.aclose()
        listener.close()
        await listener.wait_closed()
    assert peak < BOUND
    assert handles["fields"]["content"][0]["media"] == {"media_key": "k"}
    assert sink.heads[0].startswith(f"POST /v2/blog/{UUID}/posts HTTP/1.1\r\n")
    (boundary,) = re.findall(r"boundary=(\w+)", sink.heads[0])
    described = sink.beginnings[0]
    assert described.startswith(
        f'--{boundary}\r\nContent-Disposition: form-data; name="json"\r\nContent-Type: application/json\r\n\r\n{{'.encode()
    )
    named = f'name="file-0"; filename="{film.media.id}.mp4"\r\nContent-Type: video/mp4\r\n\r\n\0\0\0'.encode()
    assert named in described
    assert sink.ends[0].endswith(f"\r\n--{boundary}--\r\n".encode())
    assert sink.sizes[0] == SIZE + described.index(named) + len(named) - 3 + len(f"\r\n--{boundary}--\r\n")
