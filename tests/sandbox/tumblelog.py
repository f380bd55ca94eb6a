"""A client of the simulated Tumblr that signs as RFC 5849 says, by its own hands and not by the library that verifies."""

import base64
import hashlib
import hmac
import io
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp
from tests.sandbox.conftest import Http, Reply

from hayon.sandbox.model import Account
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.world import World

AGENT = "sandbox-tests/1"
File = tuple[str, bytes, str]
"""Name, content, declared type."""


def escaped(text: str) -> str:
    """RFC 5849, 3.6."""
    return quote(text, safe="-._~")


@dataclass
class Signer:
    """What goes into a signature."""

    token: str
    token_secret: str
    key: str = CONSUMER_KEY
    secret: str = CONSUMER_SECRET
    clock: Callable[[], float] = time.time

    def header(self, method: str, url: str, form: dict[str, str] | None = None, **changed: str) -> str:
        """The Authorization header; what is `changed` is so before it is signed."""
        parts = urlsplit(url)
        own = {
            "oauth_consumer_key": self.key,
            "oauth_nonce": secrets.token_hex(8),
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(self.clock())),
            "oauth_token": self.token,
            "oauth_version": "1.0",
            **changed,
        }
        pairs = [*own.items(), *parse_qsl(parts.query, keep_blank_values=True), *(form or {}).items()]
        normal = "&".join(f"{name}={value}" for name, value in sorted((escaped(a), escaped(b)) for a, b in pairs))
        base = "&".join((method, escaped(f"{parts.scheme}://{parts.netloc}{parts.path}"), escaped(normal)))
        secret = f"{escaped(self.secret)}&{escaped(self.token_secret)}".encode()
        signature = base64.b64encode(hmac.new(secret, base.encode(), hashlib.sha1).digest()).decode()
        shown = {**own, "oauth_signature": signature}
        return "OAuth " + ", ".join(f'{name}="{escaped(value)}"' for name, value in shown.items())


@dataclass
class Tumblelog:
    """One blog's owner."""

    http: Http
    world: World
    account: Account
    agent: dict[str, str] = field(default_factory=lambda: {"user-agent": AGENT})

    @property
    def signer(self) -> Signer:
        """With the account's present token."""
        return Signer(self.account.secret, self.account.more["tokenSecret"])

    async def call(self, method: str, path: str, *, bearer: str | None = None, **options: Any) -> Reply:
        """Any call, signed or with this bearer token. A query stands in the path."""
        url = f"/tumblr/v2/{path}"
        header = f"Bearer {bearer}" if bearer else self.signer.header(method, self.http.url + url)
        headers = {**self.agent, "authorization": header, **options.pop("headers", {})}
        return await self.http(method, url, headers=headers, **options)

    async def post(self, *words: str, files: list[File] | None = None, **given: Any) -> Reply:
        """POST posts with a text block for each of `words`, as JSON or, with files, as a form in parts."""
        return await self.send("POST", f"blog/{self.account.handle}/posts", *words, files=files, **given)

    async def put(self, post_id: str, *words: str, files: list[File] | None = None, **given: Any) -> Reply:
        """PUT a post."""
        return await self.send("PUT", f"blog/{self.account.handle}/posts/{post_id}", *words, files=files, **given)

    async def send(self, method: str, path: str, *words: str, files: list[File] | None = None, **given: Any) -> Reply:
        """As above."""
        body = {"content": [{"type": "text", "text": one} for one in words], **given}
        if files is None:
            return await self.call(method, path, json=body)
        return await self.call(method, path, data=form(body, files))

    async def draft(self, *words: str, **given: Any) -> str:
        """The id of a new draft."""
        reply = await self.post(*words, state="draft", **given)
        assert reply.status == 201, reply.body
        return str(reply.body["response"]["id"])

    async def get(self, post_id: str) -> Reply:
        """GET a post."""
        return await self.call("GET", f"blog/{self.account.handle}/posts/{post_id}?post_format=npf")

    async def listed(self, which: str = "") -> list[str]:
        """The ids in a list: published ones, or `/draft`, or `/queue`."""
        reply = await self.call("GET", f"blog/{self.account.handle}/posts{which}?npf=true")
        assert reply.status == 200, reply.body
        return [one["id_string"] for one in reply.body["response"]["posts"]]


def form(body: Any, files: list[File], *, first: str = "json") -> aiohttp.FormData:
    """The JSON first, then the files."""
    data = aiohttp.FormData(default_to_multipart=True)
    data.add_field(first, json.dumps(body), content_type="application/json")
    for name, content, kind in files:
        data.add_field(name, io.BytesIO(content), filename=f"{name}.bin", content_type=kind)
    return data


def image(identifier: str, width: int = 40, height: int = 30, kind: str = "image/jpeg", **more: Any) -> dict[str, Any]:
    """A block of one picture of the form."""
    media = {"type": kind, "identifier": identifier, "width": width, "height": height}
    return {"type": "image", "media": [media], **more}


def video(identifier: str, width: int = 64, height: int = 64, **more: Any) -> dict[str, Any]:
    """A block of the video of the form."""
    media = {"type": "video/mp4", "identifier": identifier, "width": width, "height": height}
    return {"type": "video", "media": media, **more}


def code(reply: Reply) -> tuple[int, int]:
    """Status and subcode of a refusal, which must agree with themselves."""
    body = reply.body
    assert body["meta"]["status"] == reply.status
    assert body["response"] == []
    assert body["errors"][0]["title"] == body["meta"]["msg"]
    return reply.status, body["errors"][0]["code"]


def tumblr_client(http: Http, world: World, handle: str = "alice") -> Tumblelog:
    """Somebody with a blog."""
    # aiohttp sends a PUT a second time by itself when its connection is cut
    http.session._retry_connection = False
    return Tumblelog(http, world, world.add_account("tumblr", handle, handle.capitalize()))
