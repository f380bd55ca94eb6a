"""The routes of media: a grant to upload, the upload itself where our own folder keeps it, and what was taken in."""

import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.datastructures import UploadFile

from hayon.domain.model import Media
from hayon.errors import Conflict, Invalid, NotFound
from hayon.media import LARGEST_UPLOAD, Measured, keep_thumbnail, temp_key
from hayon.media.contract import plain_mime
from hayon.store import media as rows
from hayon.store.database import Tx
from hayon.web.auth import MayAddMedia, MayRead
from hayon.web.desk import Desk, TheDesk
from hayon.web.problems import refusals
from hayon.web.wire import Answered, Given, Moment, Text, Whole

router = APIRouter(tags=["media"])

UPLOAD_LIMIT = LARGEST_UPLOAD
PIECE = 1_000_000
HARMLESS = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600"}
"""A file of somebody's is shown as what it is, and may do nothing."""

MediaId = Annotated[UUID, Path(alias="mediaId")]


class UploadWanted(Given):
    """A file to come. `name` is for the one who uploads; it is not kept."""

    mime_type: Annotated[Text, Field(max_length=100, examples=["image/jpeg"])]
    size: Annotated[Whole, Field(ge=1, le=LARGEST_UPLOAD, description="In bytes, exactly.")]
    name: Annotated[Text, Field(max_length=255)] | None = None


class GrantOut(Answered):
    """Send the file with this request, unchanged, before it expires; then say that it is complete."""

    media_id: UUID
    method: str
    url: str
    headers: dict[str, str]
    expires_at: Moment


class MediaOut(Answered):
    """A file as it was measured. Size in bytes, sides in pixels, length in seconds; codecs as FFmpeg names them."""

    media_id: UUID
    mime_type: str
    size: int
    width: int | None
    height: int | None
    duration_seconds: float | None
    frame_rate: float | None
    video_codec: str | None
    audio_codec: str | None
    animated: bool
    ready: bool
    url: str
    thumbnail_url: str


class MediaPage(Answered):
    """Your files, the newest first."""

    media: list[MediaOut]


@router.post("/api/media/uploads", status_code=201, responses=refusals(401, 403))
async def grant_upload(given: UploadWanted, me: MayAddMedia, desk: TheDesk, request: Request) -> GrantOut:
    """The right to upload one file of this type and size, straight to where files are kept."""
    now = await _now(desk)
    public_url = desk.hayon.settings.public_url or str(request.base_url)
    grant = await desk.hayon.media.upload_grant(me.person.id, given.mime_type, given.size, public_url, now)
    one = Media(_id_in(grant.key), me.person.id, grant.key, plain_mime(given.mime_type), given.size)
    await desk.hayon.database.write(rows.insert_media, one)
    return GrantOut(
        media_id=one.id, method=grant.method, url=grant.url, headers=dict(grant.headers), expires_at=grant.expires_at
    )


@router.put("/media/uploads/{token}", status_code=204, include_in_schema=False)
async def receive_upload(token: str, request: Request, desk: TheDesk) -> None:
    """Takes a granted upload. The address itself is the permission."""
    told = request.headers.get("content-length", "")
    length = int(told) if told.isascii() and told.isdigit() else None
    now = await _now(desk)
    await desk.hayon.media.receive(token, request.stream(), request.headers.get("content-type"), length, now)


@router.post("/api/media/{mediaId:uuid}/complete", responses=refusals(401, 403, 404, 409))
async def complete_upload(media_id: MediaId, me: MayAddMedia, desk: TheDesk) -> MediaOut:
    """The file has been sent: it is measured and checked, and from now on posts can use it. May be repeated."""
    one = await desk.hayon.database.read(rows.get_media, me.person.id, media_id)
    try:
        measured = await desk.hayon.media.complete(one.key, one.mime)
    except NotFound as error:
        raise Conflict("Nothing has arrived yet. Send the file to the granted address first.") from error
    one = _as_measured(one, measured)
    with suppress(Invalid):  # a file that is good but for its first picture may be posted all the same
        await keep_thumbnail(desk.hayon.media, one.key)
    await desk.hayon.database.write(rows.complete_media, one)
    return _media_out(one)


@router.get("/api/media", responses=refusals(401, 403))
async def list_media(me: MayRead, desk: TheDesk, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> MediaPage:
    """Your files, the newest first."""
    mine = await desk.hayon.database.read(rows.list_media, me.person.id, limit=limit)
    return MediaPage(media=[_media_out(one) for one in mine])


@router.get(
    "/api/media/{mediaId:uuid}/content",
    response_model=None,
    responses=refusals(401, 403, 404) | {200: {"description": "The file.", "content": {"image/*": {}, "video/*": {}}}},
)
async def read_media(media_id: MediaId, me: MayRead, desk: TheDesk, request: Request) -> Response:
    """The file itself, to its owner; a part of it where a range is asked for."""
    one = await desk.hayon.database.read(rows.get_media, me.person.id, media_id)
    return _streamed(desk, request, one.key, one.mime, await desk.hayon.media.size(one.key))


@router.get(
    "/api/media/{mediaId:uuid}/thumbnail",
    response_model=None,
    responses=refusals(401, 403, 404)
    | {200: {"description": "A JPEG, 320 pixels a side at most.", "content": {"image/jpeg": {}}}},
)
async def read_thumbnail(media_id: MediaId, me: MayRead, desk: TheDesk, request: Request) -> Response:
    """A small picture of the file, to its owner: of a video, one of its first pictures."""
    one = await desk.hayon.database.read(rows.get_media, me.person.id, media_id)
    key = await keep_thumbnail(desk.hayon.media, one.key)
    return _streamed(desk, request, key, "image/jpeg", await desk.hayon.media.size(key))


@router.delete("/api/media/{mediaId:uuid}", status_code=204, responses=refusals(401, 403, 404, 409))
async def delete_media(media_id: MediaId, me: MayAddMedia, desk: TheDesk) -> None:
    """Deletes a file that no post uses."""
    one = await desk.hayon.database.write(rows.delete_media, me.person.id, media_id)
    await desk.hayon.media.delete(one.key)


@router.get("/media/files/{token}", include_in_schema=False, response_model=None)
async def serve_file(token: str, desk: TheDesk, request: Request) -> Response:
    """The file of a signed address, to anybody who has it: platforms that fetch by themselves."""
    served = await desk.hayon.media.serve(token, await _now(desk))
    return _streamed(desk, request, served.key, served.mime, served.size)


async def take_in(desk: Desk, user_id: UUID, upload: UploadFile) -> UUID:
    """Takes in a file that came with a form. Raises Invalid where it is no picture that can be posted."""
    mime = plain_mime(upload.content_type or "")
    one = Media(UUID(int=0), user_id, temp_key(user_id, mime), mime, upload.size or 0)
    one = dataclasses.replace(one, id=_id_in(one.key))
    await desk.hayon.media.put(one.key, _pieces(upload))
    try:
        one = _as_measured(one, await desk.hayon.media.complete(one.key, mime))
    except BaseException:
        await desk.hayon.media.delete(one.key)
        raise

    def keep(tx: Tx) -> None:
        rows.insert_media(tx, one)
        rows.complete_media(tx, one)

    await desk.hayon.database.write(keep)
    return one.id


async def _now(desk: Desk) -> datetime:
    return await desk.hayon.database.read(lambda tx: tx.now())


async def _pieces(upload: UploadFile) -> AsyncIterator[bytes]:
    while piece := await upload.read(PIECE):
        yield piece


def _as_measured(one: Media, measured: Measured) -> Media:
    return dataclasses.replace(
        one, mime=measured.mime, size=measured.size, width=measured.width, height=measured.height,
        duration_seconds=measured.duration_seconds, video_codec=measured.video_codec,
        audio_codec=measured.audio_codec, frame_rate=measured.frame_rate, animated=measured.animated, ready=True,
    )  # fmt: skip


def _id_in(key: str) -> UUID:
    """The file's own id is the one that stands in its key."""
    return UUID(key.rsplit("/", 1)[1].split(".", 1)[0])


def _media_out(one: Media) -> MediaOut:
    return MediaOut(
        media_id=one.id, mime_type=one.mime, size=one.size, width=one.width, height=one.height,
        duration_seconds=one.duration_seconds, frame_rate=one.frame_rate, video_codec=one.video_codec,
        audio_codec=one.audio_codec, animated=one.animated, ready=one.ready, url=f"/api/media/{one.id}/content",
        thumbnail_url=f"/api/media/{one.id}/thumbnail",
    )  # fmt: skip


def _streamed(desk: Desk, request: Request, key: str, mime: str, size: int) -> Response:
    """The file, or the one part of it that is asked for (RFC 9110, section 14): players ask for parts of a video."""
    wanted = _part_of(request.headers.get("range", ""), size)
    if wanted is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = wanted
    headers = HARMLESS | {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if (start, stop) == (0, size):
        return StreamingResponse(desk.hayon.media.open_stream(key), media_type=mime, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return StreamingResponse(desk.hayon.media.open_stream(key, start, stop), 206, headers, mime)


_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,15})-(?P<last>[0-9]{0,15})")


def _part_of(asked: str, size: int) -> tuple[int, int] | None:
    """From which byte to before which. The whole file where nothing is asked for that is understood; None beyond its end."""
    found = _RANGE.fullmatch(asked.strip().lower())
    if found is None or not (found["first"] or found["last"]):
        return 0, size
    if not found["first"]:
        return (max(0, size - int(found["last"])), size) if int(found["last"]) else None
    start = int(found["first"])
    stop = min(size, int(found["last"]) + 1) if found["last"] else size
    if found["last"] and int(found["last"]) < start:
        return 0, size  # no range at all, so it is not there
    return (start, stop) if start < size else None
