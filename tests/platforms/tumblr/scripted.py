"""A blog in memory that answers as Tumblr documents it, for what goes wrong between two calls: its posts are the judge.

Any answer can be replaced or lost, once or always, before or after its effect.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from PIL import Image

from hayon.domain.model import Account
from hayon.errors import Unconfirmed, Unreachable
from hayon.outgoing import Answer, Outgoing, Request, Stream
from hayon.platforms.contract import Parcel
from hayon.platforms.tumblr import Tumblr
from tests.platforms.parcels import NOW, Checkpoints, OneSend, Picture, make_account, make_parcel

HOST = "https://api.tumblr.example"
UUID = "t:0aY0xL2Fi1OFJg4YxpmegQ"
APP = ("consumer key", "consumer secret")
ADAPTER = Tumblr(HOST, *APP)
DIRECT = Tumblr(HOST, *APP, direct=True)
OAUTH1 = {"token": "token", "tokenSecret": "secret"}
OAUTH2 = {"accessToken": "access", "refreshToken": "renewing", "expiresAt": (NOW + timedelta(minutes=40)).isoformat()}

CREATE, EDIT, FETCH = "create", "edit", "fetch"
DRAFTS, LISTING, DELETE, INFO = "drafts", "posts", "delete", "info"
LOST = Unconfirmed("the answer was lost")


def answered(response: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Tumblr's envelope around this response; text stands as it is."""
    body = {"meta": {"status": status, "msg": "…"}, "response": [] if response is None else response}
    content = response if isinstance(response, str) else json.dumps(body)
    return Answer(status, dict(headers or {}), content.encode(), HOST)


def refused(status: int, code: int = 0, words: str = "No.", headers: Mapping[str, str] | None = None) -> Answer:
    """An error as Tumblr words it."""
    errors = [{"title": "Error", "code": code, "detail": words}] if code or words else []
    body = {"meta": {"status": status, "msg": "Refused"}, "response": [], "errors": errors}
    return Answer(status, dict(headers or {}), json.dumps(body).encode(), HOST)


PAGE = answered("<html>Bad gateway</html>", 502)
Fault = Answer | Exception


@dataclass
class Blog:
    """`posts` are newest first. `before` answers instead of doing anything, `after` instead of telling what was done:
    one by one, by the name of the call. A video is transcoded by `finish_video`.
    """

    posts: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    before: dict[str, list[Fault]] = field(default_factory=dict)
    after: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    clock: float = NOW.timestamp()
    last: int = 700_000_000_000_000_000
    lists_drafts: bool = True
    lists_posts: bool = True

    @property
    def outgoing(self) -> Outgoing:
        """Itself, where an Outgoing is wanted."""
        return cast("Outgoing", self)

    @property
    def live(self) -> list[dict[str, Any]]:
        """What people see, and the owner's private posts."""
        return [post for post in self.posts if post["state"] in {"published", "private"}]

    @property
    def drafts(self) -> list[dict[str, Any]]:
        return [post for post in self.posts if post["state"] == "draft"]

    async def send(self, request: Request, **options: Any) -> Answer:
        """As Outgoing.send."""
        self.asked.append(request)
        name, steps = self._read(request)
        self.calls.append(name)
        if self.before.get(name):
            return _given(self.before[name].pop(0))
        answer = await getattr(self, f"_{name}")(request, steps)
        if self.after.get(name):
            return _given(self.after[name].pop(0))
        return cast("Answer", answer)

    def finish_video(self, *, drop: bool = False) -> None:
        """What was transcoding becomes a draft under another number, or is gone."""
        (post,) = (one for one in self.posts if one["state"] == "transcoding")
        self.posts.remove(post)
        if not drop:
            self._add(post | {"state": "draft"})

    def add(self, state: str = "published", **fields: Any) -> dict[str, Any]:
        """A post of the author's own."""
        return self._add({"state": state, "slug": "a-post", "content": [], **fields})

    def _add(self, post: Mapping[str, Any]) -> dict[str, Any]:
        self.last += 1
        added = {**post, "id": self.last, "id_string": str(self.last), "timestamp": int(self.clock)}
        added.setdefault("genesis_post_id", str(self.last))
        added["post_url"] = f"https://alice.tumblr.example/post/{self.last}"
        self.posts.insert(0, added)
        return added

    def _read(self, request: Request) -> tuple[str, list[str]]:
        assert "Authorization" in request.headers
        path = unquote(urlsplit(request.url).path)
        _, version, blog, whose, *steps = path.split("/")
        assert (version, blog) == ("v2", "blog")
        if steps == ["info"]:
            return INFO, [whose]
        assert whose == UUID
        match request.method, steps:
            case "POST", ["posts"]:
                return CREATE, steps
            case "PUT", ["posts", _]:
                return EDIT, steps
            case "GET", ["posts", "draft"]:
                return DRAFTS, steps
            case "GET", ["posts", _]:
                return FETCH, steps
            case "GET", ["posts"]:
                return LISTING, steps
            case "POST", ["post", "delete"]:
                return DELETE, steps
        raise AssertionError(f"{request.method} {path} is no call of Tumblr's")

    async def _create(self, request: Request, steps: list[str]) -> Answer:
        fields = await self._fields(request)
        post = {"state": "published", **fields}
        if any(block["type"] == "video" for block in post["content"]):
            if any(one["state"] == "transcoding" for one in self.posts):
                return refused(403, 8010)
            post["state"] = "transcoding"
        added = self._add(post)
        answer = {"id": added["id_string"], "state": added["state"], "display_text": "…"}
        return answered(answer, 201)

    async def _edit(self, request: Request, steps: list[str]) -> Answer:
        """A draft that is published gets another number, and is found under the old one no more."""
        post = self._find(steps[1])
        if post is None:
            return refused(404)
        fields = await self._fields(request)
        self.posts.remove(post)
        return answered({"id": self._add({"genesis_post_id": post["genesis_post_id"], **fields})["id_string"]})

    async def _fetch(self, request: Request, steps: list[str]) -> Answer:
        post = self._find(steps[1])
        return refused(404) if post is None else answered(post | {"id": post["id_string"]})

    async def _drafts(self, request: Request, steps: list[str]) -> Answer:
        before = int(request.query.get("before_id", 0)) or self.last + 1
        found = [post for post in self.drafts if post["id"] < before] if self.lists_drafts else []
        return answered({"posts": found[:20]})

    async def _posts(self, request: Request, steps: list[str]) -> Answer:
        start, limit = int(request.query["offset"]), int(request.query["limit"])
        listed = [post for post in self.live if post["state"] == "published"] if self.lists_posts else []
        return answered({"blog": {}, "posts": listed[start : start + limit], "total_posts": len(listed)})

    async def _delete(self, request: Request, steps: list[str]) -> Answer:
        post = self._find(str(request.json["id"]))
        if post is None:
            return refused(404)
        self.posts.remove(post)
        return answered({})

    async def _info(self, request: Request, steps: list[str]) -> Answer:
        (name,) = steps
        return answered({"blog": {"name": name, "uuid": self.names[name]}}) if name in self.names else refused(404)

    def _find(self, number: str) -> dict[str, Any] | None:
        return next((post for post in self.posts if post.get("id_string") == number), None)

    async def _fields(self, request: Request) -> dict[str, Any]:
        """The fields of a post, its uploads stored: each named part has to be there, and no other."""
        if request.parts is None:
            fields: dict[str, Any] = json.loads(json.dumps(request.json))
            assert "identifier" not in json.dumps(fields)
            return fields
        described, *files = request.parts
        assert (described.name, described.mime) == ("json", "application/json")
        fields = json.loads(cast("str", described.content))
        sent = {part.name: await _whole(cast("Stream", part.content)) for part in files}
        named = [_one(block)["identifier"] for block in fields["content"] if block["type"] in {"image", "video"}]
        assert named == list(sent)
        for block in fields["content"]:
            if block["type"] in {"image", "video"}:
                self._store(block, sent)
        return fields

    def _store(self, block: dict[str, Any], sent: Mapping[str, bytes]) -> None:
        media = _one(block)
        key = f"key-{len(self.files)}"
        self.files[key] = sent[media.pop("identifier")]
        media |= {
            "media_key": key,
            "url": f"https://64.media.tumblr.example/{key}",
            "original_dimensions_missing": True,
        }
        if block["type"] == "image":
            block["media"] = [media, {**media, "width": 250}]


def _one(block: dict[str, Any]) -> dict[str, Any]:
    media = block["media"]
    return cast("dict[str, Any]", media[0] if block["type"] == "image" else media)


async def _whole(stream: Stream) -> bytes:
    content = b"".join([piece async for piece in stream.open()])
    assert len(content) == stream.size
    return content


def _given(fault: Fault) -> Answer:
    if isinstance(fault, Exception):
        raise fault
    return fault


def unreachable() -> Unreachable:
    """A fresh one: a look takes its proof away."""
    return Unreachable("not reached", host="api.tumblr.example")


def make_picture(colour: str = "teal", alt_text: str = "", width: int = 40, height: int = 30) -> Picture:
    """A small PNG."""
    kept = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(kept, "PNG")
    return Picture(kept.getvalue(), alt_text, width=width, height=height)


VIDEO = Picture(b"film" * 30_000, "not sent", "video/mp4", 640, 480, duration_seconds=3.0)


async def prepare(blog: Blog, parcel: Parcel, saved: Checkpoints) -> Mapping[str, Any]:
    """The handles of a parcel whose last checkpoint is the newest one saved."""
    return await ADAPTER.prepare(replace(parcel, checkpoint=saved.last or parcel.checkpoint), saved, blog.outgoing)


async def publish(blog: Blog, parcel: Parcel, handles: Mapping[str, Any]) -> None:
    """The one call, with handles as they come back from a database."""
    receipt = await ADAPTER.publish(parcel, json.loads(json.dumps(handles)), OneSend(blog.outgoing))
    assert receipt.remote_id


def account_of(**changes: Any) -> Account:
    """@alice's blog."""
    return replace(make_account("tumblr", HOST, UUID, handle="alice"), **changes)


def parcel_of(text: str = "Hello", credential: Mapping[str, Any] = OAUTH1, **changes: Any) -> Parcel:
    """A parcel for that blog."""
    return make_parcel(account_of(), credential, text, **changes)


@dataclass
class Server:
    """Answers by path. What is not scripted is unreachable. `asked` keeps every request in order."""

    answers: dict[str, Fault] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    @property
    def outgoing(self) -> Outgoing:
        return cast("Outgoing", self)

    @property
    def paths(self) -> list[str]:
        return [urlsplit(request.url).path for request in self.asked]

    async def send(self, request: Request, **options: Any) -> Answer:
        self.asked.append(request)
        answer = self.answers.get(self.paths[-1], unreachable())
        if isinstance(answer, Exception):
            raise answer
        return answer
