"""Clients of the simulated Threads and Instagram, a host whose media they fetch, and small real videos."""

import asyncio
import fractions
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from tests.sandbox.conftest import Http, Reply

from hayon.sandbox.meta.containers import ContainerMemory
from hayon.sandbox.model import Account, Platform
from hayon.sandbox.world import World


@dataclass
class Host:
    """A server of files by their path; it keeps what it was asked, and gives nothing while it is held."""

    url: str = ""
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: asyncio.Event | None = None

    def put(self, path: str, content: bytes, kind: str = "image/jpeg") -> str:
        """Serve these bytes; their address."""
        self.files[path] = (content, kind)
        return f"{self.url}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection."""
        path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]
        self.asked.append(path)
        if self.held:
            await self.held.wait()
        content, kind = self.files.get(path, (b"<html>Not here", "text/html"))
        status = "200 OK" if path in self.files else "404 Not Found"
        head = (
            f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def hosting() -> AsyncIterator[Host]:
    """A host on a free port."""
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield host
    if host.held:
        host.held.set()
    server.close()
    await server.wait_closed()


@dataclass
class Client:
    """A client of one of the two: `/{platform}/{version}`, the account's token in the header."""

    http: Http
    world: World
    account: Account
    version: str
    create_edge: str
    publish_edge: str

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        """Any call."""
        headers = {"authorization": f"Bearer {self.account.secret}", **options.pop("headers", {})}
        return await self.http(method, f"/{self.account.platform}/{self.version}/{path}", headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Reply:
        """GET."""
        return await self.call("GET", path, params={name: str(held) for name, held in params.items()})

    async def create(self, **form: Any) -> Reply:
        """POST a container as a form."""
        return await self.call("POST", f"me/{self.create_edge}", data=form)

    async def container(self, **form: Any) -> str:
        """A container that was taken."""
        reply = await self.create(**form)
        assert reply.status == 200, reply.body
        return str(reply.body["id"])

    async def ready(self, **form: Any) -> str:
        """A container whose processing is over."""
        made = await self.container(**form)
        await self.settle()
        return made

    async def publish(self, container_id: str) -> Reply:
        """POST its publishing."""
        return await self.call("POST", f"me/{self.publish_edge}", data={"creation_id": container_id})

    async def published(self, **form: Any) -> str:
        """A post that landed."""
        reply = await self.publish(await self.ready(**form))
        assert reply.status == 200, reply.body
        return str(reply.body["id"])

    async def settle(self) -> None:
        """Let what is being fetched arrive, and the processing be over."""
        memory = self.world.memory(Platform(self.account.platform), ContainerMemory)
        await asyncio.gather(*memory.fetches.values())
        self.world.advance(10)

    async def listed(self, edge: str, **params: Any) -> list[str]:
        """The ids that a listing shows."""
        reply = await self.get(f"me/{edge}", **params)
        assert reply.status == 200, reply.body
        return [one["id"] for one in reply.body["data"]]


def stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with a clock that only `advance` moves, so that nothing is over because a test was slow."""
    at = time.time()
    monkeypatch.setattr(world, "_clock", lambda: at)
    return world


def threads_client(http: Http, world: World, handle: str = "alice") -> Client:
    """Somebody on Threads."""
    account = world.add_account("threads", handle, handle.capitalize())
    return Client(http, world, account, "v1.0", "threads", "threads_publish")


def instagram_client(http: Http, world: World, handle: str = "alice") -> Client:
    """Somebody on Instagram."""
    account = world.add_account("instagram", handle, handle.capitalize())
    return Client(http, world, account, "v25.0", "media", "media_publish")


def refusal(reply: Reply) -> tuple[int, int, int | None]:
    """Status, code and subcode of a refusal in the Graph's envelope."""
    said = reply.body["error"]
    assert said["message"]
    assert said["type"]
    assert said["fbtrace_id"]
    assert isinstance(said["is_transient"], bool)
    return reply.status, said["code"], said.get("error_subcode")


@cache
def film(
    seconds: float = 4.0,
    *,
    size: tuple[int, int] = (64, 96),
    rate: int = 30,
    codec: str = "libx264",
    first: bool = True,
) -> bytes:
    """A real video; its index stands before the pictures if it is `first`."""
    # the muxer reads its own file again to move the index, so it must have a name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        _write(path, seconds, size, rate, codec, "faststart" if first else "")
        return path.read_bytes()


def _write(path: Path, seconds: float, size: tuple[int, int], rate: int, codec: str, flags: str) -> None:
    with av.open(str(path), "w", format="mp4", container_options={"movflags": flags} if flags else {}) as out:
        stream: Any = out.add_stream(codec, rate=fractions.Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        picture = av.VideoFrame.from_image(Image.new("RGB", size, "teal"))
        for n in range(round(seconds * rate)):
            picture.pts = n
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
