"""The media store of the smallest shape: a folder on this machine, or one that all processes share."""

import asyncio
import os
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self
from uuid import UUID

from hayon.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from hayon.media.cleaning import clean_file, measure_file
from hayon.media.contract import (
    GRANT_LASTS,
    LARGEST_UPLOAD,
    NOTE,
    Grant,
    Keep,
    Measured,
    Served,
    is_rendition,
    largest_of,
    mime_of,
    plain_mime,
    temp_key,
)
from hayon.vault import Vault

_UPLOAD, _FILE = "media upload", "media file"
_ARRIVED = ".arrived"
_DRAFT = ".draft"
_PIECE = 1_000_000
_MISSING = "There is no such file."


class LocalFolder:
    """A MediaStore in a folder. Uploads and platforms that fetch come through our own web layer, by signed addresses.

    What is written is on disk before it is there: a draft in the same folder, flushed, then renamed.
    """

    def __init__(self, folder: Path, vault: Vault, *, largest: int = LARGEST_UPLOAD) -> None:
        self._folder = folder
        self._vault = vault
        self._largest = largest

    async def upload_grant(self, user_id: UUID, mime: str, size: int, public_url: str, now: datetime) -> Grant:
        """See MediaStore. The address is `{public_url}/media/uploads/{token}`."""
        mime = plain_mime(mime)
        key = temp_key(user_id, mime)
        largest = min(self._largest, largest_of(mime))
        if not 0 < size <= largest:
            what = "video" if mime.startswith("video/") else "picture"
            raise Invalid([Problem("size", "too_large", f"A {what} may have 1 to {largest:,} bytes, not {size:,}.")])
        expires_at = now + GRANT_LASTS
        token = self._vault.sign(_UPLOAD, {"key": key, "mime": mime, "size": size}, expires_at)
        url = f"{public_url.rstrip('/')}/media/uploads/{token}"
        return Grant(key, "PUT", url, {"Content-Type": mime}, expires_at)

    async def receive(
        self,
        token: str,
        stream: AsyncIterable[bytes],
        content_type: str | None,
        content_length: int | None,
        now: datetime,
    ) -> str:
        """See MediaStore."""
        granted = self._vault.verify(_UPLOAD, token, now)
        if granted is None:
            raise Forbidden("This upload address is not good, or not any more. Ask for a new one.")
        key, mime, size = str(granted["key"]), str(granted["mime"]), int(granted["size"])
        if plain_mime(content_type or "") != mime:
            raise Invalid([Problem("Content-Type", "kind", f"This address takes {mime}, not {content_type}.")])
        _refuse_size(content_length not in (None, size), size, content_length)
        if await self.exists(key):
            raise Conflict("This upload was completed already. Ask for a new address to upload another file.")
        await self._take(key, stream, largest=size, exactly=size)
        return key

    async def put(self, key: str, stream: AsyncIterable[bytes], largest: int = LARGEST_UPLOAD) -> None:
        """See MediaStore."""
        await self._take(key, stream, largest=min(largest, self._largest, largest_of(mime_of(key))))

    async def keep(self, key: str, content: bytes) -> None:
        """See MediaStore."""
        await asyncio.to_thread(_write, self._path(key), content)

    async def complete(self, key: str, mime: str) -> Measured:
        """See MediaStore. What arrives while this is at work changes nothing: one opened file is judged and kept."""
        path = self._path(key)
        arrived, draft = path.with_name(path.name + _ARRIVED), _draft_name(path)
        try:
            measured = await clean_file(arrived, plain_mime(mime), draft)
            await asyncio.to_thread(_settle, arrived, draft, path)
        except NotFound:
            return await measure_file(path)
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)
        return measured

    async def read(self, key: str) -> bytes:
        """See MediaStore."""
        return await asyncio.to_thread(_read, self._path(key))

    async def open_stream(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See MediaStore."""
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise NotFound(_MISSING) from None
        with file:
            file.seek(start)
            left = None if stop is None else max(0, stop - start)
            while piece := await asyncio.to_thread(file.read, _PIECE if left is None else min(_PIECE, left)):
                yield piece
                left = None if left is None else left - len(piece)

    async def size(self, key: str) -> int:
        """See MediaStore."""
        try:
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        except FileNotFoundError:
            raise NotFound(_MISSING) from None

    async def exists(self, key: str) -> bool:
        """See MediaStore."""
        return await asyncio.to_thread(self._path(key).exists)

    async def copy(self, source: str, to: str) -> None:
        """See MediaStore. A second name for the same bytes where the disk can do that: files are never changed in place."""
        await asyncio.to_thread(_copy, self._path(source), self._path(to))

    async def delete(self, key: str) -> None:
        """See MediaStore."""
        path, alone = self._path(key), is_rendition(key)

        def remove() -> None:
            renditions = [] if alone else _find_beside(path, renditions=True)
            _remove([path, path.with_name(path.name + _ARRIVED), *renditions])

        await asyncio.to_thread(remove)

    def public_url(self, key: str, lasts: timedelta, public_url: str, now: datetime) -> str:
        """See MediaStore. The address is `{public_url}/media/files/{token}`."""
        mime_of(key)
        return f"{public_url.rstrip('/')}/media/files/{self._vault.sign(_FILE, {'key': key}, now + lasts)}"

    async def serve(self, token: str, now: datetime) -> Served:
        """See MediaStore."""
        signed = self._vault.verify(_FILE, token, now)
        if signed is None:
            raise Forbidden("This address is not good, or not any more.")
        key = str(signed["key"])
        return Served(key, mime_of(key), await self.size(key), self.open_stream(key))

    async def read_note(self) -> str | None:
        """See MediaStore."""
        try:
            return (await asyncio.to_thread(_read, self._folder / NOTE)).decode("utf-8", "replace")
        except NotFound:
            return None

    async def write_note(self, words: str) -> None:
        """See MediaStore."""
        await asyncio.to_thread(_write, self._folder / NOTE, words.encode())

    async def sweep(self, older_than: timedelta, keep: Keep) -> int:
        """See MediaStore. Ages are those of the files, on this machine's clock."""
        before = time.time() - older_than.total_seconds()
        removed = 0
        for path in await asyncio.to_thread(_old_files, self._folder / "temp", before):
            if path.name.endswith(_DRAFT):
                removed += await asyncio.to_thread(_remove, [path])
                continue
            upload = path.with_name(path.name.removesuffix(_ARRIVED))
            with suppress(NotFound):  # what does not look like ours is left alone
                key = f"temp/{path.parent.name}/{upload.name}"
                if is_rendition(key):
                    if not await asyncio.to_thread(_find_beside, path, renditions=False):
                        removed += await asyncio.to_thread(_remove, [path])
                elif not await keep(key):
                    renditions = await asyncio.to_thread(_find_beside, upload, renditions=True)
                    removed += await asyncio.to_thread(_remove, [path, *renditions])
        for path in await asyncio.to_thread(_old_files, self._folder / "posts", before):
            if path.name.endswith(_DRAFT):
                removed += await asyncio.to_thread(_remove, [path])
        return removed

    async def _take(self, key: str, stream: AsyncIterable[bytes], *, largest: int, exactly: int | None = None) -> None:
        """Streams into a draft, a piece at a time, and lets it arrive when all of it is on disk."""
        path = self._path(key)
        draft = await asyncio.to_thread(_Draft, path.with_name(path.name + _ARRIVED))
        try:
            taken, waiting = 0, bytearray()
            async for piece in stream:
                taken += len(piece)
                _refuse_size(taken > largest, largest, None)
                waiting += piece
                if len(waiting) >= _PIECE:
                    await asyncio.to_thread(draft.write, waiting)
                    waiting = bytearray()
            _refuse_size(exactly not in (None, taken), largest, taken)
            await asyncio.to_thread(draft.write, waiting)
            await asyncio.to_thread(draft.finish)
        except BaseException:
            draft.abandon()
            raise

    def _path(self, key: str) -> Path:
        mime_of(key)
        return self._folder / key


class _Draft:
    """A file that is there, whole and on disk, once finished, and never was when abandoned. Threads may take turns."""

    def __init__(self, path: Path) -> None:
        _make_folder(path.parent)
        self._path = path
        self._draft = _draft_name(path)
        self._file = self._draft.open("xb")
        self._turn = threading.Lock()

    def write(self, piece: bytes | bytearray) -> None:
        with self._turn:
            self._file.write(piece)

    def finish(self) -> None:
        with self._turn:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.replace(self._path)
            _flush_folder(self._path.parent)

    def abandon(self) -> None:
        with self._turn:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.abandon()


def _refuse_size(wrong: bool, wanted: int, given: int | None) -> None:
    if wrong:
        shown = "more" if given is None else f"{given:,}"
        message = f"{wanted:,} bytes may come here, but there are {shown}. Upload the whole file as announced."
        raise Invalid([Problem("file", "size", message)])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(_MISSING) from None


def _write(path: Path, content: bytes) -> None:
    with _Draft(path) as draft:
        draft.write(content)


def _settle(arrived: Path, draft: Path, path: Path) -> None:
    """What was made of an upload takes its place. Raises NotFound where the upload was deleted in the meantime."""
    if not arrived.exists() and not path.exists():
        raise NotFound(_MISSING)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    _flush_folder(path.parent)
    arrived.unlink(missing_ok=True)


def _remove(paths: list[Path]) -> int:
    """How many were there."""
    removed = 0
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
            removed += 1
    return removed


def _find_beside(path: Path, *, renditions: bool) -> list[Path]:
    """The renditions that belong to the same file as this one; or that file, with what arrived for it."""
    found = []
    for one in path.parent.glob(path.name.split(".", 1)[0] + ".*"):
        middle, _, more = one.name.split(".", 1)[1].partition(".")
        if renditions == (len(middle) == 16 and more != ""):
            found.append(one)
    return found


def _copy(source: Path, to: Path) -> None:
    _make_folder(to.parent)
    draft = _draft_name(to)
    try:
        try:
            os.link(source, draft)
        except FileNotFoundError:
            raise
        except OSError:  # a disk that knows no second names
            with source.open("rb") as given, draft.open("xb") as file:
                shutil.copyfileobj(given, file, _PIECE)
                file.flush()
                os.fsync(file.fileno())
        draft.replace(to)
        _flush_folder(to.parent)
    except FileNotFoundError:
        if not to.exists():
            raise NotFound(_MISSING) from None
    finally:
        draft.unlink(missing_ok=True)  # renaming one name of a file onto another name of it does nothing


def _draft_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{_DRAFT}")


def _make_folder(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        _flush_folder(one.parent)


def _flush_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _old_files(folder: Path, before: float) -> list[Path]:
    found = []
    for path in folder.glob("**/*"):
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < before:
                found.append(path)
    return found
