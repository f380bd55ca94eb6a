"""How the bytes of a video come to the simulated Facebook: into a file beside the world's files, never whole into memory.

A reel's or story's come in one body at an upload address of its own, resumed from where they stopped; a long video's in
parts. A video whose last byte is there is measured and becomes one of the files.
Source: Meta's pages "Reels Publishing API", "Facebook Stories API" for the upload's headers and errors, "Video API:
Publishing" for the parts.
"""

import asyncio
import secrets
import shutil
import weakref
from dataclasses import asdict
from pathlib import Path

from starlette.requests import ClientDisconnect

from hayon.sandbox.fetching import NotFetched, fetch
from hayon.sandbox.gate import Answer, Call, Refused, TooLargeError
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.meta.facebook.measuring import measured
from hayon.sandbox.meta.facebook.memory import Video
from hayon.sandbox.meta.facebook.wire import POST, READ, done, facebook_of, own_video

VIDEOS = ("video/mp4", "video/quicktime")


class Arrived:
    """A body as a file of its own, gone when nobody needs it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        weakref.finalize(self, path.unlink, missing_ok=True)


async def intake(call: Call) -> None:
    """Take the body of an upload into a file. What came before the client left is kept, so that it can be resumed."""
    most = call.world.limits.of(FacebookLimits).video_size
    call.begun = arrived = Arrived(call.world.files.aside(secrets.token_hex(16)))
    try:
        with arrived.path.open("wb") as file:
            async for piece in call.request.stream():
                arrived.size += len(piece)
                if arrived.size > most:
                    raise TooLargeError
                file.write(piece)
    except ClientDisconnect:
        _keep_beginning(call, arrived)
        raise


async def upload_video(call: Call) -> Answer:
    """POST to the upload address: the rest of the file from `offset` on, or the address of a file to be fetched."""
    _, video = own_video(call, POST, READ)
    arrived: Arrived = call.begun
    address = call.request.headers.get("file_url")
    if _is_closed(call, video) or video.purpose == "video":
        raise _upload_error("ProcessingFailedError", "Request processing failed", retriable=False)
    if address:
        return await _fetched(call, video, address)
    offset, size = (_number(call, name) for name in ("offset", "file_size"))
    if offset is None or offset != video.arrived:
        raise _upload_error("OffsetInvalidError", "Request starting offset is invalid", retriable=True)
    announced = video.file_size if video.file_size is not None else size
    if size is None or size != announced or offset + arrived.size != size:
        raise _upload_error("PartialRequestError", "Partial request (did not match length of file)", retriable=True)
    _append(call, video, arrived.path, size)
    await settle(call, video)
    return done()


def append_part(call: Call, video: Video, content: bytes) -> None:
    """A part of a chunked upload."""
    path = _place(call, video)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(video.arrived)
        file.truncate()
        file.write(content)
    call.world.happen(facebook_of(call.world).video_changed(video.video_id, arrived=video.arrived + len(content)))


async def settle(call: Call, video: Video) -> None:
    """Once all of it is there: measure it, and make it one of the files. Does nothing before, or if that is done."""
    if not video.digest and video.file_size is not None and video.arrived >= video.file_size:
        await _take(call, video, _place(call, video))


async def take_file(call: Call, video: Video, digest: str) -> None:
    """One of the files, which came some other way, is all of the video."""
    path = call.world.files.find(digest)
    if path is not None:
        await _take(call, video, path)


def give_up(call: Call, video: Video) -> None:
    """Of a video that is deleted nothing is kept aside."""
    _place(call, video).unlink(missing_ok=True)


def expired(call: Call, video: Video) -> bool:
    """Whether it was begun too long ago and never finished."""
    lifetime = call.world.limits.of(FacebookLimits).upload_lifetime
    return video.finished_at is None and call.now >= video.started_at + lifetime


def _is_closed(call: Call, video: Video) -> bool:
    return video.finished_at is not None or bool(video.digest) or expired(call, video)


def _keep_beginning(call: Call, arrived: Arrived) -> None:
    try:
        _, video = own_video(call, POST, READ)
    except Refused:
        return
    size = video.file_size if video.file_size is not None else _number(call, "file_size")
    fits = size is not None and _number(call, "offset") == video.arrived and video.arrived + arrived.size < size
    if fits and video.purpose != "video" and not _is_closed(call, video):
        _append(call, video, arrived.path, size)


def _append(call: Call, video: Video, path: Path, file_size: int | None) -> None:
    """Put a file behind what is there. The first is moved, so that nothing is copied when all comes at once."""
    place, came = _place(call, video), path.stat().st_size
    if video.arrived == 0:
        path.rename(place)
    else:
        with place.open("r+b") as whole, path.open("rb") as part:
            whole.seek(video.arrived)
            whole.truncate()
            shutil.copyfileobj(part, whole, 2**20)
    facts = {"arrived": video.arrived + came, "file_size": file_size}
    call.world.happen(facebook_of(call.world).video_changed(video.video_id, **facts))


async def _fetched(call: Call, video: Video, address: str) -> Answer:
    limits = call.world.limits.of(FacebookLimits)
    got = await fetch(
        call.world.files, address, VIDEOS, most_bytes=limits.video_size, most_seconds=limits.video_fetch_seconds
    )
    if isinstance(got, NotFetched):
        raise _upload_error("ProcessingFailedError", f"Request processing failed: {got.said}", retriable=False)
    await take_file(call, video, got.digest)
    return done()


async def _take(call: Call, video: Video, path: Path) -> None:
    world, generation = call.world, call.world.generation
    try:
        found = await asyncio.to_thread(measured, path, video.purpose, world.limits.of(FacebookLimits))
    except FileNotFoundError:
        # a reset, or another call that saw the last byte come, was faster
        return
    if world.generation != generation or video.digest or video.video_id not in facebook_of(world).videos:
        return
    if path.name != found.digest:
        world.files.adopt(path, found.digest)
    facts = asdict(found)
    facts["arrived"] = facts["file_size"] = facts.pop("size")
    world.happen(facebook_of(world).video_changed(video.video_id, **facts))


def _place(call: Call, video: Video) -> Path:
    return call.world.files.aside(f"facebook-{video.video_id}")


def _number(call: Call, name: str) -> int | None:
    text = call.request.headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _upload_error(kind: str, message: str, *, retriable: bool) -> Refused:
    """An upload address has a shape of its own for its errors."""
    return Refused(400, {"debug_info": {"retriable": retriable, "type": kind, "message": message}})
