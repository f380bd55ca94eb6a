"""The media store in a bucket of any server that speaks S3. Uploads and platforms that fetch go straight to that server."""
# ruff: noqa: ARG002 - the contract asks for what other stores need

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from hayon.errors import Invalid, NotFound, Problem
from hayon.media.cleaning import clean_file, measure_file
from hayon.media.contract import (
    GRANT_LASTS,
    LARGEST_UPLOAD,
    LONGEST_NOTE,
    NOTE,
    Grant,
    Keep,
    Measured,
    Served,
    is_rendition,
    largest_of,
    mime_of,
    plain_mime,
    stem_of,
    temp_key,
    unfit,
)
from hayon.media.s3.answers import Listed
from hayon.media.s3.calls import Calls
from hayon.media.s3.place import S3Place
from hayon.outgoing import Outgoing

ARRIVED = ".arrived"
"""Stands behind the key where an upload lies until it is completed."""
RENEWED_AFTER = timedelta(days=3)
"""How old a wanted file in `temp/` becomes (a draft's, say). Far less than the age at which the bucket throws it away."""
_DESK = "hayon-media-"
_MISSING = "There is no such file."
_PIECE = 1_000_000


class S3Bucket:
    """A MediaStore in a bucket of its own.

    An upload arrives beside its key, at `{key}.arrived`; completing it puts the clean file at the key and then removes
    what arrived. `scratch` is a folder for files under work, with room for twice the size of each upload being completed; the
    system's own if None. `clock` is for tests. Every method but `public_url` raises Unavailable where the server cannot be
    reached, refuses our keys, or has no such bucket; its text says what to mend.
    """

    def __init__(
        self,
        place: S3Place,
        outgoing: Outgoing,
        *,
        scratch: Path | None = None,
        largest: int = LARGEST_UPLOAD,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.calls = Calls(place, outgoing, clock)
        self._scratch = scratch
        self._largest = largest

    async def upload_grant(self, user_id: UUID, mime: str, size: int, public_url: str, now: datetime) -> Grant:
        """See MediaStore. The server refuses another key, type or size, since the signature is over them."""
        mime = plain_mime(mime)
        key = temp_key(user_id, mime)
        largest = min(self._largest, largest_of(mime))
        if not 0 < size <= largest:
            what = "video" if mime.startswith("video/") else "picture"
            raise Invalid([Problem("size", "too_large", f"A {what} may have 1 to {largest:,} bytes, not {size:,}.")])
        bound = {"Content-Type": mime, "Content-Length": str(size)}
        url = self.calls.signed_url("PUT", key + ARRIVED, bound, GRANT_LASTS, now)
        return Grant(key, "PUT", url, {"Content-Type": mime}, now + GRANT_LASTS)

    async def receive(
        self, token: str, stream: AsyncIterable[bytes], content_type: str | None, content_length: int | None,
        now: datetime,
    ) -> str:  # fmt: skip
        """See MediaStore: uploads go to the bucket itself."""
        raise NotFound("There is no such address. Uploads go to the address they were granted.")

    async def put(self, key: str, stream: AsyncIterable[bytes], largest: int = LARGEST_UPLOAD) -> None:
        """See MediaStore. Collected on disk first: S3 wants to know how much is coming."""
        mime = mime_of(key)
        async with self._desk() as desk:
            await _collect(stream, desk / "put", min(largest, self._largest, largest_of(mime)))
            await self.calls.put(key + ARRIVED, desk / "put", mime)

    async def keep(self, key: str, content: bytes) -> None:
        """See MediaStore."""
        await self.calls.put(key, content, mime_of(key))

    async def complete(self, key: str, mime: str) -> Measured:
        """See MediaStore. What is there already stays: whatever arrived after it is thrown away."""
        if not await self.exists(key):
            async with self._desk() as desk:
                if await self._fetch(key + ARRIVED, desk / "arrived"):
                    measured = await clean_file(desk / "arrived", plain_mime(mime), desk / "clean")
                    await self.calls.put(key, desk / "clean", mime_of(key))
                    await self.calls.delete(key + ARRIVED)
                    return measured
        async with self._desk() as desk:
            if not await self._fetch(key, desk / "clean"):
                raise NotFound(_MISSING)
            await self.calls.delete(key + ARRIVED)
            return await measure_file(desk / "clean")

    async def read(self, key: str) -> bytes:
        """See MediaStore."""
        return b"".join([piece async for piece in self.open_stream(key)])

    async def open_stream(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See MediaStore."""
        mime_of(key)
        part = ""
        if (start, stop) != (0, None):
            size = await self.size(key)
            stop = size if stop is None else min(stop, size)
            if stop <= start:
                return  # S3 knows no empty part
            part = f"bytes={start}-{stop - 1}"
        async with self.calls.get(key, part) as answer:
            if answer is None:
                raise NotFound(_MISSING)
            async for piece in answer.pieces:
                yield piece

    async def size(self, key: str) -> int:
        """See MediaStore."""
        mime_of(key)
        size = await self.calls.find_size(key)
        if size is None:
            raise NotFound(_MISSING)
        return size

    async def exists(self, key: str) -> bool:
        """See MediaStore."""
        mime_of(key)
        return await self.calls.find_size(key) is not None

    async def copy(self, source: str, to: str) -> None:
        """See MediaStore. The server copies by itself; nothing passes through here."""
        for key in (source, to):
            mime_of(key)
        copied = source != to and await self.calls.copy(source, to, mime_of(to))
        if not copied and not await self.exists(to):
            raise NotFound(_MISSING)

    async def delete(self, key: str) -> None:
        """See MediaStore."""
        stem = stem_of(key)
        for name in (key, key + ARRIVED):
            await self.calls.delete(name)
        if is_rendition(key):
            return
        async for family in self._families(f"{stem}."):
            for one in family:
                if is_rendition(_key_of(one)):
                    await self.calls.delete(one.name)

    def public_url(self, key: str, lasts: timedelta, public_url: str, now: datetime) -> str:
        """See MediaStore. Signed for at most seven days; without an end where the bucket has a public address."""
        mime_of(key)
        if self.calls.place.public_url:
            return f"{self.calls.place.public_url}/{key}"
        return self.calls.signed_url("GET", key, {}, lasts, now)

    async def serve(self, token: str, now: datetime) -> Served:
        """See MediaStore: files are fetched from the bucket itself."""
        raise NotFound(_MISSING)

    async def read_note(self) -> str | None:
        """See MediaStore."""
        async with self.calls.get(NOTE) as answer:
            if answer is None:
                return None
            read = bytearray()
            async for piece in answer.pieces:
                read += piece
                if len(read) > LONGEST_NOTE:
                    break
            return read.decode("utf-8", "replace")

    async def write_note(self, words: str) -> None:
        """See MediaStore."""
        await self.calls.put(NOTE, words.encode(), "text/plain")

    async def sweep(self, older_than: timedelta, keep: Keep) -> int:
        """See MediaStore. Ages are told by the server's clock; what does not look like ours is left alone.

        What is kept is made new again from time to time, so that the bucket's own rule never takes what is wanted.
        """
        removed = await asyncio.to_thread(_remove_desks, self._scratch, time.time() - older_than.total_seconds())
        async for family in self._families("temp/"):
            uploads = [one for one in family if not is_rendition(_key_of(one))]
            gone = [one for one in uploads if one.age > older_than and not await keep(_key_of(one))]
            if len(gone) == len(uploads):
                gone += [one for one in family if one not in uploads and (uploads or one.age > older_than)]
            for one in gone:
                await self.calls.delete(one.name)
            removed += len(gone)
            for one in family:
                if one not in gone and one.age > max(RENEWED_AFTER, older_than) and not one.name.endswith(ARRIVED):
                    await self.calls.copy(one.name, one.name, mime_of(one.name))
        return removed

    async def _families(self, prefix: str) -> AsyncIterator[list[Listed]]:
        """Every file with what arrived for it and its renditions. Listings are in order, so these stand together."""
        family: list[Listed] = []
        async for one in self._listed(prefix):
            try:
                stem = stem_of(_key_of(one))
            except NotFound:
                continue
            if family and stem != stem_of(_key_of(family[0])):
                yield family
                family = []
            family.append(one)
        if family:
            yield family

    async def _listed(self, prefix: str) -> AsyncIterator[Listed]:
        more = ""
        while True:
            listing = await self.calls.list(prefix, more)
            for one in listing.files:
                yield one
            if not (more := listing.more):
                return

    async def _fetch(self, name: str, to: Path) -> bool:
        """Brings a file to the desk, a piece at a time; whether there was one. Raises Invalid where it is too large."""
        largest = min(self._largest, largest_of(mime_of(name.removesuffix(ARRIVED))))
        async with self.calls.get(name) as answer:
            if answer is not None:
                await _collect(answer.pieces, to, largest)
            return answer is not None

    @asynccontextmanager
    async def _desk(self) -> AsyncIterator[Path]:
        """A folder for files under work, gone afterwards."""
        desk = await asyncio.to_thread(_make_desk, self._scratch)
        try:
            yield desk
        finally:
            # not awaited: a cancelled upload is tidied up as well
            shutil.rmtree(desk, ignore_errors=True)


def _make_desk(scratch: Path | None) -> Path:
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_DESK, dir=scratch))


def _remove_desks(scratch: Path | None, before: float) -> int:
    """Throws away what killed processes left under work, on this machine. How many."""
    removed = 0
    for one in () if scratch is None else scratch.glob(f"{_DESK}*"):
        with suppress(FileNotFoundError):  # another process may be sweeping, too
            if one.stat().st_mtime < before:
                shutil.rmtree(one)
                removed += 1
    return removed


async def _collect(stream: AsyncIterable[bytes], to: Path, largest: int) -> None:
    """Writes a stream to disk as it comes, never holding much of it."""
    taken, waiting = 0, bytearray()
    with await asyncio.to_thread(to.open, "wb") as file:
        async for piece in stream:
            taken += len(piece)
            if taken > largest:
                raise unfit(
                    "size", f"{largest:,} bytes may come here, but there are more. Upload the file as announced."
                )
            waiting += piece
            if len(waiting) >= _PIECE:
                await asyncio.to_thread(file.write, waiting)
                waiting = bytearray()
        await asyncio.to_thread(file.write, waiting)


def _key_of(one: Listed) -> str:
    """The key that a file belongs to: its own, or the one that it arrived for."""
    return one.name.removesuffix(ARRIVED)
