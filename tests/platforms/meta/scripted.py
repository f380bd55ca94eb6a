"""Meta by script: makes containers, tells their status as it is told to, and keeps every request in order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from hayon.errors import NotYet, Unreachable
from hayon.outgoing import Answer, Outgoing, Request
from hayon.platforms.contract import Look, Parcel
from hayon.platforms.instagram import Instagram
from hayon.platforms.meta.containers import Containers
from hayon.platforms.threads import Threads
from tests.platforms.parcels import NOW, Checkpoints, Picture, make_account, make_parcel

ADDRESS = "http://127.0.0.1:9000/meta"
TOKEN = "THAA" + "x7" * 40
CREDENTIAL = {"accessToken": TOKEN, "obtainedAt": (NOW - timedelta(days=2)).isoformat()}
USER = "17841400000000001"
THREADS, INSTAGRAM = Threads(ADDRESS), Instagram(ADDRESS)
FACES: dict[str, Containers] = {"threads": THREADS, "instagram": INSTAGRAM}
SENT = NOW + timedelta(seconds=20)

Scripted = Answer | Exception


def answered(body: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with this body: text as it is, anything else as JSON."""
    content = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, dict(headers or {}), content.encode(), ADDRESS)


def refused(
    code: int, subcode: int | None = None, words: str = "It cannot be done", *, status: int = 400, **more: Any
) -> Answer:
    """An error as Graph words it."""
    error = {
        "message": words,
        "type": "OAuthException",
        "code": code,
        "error_subcode": subcode,
        "fbtrace_id": "AbC-1",
        **more,
    }
    return answered({"error": {name: value for name, value in error.items() if value is not None}}, status)


@dataclass
class Peer:
    """A platform for one adapter. Containers get the ids c1, c2, … and are FINISHED unless `statuses` says otherwise.

    `statuses` and `answers` (by method and path, without version and query) give one value again and again, or the
    entries of a list one by one. What is neither scripted nor a container is unreachable.
    """

    face: Containers
    statuses: dict[str, str | list[str]] = field(default_factory=dict)
    words: str = ""
    answers: dict[str, Scripted | list[Scripted]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    made: int = 0

    @property
    def outgoing(self) -> Outgoing:
        """Itself, where an Outgoing is wanted."""
        return cast("Outgoing", self)

    @property
    def calls(self) -> list[str]:
        """Methods and paths asked, in order."""
        return [_call(request, self.face.version) for request in self.asked]

    def forms(self) -> list[dict[str, str]]:
        """The forms of all containers asked for, in order."""
        return [dict(one.form or {}) for one in self.asked if _call(one, self.face.version) == self.making]

    @property
    def making(self) -> str:
        """The call that makes a container."""
        return f"POST /{USER}/{self.face.making}"

    async def send(self, request: Request, **options: Any) -> Answer:
        """As Outgoing.send."""
        self.asked.append(request)
        call = self.calls[-1]
        if call in self.answers:
            return _next(self.answers, call)
        if call == self.making:
            self.made += 1
            return answered({"id": f"c{self.made}"})
        if call.startswith("GET /c"):
            status = (
                _next(self.statuses, call.removeprefix("GET /"))
                if call.removeprefix("GET /") in self.statuses
                else "FINISHED"
            )
            field_of_status, field_of_words = self.face.status_fields
            return answered({"id": call.removeprefix("GET /"), field_of_status: status, field_of_words: self.words})
        raise Unreachable(f"{call} is not scripted", host="meta.example")


def _next(scripts: dict[str, Any], key: str) -> Any:
    script = scripts[key]
    if isinstance(script, list):
        script = script.pop(0)
    if isinstance(script, Exception):
        raise script
    return script


def _call(request: Request, version: str) -> str:
    return f"{request.method} {request.url.removeprefix(ADDRESS).removeprefix(f'/{version}')}"


def image(number: int = 1, alt_text: str = "") -> Picture:
    """A small JPEG that fits everywhere, at an address of its own."""
    return Picture(JPEG, alt_text, "image/jpeg", 64, 64, url=f"https://media.example/{number}.jpg")


def film(number: int = 1, alt_text: str = "", seconds: float = 10) -> Picture:
    """A video at an address of its own; nobody looks into it."""
    return Picture(
        b"film", alt_text, "video/mp4", 1080, 1920, url=f"https://media.example/{number}.mp4", duration_seconds=seconds
    )


def parcel_of(face: Containers, text: str = "Hello", *pictures: Picture, **changes: Any) -> Parcel:
    """A parcel of now for @alice."""
    account = make_account(face.platform, ADDRESS, USER, handle="@alice")
    return make_parcel(account, CREDENTIAL, text, pictures=pictures, **changes)


@dataclass
class Driven:
    """What came of preparing to the end: the handles, every wait on the way, and the parcel as it stood then."""

    handles: Mapping[str, Any]
    waits: list[float]
    parcel: Parcel


async def drive(
    face: Containers, parcel: Parcel, peer: Peer, saved: Checkpoints | None = None, *, tries: int = 60
) -> Driven:
    """Prepares until there are handles: waits as asked, and comes back with what was saved, as JSON keeps it."""
    saved, waits = saved or Checkpoints(), []
    for _ in range(tries):
        try:
            handles = await face.prepare(parcel, saved, peer.outgoing)
        except NotYet as not_yet:
            waits.append(not_yet.wait_seconds)
            parcel = comes_back(parcel, saved, not_yet.wait_seconds)
        else:
            assert json.loads(json.dumps(handles)) == handles
            assert all(wait > 0 for wait in waits)
            return Driven(handles, waits, parcel)
    raise AssertionError(f"not ready after {waits}")


def comes_back(parcel: Parcel, saved: Checkpoints, seconds: float = 0) -> Parcel:
    """The same parcel at a later try."""
    checkpoint = json.loads(json.dumps(saved.last)) if saved.saved else parcel.checkpoint
    return replace(parcel, checkpoint=checkpoint, now=parcel.now + timedelta(seconds=seconds))


def post(number: int = 9, at: Any = SENT, **changes: Any) -> dict[str, Any]:
    """A post as lists show it, on both platforms."""
    return {
        "id": str(number), "media_type": "IMAGE", "timestamp": at.isoformat().replace("+00:00", "+0000"), "text": "Hello",
        "caption": "Hello", "permalink": f"https://www.threads.com/@alice/post/P{number}", **changes,
    }  # fmt: skip


def listing_of(face: Containers) -> str:
    """The call that lists the account's posts."""
    return f"GET /{USER}/{face.making}"


async def look_at(face: Containers, status: Scripted | str, *posts: dict[str, Any], listing: Scripted | list[Scripted] | None = None,
                  at: str = "", **changes: Any) -> tuple[Look, Peer]:  # fmt: skip
    """A look for "Hello" with a picture, in a container made 20 seconds before it was sent, five minutes ago."""
    peer = Peer(face)
    path = f"GET /{USER}/{at or face.making}"
    peer.answers[path] = listing or answered({"data": list(posts)})
    if isinstance(status, str):
        peer.statuses["c1"] = status
    else:
        peer.answers["GET /c1"] = status
    first_sent_at = changes.pop("first_sent_at", SENT)
    handles = {"user": USER, "container": "c1", "since": NOW.isoformat(), "text": "Hello", "types": ["IMAGE"],
               "listing": face.making, **changes}  # fmt: skip
    parcel = parcel_of(face, "Hello", now=SENT + timedelta(minutes=5), first_sent_at=first_sent_at)
    try:
        return await face.reconcile(parcel, handles, peer.outgoing), peer
    finally:
        assert {request.method for request in peer.asked} <= {"GET"}


def _jpeg() -> bytes:
    import io

    from PIL import Image

    kept = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(kept, "JPEG")
    return kept.getvalue()


JPEG = _jpeg()
