"""A client of the simulated Facebook Page, and how long to wait for what a fault does."""

import asyncio
import io
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.graph import film

from hayon.sandbox.model import Account
from hayon.sandbox.world import World

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
TALL = (540, 960)
PUBLISHED = {"video_state": "PUBLISHED"}


def tall(seconds: float = 3.0, *, rate: int = 24, first: bool = True) -> bytes:
    """A video that is good for a reel and a story."""
    return film(seconds, size=TALL, rate=rate, first=first)


@dataclass
class Page:
    """A client of one Page: its token in the header."""

    http: Http
    world: World
    account: Account
    version: str = "v25.0"

    @property
    def page_id(self) -> str:
        """Its id."""
        return self.account.account_id

    async def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Reply:
        """Any call; the path from the version on, or a whole one."""
        headers = {"authorization": f"Bearer {token or self.account.secret}", **options.pop("headers", {})}
        whole = path if path.startswith("/") else f"/facebook/{self.version}/{path}"
        return await self.http(method, whole, headers=headers, **options)

    async def get(self, path: str, fields: str = "", **params: Any) -> Reply:
        """GET."""
        asked = {"fields": fields} if fields else {}
        return await self.call("GET", path, params=asked | {name: str(held) for name, held in params.items()})

    async def post(self, message: str | None = None, **form: Any) -> Reply:
        """POST to the feed as a form."""
        return await self.call("POST", "me/feed", data=form if message is None else {"message": message, **form})

    async def posted(self, message: str | None = None, **form: Any) -> str:
        """A post or draft that was taken."""
        return taken(await self.post(message, **form))

    async def go_live(self, post_id: str) -> Reply:
        """Publish a draft."""
        return await self.call("POST", post_id, data={"is_published": "true"})

    async def upload(self, content: bytes, **fields: str) -> Reply:
        """A photo as bytes, unpublished unless the fields say otherwise."""
        form = aiohttp.FormData({"published": "false", **fields})
        form.add_field("source", io.BytesIO(content), filename="photo.jpg", content_type="image/jpeg")
        return await self.call("POST", "me/photos", data=form)

    async def photo(self, content: bytes, **fields: str) -> str:
        """An unpublished photo."""
        return taken(await self.upload(content, **fields))

    async def album(self, message: str, *photo_ids: str, **form: str) -> Reply:
        """A post of photos."""
        attached = {f"attached_media[{n}]": json.dumps({"media_fbid": one}) for n, one in enumerate(photo_ids)}
        return await self.post(message, **attached, **form)

    async def listed(self, edge: str = "feed", **params: Any) -> list[str]:
        """The ids that a listing shows."""
        reply = await self.get(f"me/{edge}", **params)
        assert reply.status == 200, reply.body
        return [one["id"] for one in reply.body["data"]]

    # -- videos -------------------------------------------------------------------------------------------------------

    async def start(self, edge: str = "video_reels", **form: Any) -> Any:
        """upload_phase=start; the answer's body."""
        reply = await self.call("POST", f"me/{edge}", data={"upload_phase": "start", **form})
        assert reply.status == 200, reply.body
        return reply.body

    async def send(
        self, video_id: str, content: bytes, *, offset: int | None = 0, size: int | None = None, **headers: str
    ) -> Reply:
        """The bytes from `offset` on, to the upload address."""
        told = {"authorization": f"OAuth {self.account.secret}", **headers}
        told |= {} if offset is None else {"offset": str(offset)}
        told |= {"file_size": str(len(content) if size is None else size)} if size != -1 else {}
        path = f"/facebook/video-upload/{self.version}/{video_id}"
        return await self.http("POST", path, data=io.BytesIO(content), headers=told)

    async def uploaded(self, content: bytes, edge: str = "video_reels") -> str:
        """A video whose bytes are all there."""
        video_id = str((await self.start(edge))["video_id"])
        reply = await self.send(video_id, content)
        assert (reply.status, reply.body) == (200, {"success": True})
        return video_id

    async def finish(self, video_id: str, edge: str = "video_reels", **form: Any) -> Reply:
        """upload_phase=finish."""
        given = {"upload_phase": "finish", "video_id": video_id, **(PUBLISHED if edge == "video_reels" else {}), **form}
        return await self.call("POST", f"me/{edge}", data=given)

    async def reel(self, content: bytes, **form: Any) -> str:
        """A reel that is published and processed."""
        video_id = await self.uploaded(content)
        reply = await self.finish(video_id, **form)
        assert (reply.status, reply.body) == (200, {"success": True})
        self.world.advance(3)
        return video_id

    async def transfer(self, session: str, start: int | str, chunk: bytes) -> Reply:
        """One part of a chunked upload."""
        form = aiohttp.FormData({"upload_phase": "transfer", "upload_session_id": session, "start_offset": str(start)})
        form.add_field("video_file_chunk", io.BytesIO(chunk), filename="chunk", content_type="application/octet-stream")
        return await self.call("POST", "me/videos", data=form)

    async def chunked(self, content: bytes) -> Any:
        """A long video whose parts are all there, as large as they were asked for; the start's answer."""
        begun = await self.start("videos", file_size=len(content))
        at, end = int(begun["start_offset"]), int(begun["end_offset"])
        while at < end:
            reply = await self.transfer(begun["upload_session_id"], at, content[at:end])
            assert reply.status == 200, reply.body
            at, end = int(reply.body["start_offset"]), int(reply.body["end_offset"])
        assert at == len(content)
        return begun

    async def status(self, video_id: str) -> Any:
        """How a video stands."""
        return (await self.get(video_id, "status")).body["status"]


def page_client(http: Http, world: World, handle: str = "alice") -> Page:
    """Somebody's Page."""
    return Page(http, world, world.add_account("facebook", handle, handle.capitalize()))


def taken(reply: Reply) -> str:
    """The id of what was taken."""
    assert reply.status == 200, reply.body
    return str(reply.body["id"])


async def until(world: World, *, lines: int = 0, fault: str | None = None) -> None:
    """Wait until the ledger has so many lines, or a request has met the fault."""
    async with asyncio.timeout(5):
        while len(world.ledger) < lines or (  # noqa: ASYNC110 - a world has no event for it
            fault and not any(fault in line["faults"] for line in world.requests)
        ):
            await asyncio.sleep(0.01)


async def abandoned(world: World, fault: str, publishing: Coroutine[Any, Any, Any]) -> None:
    """A client that gives up once its request has met the fault."""
    task = asyncio.create_task(publishing)
    await until(world, fault=fault)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def arriving(world: World) -> list[str]:
    """The files that are still on their way."""
    folder = world.files.aside("x").parent
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".arriving")
