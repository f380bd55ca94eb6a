"""Signed requests to one bucket, sent by `outgoing`. Whatever goes wrong with the server or the way there is Unavailable."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hayon.errors import PlatformError, Unavailable
from hayon.media.s3.answers import Listing, code_of, read_listing, refused
from hayon.media.s3.place import S3Place
from hayon.media.s3.signing import NOTHING
from hayon.outgoing import Answer, Deadline, Named, Outgoing, Request, Stream, StreamedAnswer

LISTED = 1000
_LISTING_LARGEST = 4_000_000
_PIECE = 262_144
_SLOW = 300.0
"""Seconds that a server may take to copy a large file within itself."""


class Calls:
    """The calls that a bucket is used with. `clock` is what requests are dated with."""

    def __init__(self, place: S3Place, outgoing: Outgoing, clock: Callable[[], datetime] | None = None) -> None:
        self.place = place
        self._outgoing = outgoing
        self._clock = clock or _now

    def signed_url(self, method: str, key: str, headers: Mapping[str, str], lasts: timedelta, now: datetime) -> str:
        """An address at which anybody may do this one thing; see Signer.url."""
        return self.place.signer.url(method, self.place.address(key), headers, lasts, now)

    async def put(self, key: str, content: bytes | Path, mime: str) -> None:
        """Stores a file, whole or not at all; the server checks that what arrives is what was signed."""
        size, body_hash = await asyncio.to_thread(_measured, content)
        body = Stream(size, lambda: _pieces(content)) if isinstance(content, Path) else content
        await self._must(self._signed("PUT", key, {"Content-Type": mime}, body=body, body_hash=body_hash))

    async def copy(self, source: str, to: str, mime: str) -> bool:
        """Copies within the bucket, onto itself to make it new again; whether there was anything to copy."""
        named = {"x-amz-copy-source": f"/{self.place.bucket}/{source}", "Content-Type": mime}
        if source == to:
            named["x-amz-metadata-directive"] = "REPLACE"  # without any change it would be refused
        answer = await self._send(self._signed("PUT", to, named), deadline=Deadline.after(_SLOW))
        if answer.status == 404 and code_of(answer) != "NoSuchBucket":
            return False
        if answer.status != 200 or code_of(answer):  # a copy that fails under way says so below a status of 200
            raise refused(answer, self.place, self._clock())
        return True

    async def find_size(self, key: str) -> int | None:
        """In bytes; None where there is no such file."""
        answer = await self._send(self._signed("HEAD", key))
        if answer.status == 404:
            return None
        if answer.status != 200 or not answer.headers.get("content-length", "").isdecimal():
            raise refused(answer, self.place, self._clock())
        return int(answer.headers["content-length"])

    @asynccontextmanager
    async def get(self, key: str, part: str = "") -> AsyncIterator[StreamedAnswer | None]:
        """The file as it comes, or the part of it that a Range header names; None where there is no such file."""
        request = self._signed("GET", key, {"Range": part} if part else {})
        with _told():
            async with self._outgoing.stream(request) as answer:
                if answer.status == (206 if part else 200):
                    yield answer
                    return
                whole = Answer(answer.status, answer.headers, await _few(answer.pieces), request.url)
        if answer.status != 404 or code_of(whole) == "NoSuchBucket":
            raise refused(whole, self.place, self._clock())
        yield None

    async def delete(self, key: str) -> None:
        """Removes a file; harmless where there is none."""
        answer = await self._send(self._signed("DELETE", key))
        if answer.status not in (200, 204) and (answer.status != 404 or code_of(answer) == "NoSuchBucket"):
            raise refused(answer, self.place, self._clock())

    async def list(self, prefix: str, more: str = "") -> Listing:
        """Up to a thousand of the files whose names begin so, in order; `more` is where the last listing ended."""
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, "max-keys": str(LISTED)}
        if more:
            query["continuation-token"] = more
        request = replace(self._signed("GET", query=query), largest_answer=_LISTING_LARGEST)
        answer = await self._must(request)
        try:
            return read_listing(answer)
        except ValueError:
            raise refused(answer, self.place, self._clock()) from None

    async def find_rules(self, name: str) -> Answer:
        """What the bucket's rules of this kind (`cors`, `lifecycle`) are, whatever the answer's status."""
        return await self._send(self._signed("GET", query={name: ""}))

    async def put_rules(self, name: str, document: bytes) -> Answer:
        """Replaces the bucket's rules of this kind. The answer is for the caller to judge."""
        told = {"Content-MD5": _md5(document), "Content-Type": "application/xml"}
        body_hash = hashlib.sha256(document).hexdigest()
        return await self._send(self._signed("PUT", "", told, query={name: ""}, body=document, body_hash=body_hash))

    async def plain(self, request: Request) -> Answer:
        """Sends what anybody may send: nothing of ours is in it but what its address holds."""
        return await self._send(replace(request, named=Named.OPERATOR))

    def now(self) -> datetime:
        """The time as requests are dated."""
        return self._clock()

    def _signed(
        self,
        method: str,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Stream | None = None,
        body_hash: str = NOTHING,
    ) -> Request:
        url = self.place.address(key, query)
        signed = self.place.signer.headers(method, url, headers or {}, body_hash, self._clock())
        return Request(method, url, signed, body=body, named=Named.OPERATOR)

    async def _must(self, request: Request) -> Answer:
        answer = await self._send(request)
        if answer.status != 200:
            raise refused(answer, self.place, self._clock())
        return answer

    async def _send(self, request: Request, *, deadline: Deadline | None = None) -> Answer:
        with _told():
            return await self._outgoing.send(request, deadline=deadline)


@contextmanager
def _told() -> Iterator[None]:
    """Nothing that is asked of a bucket is irreversible: an answer that never came is no more than a failure."""
    try:
        yield
    except Unavailable:
        raise
    except PlatformError as error:
        raise Unavailable(f"Files cannot be reached at the moment. {error.message}") from error


async def _few(pieces: AsyncIterator[bytes], largest: int = 65_536) -> bytes:
    """The beginning of an answer that is not the file: enough to read an error."""
    begun = bytearray()
    async for piece in pieces:
        begun += piece
        if len(begun) >= largest:
            break
    return bytes(begun[:largest])


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def _measured(content: bytes | Path) -> tuple[int, str]:
    """How many bytes, and their SHA-256 in hex."""
    if isinstance(content, bytes):
        return len(content), hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _md5(content: bytes) -> str:
    """What S3 wants beside every document of rules; it guards against accidents only."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _now() -> datetime:
    return datetime.now(UTC)
