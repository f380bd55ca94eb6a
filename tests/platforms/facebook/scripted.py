"""A Page by script: every call gets the answer written for it, and what is sent is taken piece by piece."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from hayon.errors import Unreachable
from hayon.outgoing import Answer, Outgoing, Request, Stream
from hayon.platforms.contract import Found, Look, Parcel
from hayon.platforms.facebook import LIVE_URL, Facebook
from tests.platforms.parcels import NOW, Picture, make_account, make_parcel

ADDRESS = LIVE_URL
PAGE = "4711"
CREDENTIAL = {"accessToken": "page-token"}
SENT = NOW - timedelta(minutes=5)

FEED, POST = f"GET /{PAGE}/feed", f"POST /{PAGE}/feed"
PHOTOS = f"POST /{PAGE}/photos"
STORIES = f"GET /{PAGE}/stories"
PHOTO_STORIES = f"POST /{PAGE}/photo_stories"
UPLOAD_URL = "https://rupload.facebook.com/video-upload/v25.0/77"
UPLOAD = "POST rupload.facebook.com/video-upload/v25.0/77"


def phase(edge: str, word: str) -> str:
    """The call of one phase of a video upload."""
    return f"POST /{PAGE}/{edge} {word}"


def answered(body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with this body: text as it is, anything else as JSON."""
    content = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, dict(headers or {}), content.encode(), ADDRESS)


def refused(code: int, subcode: int = 0, status: int = 400, message: str = "No", **more: Any) -> Answer:
    """An error as Graph words it."""
    error = {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode, **more}
    return answered({"error": error}, status)


GONE = refused(100, 33)

Scripted = Answer | Exception


@dataclass
class Server:
    """Answers by method, path and phase of an upload. A list gives its entries one by one.

    What is not scripted is unreachable. `asked` keeps every request in order, `taken` the bytes of each streamed body.
    """

    answers: dict[str, Scripted | list[Scripted]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    @property
    def outgoing(self) -> Outgoing:
        """Itself, where an Outgoing is wanted."""
        return cast("Outgoing", self)

    @property
    def calls(self) -> list[str]:
        """What was asked, in order."""
        return [_name_of(request) for request in self.asked]

    async def send(self, request: Request, **options: Any) -> Answer:
        """As Outgoing.send."""
        self.asked.append(request)
        bodies = [request.body, *(part.content for part in request.parts or ())]
        for stream in (body for body in bodies if isinstance(body, Stream)):
            self.taken.append(b"".join([piece async for piece in stream.open()]))
            assert len(self.taken[-1]) == stream.size
        name = self.calls[-1]
        script = self.answers.get(name, Unreachable(f"{name} is not scripted", host="graph.facebook.com"))
        if isinstance(script, list):
            assert script, f"{name} was asked once more than the script has answers"
            script = script.pop(0)
        if isinstance(script, Exception):
            raise script
        return script


def _name_of(request: Request) -> str:
    parts = urlsplit(request.url)
    path = parts.path.removeprefix("/v25.0") if parts.netloc == "graph.facebook.com" else parts.netloc + parts.path
    word = fields_of(request).get("upload_phase", "")
    return f"{request.method} {path} {word}".strip()


def fields_of(request: Request) -> dict[str, str]:
    """The plain fields of a form, however it is sent."""
    parts = {part.name: part.content for part in request.parts or () if isinstance(part.content, str)}
    return {**(request.form or {}), **parts}


def page_account(**changes: Any) -> Any:
    """The Page as it was connected."""
    return make_account("facebook", ADDRESS, PAGE, **changes)


def page_parcel(text: str = "Hello", *, media: Sequence[Picture] = (), **changes: Any) -> Parcel:
    """A parcel for the Page."""
    account = changes.pop("account", None) or page_account()
    return make_parcel(account, CREDENTIAL, text, pictures=media, **changes)


def film(content: bytes = b"film" * 100, **changes: Any) -> Picture:
    """A video that can be a reel."""
    measures = {"mime": "video/mp4", "width": 1080, "height": 1920, "duration_seconds": 20.0}
    return Picture(content, **{**measures, **changes})


def wide_film(content: bytes = b"film" * 100, **changes: Any) -> Picture:
    """A video that cannot be a reel."""
    return film(content, **{"width": 1920, "height": 1080, **changes})


def state(
    video: str = "processing",
    uploading: str = "complete",
    processing: str = "not_started",
    publishing: str = "not_started",
    outcome: str | None = None,
    *,
    received: int | None = None,
    **more: Any,
) -> Answer:
    """What Facebook says of a video."""
    phases: dict[str, dict[str, Any]] = {
        "uploading_phase": {"status": uploading},
        "processing_phase": {"status": processing},
        "publishing_phase": {"status": publishing},
    }
    if received is not None:
        phases["uploading_phase"]["bytes_transfered"] = received
    if outcome is not None:
        phases["publishing_phase"]["publish_status"] = outcome
    return answered({"id": "77", "status": {"video_status": video, **phases}, **more})


def post(number: int = 9, at: datetime = SENT, **changes: Any) -> dict[str, Any]:
    """A post as the feed lists it."""
    return {
        "id": f"{PAGE}_{number}",
        "message": "Hello",
        "created_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "is_published": True,
        "permalink_url": f"https://www.facebook.com/{PAGE}/posts/{number}",
        "application": {"id": "1", "name": "Hayon"},
        **changes,
    }


def album(*photo_ids: str) -> dict[str, Any]:
    """What hangs on a post with these pictures."""
    shown = [
        {"type": "photo", "target": {"id": one, "url": f"https://www.facebook.com/photo.php?fbid={one}"}}
        for one in photo_ids
    ]
    hung = shown if len(shown) == 1 else [{"type": "album", "target": {"id": "99"}, "subattachments": {"data": shown}}]
    return {"attachments": {"data": hung}}


def share(url: str) -> dict[str, Any]:
    """What hangs on a post that leads to a page."""
    return {"attachments": {"data": [{"type": "share", "url": url, "target": {"url": url}}]}}


def listed(*posts: dict[str, Any], **more: Scripted) -> Server:
    """A Page whose feed holds these posts."""
    return Server({FEED: answered({"data": list(posts)}), **more})


async def look_at(server: Server, adapter: Facebook | None = None, **handles: Any) -> Look:
    """A look for "Hello", sent five minutes ago, or for what these handles say."""
    first_sent_at = handles.pop("first_sent_at", SENT)
    whole = {"kind": "post", "pageId": PAGE, **(handles or {"message": "Hello"})}
    found = await (adapter or Facebook()).reconcile(
        page_parcel("other words", first_sent_at=first_sent_at), whole, server.outgoing
    )
    assert {request.method for request in server.asked} <= {"GET"}
    return found


def summary(look: Look) -> tuple[str, str | None, bool | None]:
    """A look in three words: which, the id of what was found, and whether that is exact."""
    if isinstance(look, Found):
        return ("found", look.receipt.remote_id, look.exact)
    return (type(look).__name__.lower(), None, None)


def story(media_id: str, **changes: Any) -> dict[str, Any]:
    """A story as the Page lists it."""
    return {"post_id": "6", "status": "PUBLISHED", "creation_time": int(SENT.timestamp()), "media_type": "photo",
            "media_id": media_id, "url": "https://www.facebook.com/stories/6", **changes}  # fmt: skip
