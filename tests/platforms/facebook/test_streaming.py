"""A video of 30 MB through a socket: in pieces, whole and in order, read once, and never in memory."""

import asyncio
import hashlib
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from hayon.domain.model import Content, Fitting, Media, MediaUse
from hayon.outgoing import Outgoing
from hayon.platforms.contract import Parcel, ParcelMedia
from hayon.platforms.facebook import Facebook
from tests.platforms.facebook.scripted import CREDENTIAL, PAGE
from tests.platforms.parcels import USER, Checkpoints, make_account, make_parcel

SIZE = 30_000_000
BOUND = 4_000_000
PART = 4_700_001  # no multiple of the pieces that the store gives


class Film:
    """A video that exists only while it is read."""

    def __init__(self, width: int, height: int) -> None:
        self.media = Media(uuid4(), USER, "key", "video/mp4", SIZE, width, height, duration_seconds=20.0, ready=True)
        self.alt_text = ""
        self.pieces = 0

    async def read(self) -> bytes:
        raise AssertionError("a video may be larger than memory")

    async def stream(self) -> AsyncIterator[bytes]:
        for start in range(0, SIZE, 50_000):
            self.pieces += 1
            yield bytes([start // 50_000 % 251]) * min(50_000, SIZE - start)

    async def fit(self, fitting: Fitting) -> ParcelMedia:
        raise AssertionError("videos are not made anew")

    async def address(self) -> str:
        raise AssertionError("Facebook fetches nothing")


async def digest(skipped: int = 0) -> str:
    """What a video sent from this byte on has to come to."""
    whole = hashlib.sha256()
    async for piece in Film(1, 1).stream():
        whole.update(piece[skipped:])
        skipped = max(0, skipped - len(piece))
    return whole.hexdigest()


@dataclass
class Page:
    """A Page's side of an upload. Of the video it keeps only how much came, and what it comes to."""

    received: int = 0
    whole: Any = field(default_factory=hashlib.sha256)
    url: str = ""
    heads: list[str] = field(default_factory=list)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                self.heads.append(head)
                answer = json.dumps(await self._answer(head, reader)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader) -> dict[str, Any]:
        found = re.search(r"content-length: (\d+)", head)
        left = int(found[1]) if found else 0
        if "multipart" in head:
            before = await reader.readuntil(b'name="video_file_chunk"')
            opening = before + await reader.readuntil(b"\r\n\r\n")
            tail = len(re.findall(r"boundary=(\w+)", head)[0]) + 8  # \r\n--…--\r\n
            await self._take(reader, left - len(opening) - tail)
            await reader.readexactly(tail)
            return self._offsets()
        if "/upload " in head:
            await self._take(reader, left)
            return {"success": True}
        form = parse_qs((await reader.readexactly(left)).decode())
        if form.get("upload_phase") == ["start"]:
            return {"video_id": "77", "upload_session_id": "88", "upload_url": f"{self.url}/upload", **self._offsets()}
        complete = "complete" if self.received == SIZE else "in_progress"
        return {"status": {"uploading_phase": {"status": complete, "bytes_transfered": self.received}}}

    async def _take(self, reader: asyncio.StreamReader, left: int) -> None:
        while left:
            piece = await reader.read(min(65_536, left))
            assert piece
            left -= len(piece)
            self.received += len(piece)
            self.whole.update(piece)

    def _offsets(self) -> dict[str, str]:
        return {"start_offset": str(self.received), "end_offset": str(min(self.received + PART, SIZE))}


async def prepared(film: Film, page: Page, checkpoint: dict[str, Any] | None = None) -> tuple[Any, int]:
    """The handles of this video after it went through a socket, and the most memory that took."""
    listener = await asyncio.start_server(page.meet, "127.0.0.1", 0)
    page.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    outgoing = Outgoing(identity="Hayon tests", allow_private_addresses=True)
    parcel: Parcel = make_parcel(make_account("facebook", page.url, PAGE), CREDENTIAL, checkpoint=checkpoint or {})
    parcel = replace(parcel, content=Content("Film", (MediaUse(film.media.id),)), media=(film,))
    if checkpoint:
        checkpoint["video"] |= {"uploadUrl": f"{page.url}/upload", "begunAt": parcel.now.isoformat()}
    tracemalloc.start()
    try:
        handles = await Facebook().prepare(parcel, Checkpoints(), outgoing)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await outgoing.aclose()
        listener.close()
        await listener.wait_closed()
    return handles, peak


@pytest.mark.parametrize(("width", "height", "kind", "calls"), [(1080, 1920, "reel", 1), (1920, 1080, "video", 7)])
async def test_a_video_goes_out_in_pieces(width: int, height: int, kind: str, calls: int) -> None:
    film, page = Film(width, height), Page()
    handles, peak = await prepared(film, page)
    assert (handles["kind"], handles["videoId"]) == (kind, "77")
    assert peak < BOUND
    assert (page.received, page.whole.hexdigest()) == (SIZE, await digest())
    assert film.pieces == SIZE // 50_000  # read from the front once, in however many parts it went
    sent = [head for head in page.heads if "multipart" in head or "/upload " in head]
    assert len(sent) == calls


@pytest.mark.parametrize(("width", "height"), [(1080, 1920), (1920, 1080)])
async def test_the_rest_of_a_video_goes_out_in_pieces(width: int, height: int) -> None:
    page = Page(received=12_345_678)
    checkpoint = {"video": {"id": "77", "sessionId": "88", "start": 4_700_001, "end": 9_400_002}}
    _, peak = await prepared(Film(width, height), page, checkpoint)
    assert peak < BOUND
    assert (page.received, page.whole.hexdigest()) == (SIZE, await digest(12_345_678))
