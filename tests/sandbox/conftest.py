"""A world behind a real socket, and small clients that say what came back."""

import base64
import io
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from hayon.sandbox.app import running
from hayon.sandbox.limits import Limits
from hayon.sandbox.model import Account
from hayon.sandbox.world import World

POST = "app.bsky.feed.post"


@dataclass
class Reply:
    """What a platform answered."""

    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> str:
        """The name (Bluesky) or text (Mastodon) of the refusal."""
        return str(self.body.get("error", ""))

    @property
    def message(self) -> str:
        """The words of a Bluesky refusal."""
        return str(self.body.get("message", ""))


def token_id(token: str) -> str:
    """The identity of a PDS's token; its times may differ from one answer to the next."""
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


class Http:
    """aiohttp, one connection per request, so that a cut one is seen and never silently tried again."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(self, method: str, path: str, **options: Any) -> Reply:
        """Send one request."""
        async with self.session.request(method, self.url + path, **options) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("content-type", "")
            return Reply(
                answer.status, await answer.json() if is_json else raw.decode("utf-8", "replace"), answer.headers
            )


@dataclass
class Bluesky:
    """A client of the simulated PDS."""

    http: Http
    world: World
    account: Account
    access: str = ""
    refresh: str = ""
    rkeys: Any = field(default_factory=lambda: (f"3kaaaaaaaa{a}{b}2" for a, b in itertools.product("bcdef", "bcdef")))

    async def query(self, method: str, token: str | None = None, **params: str) -> Reply:
        """GET."""
        return await self.http("GET", f"/bluesky/xrpc/{method}", params=params, headers=self._bearer(token))

    async def call(self, method: str, body: Any = None, token: str | None = None, **options: Any) -> Reply:
        """POST."""
        if body is not None:
            options["json"] = body
        return await self.http("POST", f"/bluesky/xrpc/{method}", headers=self._bearer(token), **options)

    async def login(self, password: str | None = None) -> Reply:
        """createSession; keeps the tokens."""
        given = {"identifier": self.account.handle, "password": password or self.account.secret}
        reply = await self.http("POST", "/bluesky/xrpc/com.atproto.server.createSession", json=given)
        if reply.status == 200:
            self.access, self.refresh = reply.body["accessJwt"], reply.body["refreshJwt"]
        return reply

    async def put(self, text: str = "Hello", *, rkey: str | None = None, **options: Any) -> Reply:
        """putRecord with swapRecord null, unless `call` says otherwise; further options go into the record."""
        call = {"swapRecord": None, **options.pop("call", {})}
        record = {"$type": POST, "text": text, "createdAt": "2026-03-01T12:00:00.000Z", **options}
        body = {"repo": self.account.account_id, "collection": POST, "rkey": rkey or next(self.rkeys)}
        body |= {"record": record, **call}
        return await self.call(
            "com.atproto.repo.putRecord", {name: held for name, held in body.items() if held is not ...}
        )

    async def get(self, rkey: str) -> Reply:
        """getRecord without a credential."""
        params = {"repo": self.account.account_id, "collection": POST, "rkey": rkey}
        return await self.http("GET", "/bluesky/xrpc/com.atproto.repo.getRecord", params=params)

    async def upload(self, content: bytes, mime_type: str = "image/jpeg") -> Reply:
        """uploadBlob."""
        headers = {**self._bearer(None), "content-type": mime_type}
        return await self.http(
            "POST", "/bluesky/xrpc/com.atproto.repo.uploadBlob", data=io.BytesIO(content), headers=headers
        )

    def _bearer(self, token: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {token or self.access}"}


@dataclass
class Mastodon:
    """A client of the simulated instance."""

    http: Http
    world: World
    account: Account

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        """Any call, with the token."""
        headers = {"authorization": f"Bearer {self.account.secret}", **options.pop("headers", {})}
        return await self.http(method, f"/mastodon{path}", headers=headers, **options)

    async def post(self, text: str = "Hello", *, key: str | None = None, **given: Any) -> Reply:
        """POST statuses as JSON."""
        headers = {"idempotency-key": key} if key else {}
        return await self.call("POST", "/api/v1/statuses", json={"status": text, **given}, headers=headers)

    async def upload(self, content: bytes, **fields: str) -> Reply:
        """POST media."""
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(content), filename="picture.jpg", content_type="image/jpeg")
        return await self.call("POST", "/api/v2/media", data=form)

    async def listed(self) -> list[str]:
        """The ids that the author's listing shows."""
        path = f"/api/v1/accounts/{self.account.account_id}/statuses"
        reply = await self.call("GET", path, params={"limit": "40", "exclude_reblogs": "true"})
        return [status["id"] for status in reply.body]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[tuple[World, str]]:
    """One world and its address per module of tests; each test gets it empty."""
    made = World()
    async with running(made) as address:
        yield made, address
    made.close()


@pytest.fixture
def world(server: tuple[World, str]) -> World:
    """An empty world with real limits."""
    made, _ = server
    made.reset()
    made.impose(Limits.named("real"))
    return made


@pytest.fixture
def url(server: tuple[World, str]) -> str:
    """Its address."""
    return server[1]


@pytest_asyncio.fixture(loop_scope="module")
async def http(url: str) -> AsyncIterator[Http]:
    """A client without any account."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session:
        yield Http(session, url)


@pytest_asyncio.fixture(loop_scope="module")
async def bluesky(http: Http, world: World) -> Bluesky:
    """alice.test, logged in."""
    client = Bluesky(http, world, world.add_account("bluesky", "alice.test", "Alice"))
    assert (await client.login()).status == 200
    return client


@pytest_asyncio.fixture(loop_scope="module")
async def mastodon(http: Http, world: World) -> Mastodon:
    """@alice."""
    return Mastodon(http, world, world.add_account("mastodon", "alice", "Alice"))


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes a picture of a size and a form."""

    def made(width: int = 40, height: int = 30, form: str = "JPEG", colour: str = "teal") -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (width, height), colour).save(file, form)
        return file.getvalue()

    return made
