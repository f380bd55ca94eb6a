"""The page of somebody's files, and the parts of it that scripts ask for: one file's tile, and files to choose from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from hayon.delivery.tending import FORGOTTEN_AFTER
from hayon.errors import Conflict, Invalid, Problem
from hayon.store import media as rows
from hayon.store.database import Tx
from hayon.store.media import Kept
from hayon.web import media
from hayon.web.auth import Caller, csrf_token
from hayon.web.desk import Desk, TheDesk
from hayon.web.media import MediaId
from hayon.web.pages_draft import Picture
from hayon.web.pages_form import PageRoute, Sender, TheForm, Visitor
from hayon.web.pages_inside import go, show
from hayon.web.pages_view import render
from hayon.web.paging import Cursor, read_cursor, write_cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE = 48
"""Files on a page: rows of 2, 3, 4 and 6 are full."""
KINDS = {
    "image/jpeg": "JPEG picture", "image/png": "PNG picture", "image/gif": "GIF picture", "image/webp": "WebP picture",
    "video/mp4": "MP4 video", "video/webm": "WebM video",
}  # fmt: skip
_KILO, _MINUTE, _TEN = 1000, 60, 10


class Show(StrEnum):
    """What of the library is shown."""

    ALL = "all"
    PICTURES = "pictures"
    VIDEOS = "videos"


class Place(StrEnum):
    """Where a tile will stand."""

    COMPOSE = "compose"
    LIBRARY = "library"


_VIDEOS = {Show.ALL: None, Show.PICTURES: False, Show.VIDEOS: True}
Shows = Annotated[Show, Query()]


@dataclass(frozen=True, slots=True)
class File:
    """A file as its tile tells of it. `kept_until` is set where no post uses it; `facts` are its sides, length and size."""

    media_id: UUID
    kind: str
    is_video: bool
    facts: str
    width: int | None
    height: int | None
    created_at: datetime
    uses: int
    deleted_uses: int
    posts: tuple[tuple[UUID, str], ...]
    kept_until: datetime | None


@router.get("/media")
async def show_library(
    me: Visitor, desk: TheDesk, show: Shows = Show.ALL, cursor: Cursor = None,
    told: Annotated[str, Query(max_length=20)] = "",
) -> Response:  # fmt: skip
    """The newest files, or those before the cursor."""
    return await _library(desk, me, show, cursor, told=told)


@router.post("/media")
async def add_file(me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Takes in the file that came with the form, for those without scripts."""
    chosen = form.file("picture")
    if chosen is None:
        missing = Problem("picture", "missing", "Choose a picture or a video first.")
        return await _library(desk, me, Show.ALL, None, problems=[missing], status=422)
    try:
        await media.take_in(desk, me.person.id, chosen)
    except Invalid as error:
        return await _library(desk, me, Show.ALL, None, problems=error.problems, status=error.status)
    return go("/media?told=file")


@router.post("/media/{mediaId:uuid}/delete")
async def delete_file(media_id: MediaId, me: Sender, desk: TheDesk, form: TheForm) -> Response:
    """Deletes a file that no post uses; says why where one does. Then the same page of the library again."""
    wanted, cursor = form.text("show"), form.text("cursor") or None
    shown = Show(wanted) if wanted in set(Show) else Show.ALL
    try:
        await media.delete_media(media_id, me, desk)
    except Conflict as error:
        return await _library(
            desk, me, shown, cursor, heading="That did not work", problems=[Problem("", "", str(error))],
            status=error.status,
        )  # fmt: skip
    return go(_address(shown, cursor, told="file-deleted"))


@router.get("/media/{mediaId:uuid}/tile")
async def show_tile(media_id: MediaId, place: Annotated[Place, Query(alias="for")], me: Visitor, desk: TheDesk) -> Response:  # fmt: skip
    """One file as it stands in the composer or in the library, for the script that uploaded it."""
    kept, now = await desk.hayon.database.read(lambda tx: (rows.get_kept(tx, me.person.id, media_id), tx.now()))
    if place is Place.COMPOSE:
        return HTMLResponse(render("attached.html", picture=Picture(str(media_id), ""), number=1, last=True))
    csrf = csrf_token(me.token or "")
    return HTMLResponse(render("tile.html", file=as_file(kept), show=Show.ALL, cursor="", person=me.person, csrf=csrf, now=now))  # fmt: skip


@router.get("/media/pick")
async def pick(me: Visitor, desk: TheDesk, cursor: Cursor = None) -> Response:
    """Files to choose from, for a dialog."""
    files, older = await _page(desk, me, Show.ALL, cursor)
    older_at = f"/media/pick?{urlencode({'cursor': older})}" if older else ""
    return HTMLResponse(render("pick.html", files=files, older_at=older_at, first=cursor is None, person=me.person))


def as_file(kept: Kept) -> File:
    """A file in the words of its tile."""
    one = kept.media
    sides = f"{one.width:,} \u00d7 {one.height:,} pixels" if one.width and one.height else ""
    length = length_words(one.duration_seconds) if one.duration_seconds is not None else ""
    return File(
        one.id, "Animated GIF" if one.mime == "image/gif" and one.animated else KINDS.get(one.mime, one.mime),
        one.mime.startswith("video/"), ", ".join(filter(None, (sides, length, size_words(one.size)))), one.width, one.height,
        kept.created_at, kept.uses, kept.deleted_uses, kept.posts,
        None if kept.uses else kept.created_at + FORGOTTEN_AFTER,
    )  # fmt: skip


def size_words(size: int) -> str:
    """A size in bytes as people say it: 740 bytes, 12 kB, 1.4 MB, 1.0 GB."""
    if size < _KILO:
        return f"{size} bytes"
    amount, units = size / _KILO, ["kB", "MB", "GB"]
    while amount >= _KILO - 0.5 and len(units) > 1:  # it would be rounded to a thousand
        amount, units = amount / _KILO, units[1:]
    return f"{amount:.0f} kB" if units[0] == "kB" else f"{_short(amount)} {units[0]}"


def length_words(seconds: float) -> str:
    """A length as people say it: 8.4 s, 42 s, 1 min 5 s."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s" if minutes else f"{_short(seconds)} s"


def _short(amount: float) -> str:
    """With a decimal where there is but one digit before it."""
    return f"{amount:.0f}" if round(amount, 1) >= _TEN else f"{amount:.1f}"


async def _library(
    desk: Desk, me: Caller, shown: Show, cursor: str | None, **facts: Any
) -> Response:  # fmt: skip
    files, older = await _page(desk, me, shown, cursor)
    return await show(
        desk, me, "library.html", here="media", files=files, show=shown, cursor=cursor or "",
        older_at=_address(shown, older) if older else "", kept_hours=round(FORGOTTEN_AFTER.total_seconds() / 3600), **facts,
    )  # fmt: skip


async def _page(desk: Desk, me: Caller, shown: Show, cursor: str | None) -> tuple[list[File], str | None]:
    """A page of files, and the word that leads to the next one if there is one. Raises Invalid."""
    before = read_cursor(cursor) if cursor else None

    def read(tx: Tx) -> list[Kept]:
        return rows.list_library(tx, me.person.id, videos=_VIDEOS[shown], before=before, limit=PAGE + 1)

    found = await desk.hayon.database.read(read)
    files = [as_file(one) for one in found[:PAGE]]
    return files, write_cursor(files[-1].created_at, files[-1].media_id) if len(found) > PAGE else None


def _address(shown: Show, cursor: str | None, *, told: str = "") -> str:
    wanted = {"show": "" if shown is Show.ALL else str(shown), "cursor": cursor or "", "told": told}
    asked = urlencode({name: value for name, value in wanted.items() if value})
    return f"/media?{asked}" if asked else "/media"
