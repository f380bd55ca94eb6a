"""How videos get to the simulated Facebook: to an upload address, resumed; in parts; from an address; never into memory."""

import asyncio
import io
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image
from tests.sandbox.conftest import Http
from tests.sandbox.facebook import CUT, Page, abandoned, arriving, page_client, tall
from tests.sandbox.graph import Host, film, hosting, refusal

from hayon.sandbox.app import running
from hayon.sandbox.journal import Files
from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID, GONE, REFUSED = (400, 100, None), (400, 100, 33), (400, 6000, None)
WRONG_OFFSET = (400, 6000, 1363037)
VIDEO = "status,published,post_id,permalink_url"


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where videos are."""
    async with hosting() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def page(http: Http, world: World) -> Page:
    """Alice's Page."""
    return page_client(http, world)


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """A body that is read bit by bit."""
    for at in range(0, len(content), 2**16):
        yield content[at : at + 2**16]


async def leave_in_the_middle(page: Page, video_id: str, content: bytes, offset: int, until_byte: int) -> None:
    """A client that goes away while it is sending its video."""
    parts = urlsplit(page.http.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST /facebook/video-upload/v25.0/{video_id} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        f"authorization: OAuth {page.account.secret}\r\noffset: {offset}\r\nfile_size: {len(content)}\r\n"
        f"content-length: {len(content) - offset}\r\n\r\n"
    )
    writer.write(head.encode() + content[offset:until_byte])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(5):
        while not any(line["outcome"] == "left" for line in page.world.requests):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    page.world.requests.clear()


def small_png(colour: str) -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


async def test_an_upload_address_says_what_is_wrong(page: Page, http: Http) -> None:
    content = tall()
    video_id = str((await page.start())["video_id"])
    path = f"/facebook/video-upload/v25.0/{video_id}"
    for options, kind, retriable in (
        ({"offset": 1}, "OffsetInvalidError", True),
        ({"offset": None}, "OffsetInvalidError", True),
        ({"size": len(content) + 1}, "PartialRequestError", True),
        ({"size": len(content) - 1}, "PartialRequestError", True),
        ({"size": -1}, "PartialRequestError", True),
        ({"file_url": f"{http.url}/nothing"}, "ProcessingFailedError", False),
    ):
        reply = await page.send(video_id, content, **options)
        said = reply.body["debug_info"]
        assert (reply.status, said["type"], said["retriable"]) == (400, kind, retriable), options
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == 0
    assert refusal(await http("POST", path, data=b"x")) == (400, 2500, None)
    assert refusal(await http("POST", path, data=b"x", headers={"authorization": "OAuth wrong"})) == (400, 190, None)
    assert refusal(await page.send("17", content)) == GONE
    assert (await page.send(video_id, content)).status == 200
    again = await page.send(video_id, content)
    assert (again.status, again.body["debug_info"]["type"]) == (400, "ProcessingFailedError")


async def test_an_interrupted_upload_is_resumed_where_it_stopped(page: Page, world: World) -> None:
    content = tall()
    video_id = str((await page.start())["video_id"])
    half, most = len(content) // 2, len(content) * 3 // 4
    await leave_in_the_middle(page, video_id, content, 0, half)
    assert (await page.status(video_id))["uploading_phase"] == {
        "status": "in_progress",
        "bytes_transfered": half,
        "source_file_size": len(content),
    }
    await leave_in_the_middle(page, video_id, content, half, most)
    # one that begins elsewhere leaves nothing
    await leave_in_the_middle(page, video_id, content, 1, 11)
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == most
    assert refusal(await page.finish(video_id)) == REFUSED
    stale = await page.send(video_id, content)
    assert stale.body["debug_info"]["type"] == "OffsetInvalidError"
    assert (await page.send(video_id, content[most:], offset=most, size=len(content))).status == 200
    assert (await page.finish(video_id, description="Whole")).status == 200
    assert world.ledger[0].media_ids == [Files.digest(content)]
    assert arriving(world) == []


async def test_nobody_else_can_put_bytes_into_a_video(page: Page, http: Http, world: World) -> None:
    content = tall()
    video_id = str((await page.start())["video_id"])
    bob = page_client(http, world, "bob")
    assert refusal(await bob.send(video_id, content)) == GONE
    await leave_in_the_middle(bob, video_id, content, 0, 100)
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == 0
    assert (await page.send(video_id, content)).status == 200


async def test_a_video_may_be_fetched_from_its_address(page: Page, host: Host, world: World) -> None:
    content = tall()
    video_id = str((await page.start())["video_id"])
    address = host.put("/reel.mp4", content, "video/mp4")
    told = {"authorization": f"OAuth {page.account.secret}", "file_url": address}
    reply = await page.http("POST", f"/facebook/video-upload/v25.0/{video_id}", headers=told)
    assert (reply.status, host.asked) == (200, ["/reel.mp4"])
    assert (await page.status(video_id))["video_status"] == "upload_complete"
    assert (await page.finish(video_id, description="Fetched")).status == 200
    assert world.ledger[0].media_ids == [Files.digest(content)]


async def test_a_body_over_the_limit_is_refused_and_leaves_nothing(page: Page, world: World) -> None:
    world.impose(Limits().having(FacebookLimits(video_size=2_000)))
    video_id = str((await page.start())["video_id"])
    assert refusal(await page.send(video_id, b"x" * 2_001)) == (413, 1, None)
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == 0
    assert refusal(await page.call("POST", "me/videos", data={"upload_phase": "start", "file_size": "2001"})) == REFUSED
    assert FacebookLimits().video_size == 2**30


async def test_an_upload_is_good_for_a_day(page: Page, world: World) -> None:
    content = tall()
    late, finished = await page.uploaded(content), await page.reel(content)
    begun = await page.start("videos", file_size=len(content))
    world.advance(86_400)
    assert (await page.status(late))["video_status"] == "expired"
    assert refusal(await page.finish(late)) == REFUSED
    assert (await page.send(late, content)).body["debug_info"]["type"] == "ProcessingFailedError"
    assert refusal(await page.transfer(begun["upload_session_id"], 0, content)) == REFUSED
    assert (await page.status(finished))["video_status"] == "ready"


# -- in parts ------------------------------------------------------------------------------------------------------------


async def test_a_video_in_parts(page: Page, http: Http, world: World) -> None:
    content = film(3)
    world.impose(Limits().having(FacebookLimits(chunk_size=1_000)))
    begun = await page.start("videos", file_size=len(content))
    session, video_id = begun["upload_session_id"], begun["video_id"]
    assert begun == {"upload_session_id": session, "video_id": video_id, "start_offset": "0", "end_offset": "1000"}
    first = await page.transfer(session, 0, content[:1_000])
    assert first.body == {"start_offset": "1000", "end_offset": "2000"}
    assert (await page.status(video_id))["uploading_phase"] == {
        "status": "in_progress",
        "bytes_transfered": 1_000,
        "source_file_size": len(content),
    }
    # a part that was sent before, one out of order, one over the end: refused with what is wanted
    for at, part in ((0, content[:1_000]), (3_000, content[3_000:4_000]), (1_000, content)):
        refused = await page.transfer(session, at, part)
        assert refusal(refused) == WRONG_OFFSET
        assert refused.body["error"]["error_data"] == {"start_offset": "1000", "end_offset": "2000"}
    assert refusal(await page.finish(video_id, "videos", upload_session_id=session)) == REFUSED
    # a part may be of another size than was asked for
    last = await page.transfer(session, 1_000, content[1_000:])
    assert last.body == {"start_offset": str(len(content)), "end_offset": str(len(content))}
    assert arriving(world) == []
    reply = await page.finish(video_id, "videos", upload_session_id=session, description="Long", title="T")
    assert (reply.status, reply.body) == (200, {"success": True})
    assert refusal(await page.transfer(session, len(content), b"")) == WRONG_OFFSET
    assert await page.listed() == []
    world.advance(3)
    told = (await page.get(video_id, VIDEO)).body
    path = f"/facebook/{page.page_id}/videos/{video_id}"
    assert (told["published"], told["permalink_url"]) == (True, f"{http.url}{path}")
    (listed,) = (await page.get("me/feed", "id,message,attachments{media_type,target}")).body["data"]
    assert (listed["id"], listed["message"]) == (f"{page.page_id}_{told['post_id']}", "Long")
    attached = listed["attachments"]["data"][0]
    assert (attached["media_type"], attached["target"]["id"]) == ("video", video_id)
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.key, line.text) == ("finish_video", video_id, video_id, "Long")
    assert line.media_ids == [Files.digest(content)]
    assert (await http("GET", path)).status == 200
    assert (await http("GET", path.replace(page.page_id, "1"))).status == 404
    assert refusal(await page.finish(video_id, "videos", upload_session_id=session, description="Long")) == INVALID
    assert world.copies("facebook") == {"Long": 1}


async def test_parts_come_one_at_a_time_even_when_sent_at_once(page: Page, world: World) -> None:
    content = film(3)
    begun = await page.start("videos", file_size=len(content))
    session, half = begun["upload_session_id"], len(content) // 2
    replies = await asyncio.gather(*(page.transfer(session, 0, content[:half]) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]
    replies = await asyncio.gather(*(page.transfer(session, half, content[half:]) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]
    assert (await page.finish(begun["video_id"], "videos", upload_session_id=session)).status == 200
    assert world.ledger[0].media_ids == [Files.digest(content)]


async def test_a_draft_of_a_long_video(page: Page, world: World) -> None:
    begun = await page.chunked(film(3))
    form = {"upload_session_id": begun["upload_session_id"], "published": "false"}
    assert (await page.finish(begun["video_id"], "videos", **form)).status == 200
    world.advance(3)
    assert (await page.status(begun["video_id"]))["publishing_phase"]["publish_status"] == "draft"
    assert (world.ledger, await page.listed()) == ([], [])


async def test_sessions_that_are_none(page: Page, http: Http, world: World) -> None:
    content = film(3)
    foreign = await page_client(http, world, "bob").start("videos", file_size=len(content))
    for session in (foreign["upload_session_id"], "17"):
        assert refusal(await page.transfer(session, 0, content)) == REFUSED
        assert refusal(await page.finish("x", "videos", upload_session_id=session)) == REFUSED
    assert refusal(await page.finish("x", "videos")) == INVALID
    assert refusal(await page.call("POST", "me/videos", data={"upload_phase": "start"})) == INVALID
    small = await page.call("POST", "me/videos", data={"upload_phase": "start", "file_size": "1023"})
    assert refusal(small) == (400, 382, None)
    begun = await page.start("videos", file_size=len(content))
    nothing = {"upload_phase": "transfer", "upload_session_id": begun["upload_session_id"], "start_offset": "0"}
    assert refusal(await page.call("POST", "me/videos", data=nothing)) == INVALID
    elsewhere = await page.send(begun["video_id"], content)
    assert elsewhere.body["debug_info"]["type"] == "ProcessingFailedError"


async def test_a_video_in_one_call(page: Page, host: Host, world: World) -> None:
    content = film(3)
    address = host.put("/long.mp4", content, "video/mp4")
    fetched = await page.call("POST", "me/videos", data={"file_url": address, "description": "Fetched"})
    form = aiohttp.FormData({"description": "Sent"})
    form.add_field("source", content, filename="x.mp4", content_type="video/mp4")
    sent = await page.call("POST", "me/videos", data=form)
    world.advance(3)
    for reply in (fetched, sent):
        assert (await page.get(reply.body["id"], "published")).body["published"] is True
    assert [(one.operation, one.text, one.media_ids) for one in world.ledger] == [
        ("create_video", "Fetched", [Files.digest(content)]),
        ("create_video", "Sent", [Files.digest(content)]),
    ]
    for address in (f"{host.url}/missing", host.put("/page", b"<html>", "text/html")):
        assert refusal(await page.call("POST", "me/videos", data={"file_url": address})) == (400, 389, None)
    tiny = host.put("/tiny.mp4", content[:100], "video/mp4")
    assert refusal(await page.call("POST", "me/videos", data={"file_url": tiny})) == (400, 382, None)
    broken = host.put("/broken.mp4", content[:2_000], "video/mp4")
    assert refusal(await page.call("POST", "me/videos", data={"file_url": broken})) == REFUSED
    assert refusal(await page.call("POST", "me/videos", data={"description": "x"})) == INVALID
    assert len(world.ledger) == 2


async def test_a_large_video_stays_out_of_memory(page: Page, world: World) -> None:
    """Sixty megabytes in one body, and as many in parts of four."""
    content = (
        tall() + b"\x00\x00\x00\x08free" + b"".join([(2**22).to_bytes(4, "big") + b"free" + bytes(2**22 - 8)] * 15)
    )
    video_id = str((await page.start())["video_id"])
    tracemalloc.start()
    try:
        told = {"authorization": f"OAuth {page.account.secret}", "offset": "0", "file_size": str(len(content))}
        path = f"/facebook/video-upload/v25.0/{video_id}"
        assert (await page.http("POST", path, data=in_pieces(content), headers=told)).status == 200
        _, one_body = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        begun = await page.chunked(content)
        _, in_parts = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert one_body < 16 * 2**20
    assert in_parts < 48 * 2**20
    assert (await page.status(video_id))["video_status"] == "upload_complete"
    assert (await page.status(begun["video_id"]))["video_status"] == "upload_complete"
    assert (await page.finish(video_id)).status == 200
    assert world.ledger[0].media_ids == [Files.digest(content)]


async def test_an_upload_that_takes_effect_late_or_whose_answer_is_lost(page: Page, world: World) -> None:
    content = tall()
    video_id = str((await page.start())["video_id"])
    world.faults.add("facebook", "refuse", "upload_video", status=503)
    assert refusal(await page.send(video_id, content)) == (503, 1, None)
    world.faults.add("facebook", "drop_before", "upload_video")
    with pytest.raises(CUT):
        await page.send(video_id, content)
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == 0
    world.faults.add("facebook", "accept_late", "upload_video", seconds=60)
    await abandoned(world, "accept_late", page.send(video_id, content))
    assert (await page.status(video_id))["uploading_phase"]["bytes_transfered"] == 0
    world.advance(61)
    async with asyncio.timeout(5):
        while (await page.status(video_id))["video_status"] != "upload_complete":  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
    assert (await page.finish(video_id)).status == 200
    assert arriving(world) == []


async def test_a_part_whose_answer_is_lost_is_there(page: Page, world: World) -> None:
    content = film(3)
    begun = await page.start("videos", file_size=len(content))
    world.faults.add("facebook", "accept_then_drop", "transfer_video")
    with pytest.raises(CUT):
        await page.transfer(begun["upload_session_id"], 0, content[:1_000])
    assert (await page.status(begun["video_id"]))["uploading_phase"]["bytes_transfered"] == 1_000
    assert refusal(await page.transfer(begun["upload_session_id"], 0, content[:1_000])) == WRONG_OFFSET
    assert (await page.transfer(begun["upload_session_id"], 1_000, content[1_000:])).status == 200


async def test_a_world_comes_back_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    content = tall()
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        first = World(path=tmp_path)
        async with running(first) as url:
            page = page_client(Http(session, url), first)
            begun = await page.start("videos", file_size=len(content))
            await page.transfer(begun["upload_session_id"], 0, content[:1_000])
            reel = await page.reel(content, description="Reel")
            photos = [await page.photo(one) for one in (small_png("teal"), small_png("plum"))]
            draft = str((await page.album("Draft", *photos, published="false")).body["id"])
        first.close()
        again = World(path=tmp_path)
        async with running(again) as url:
            page = Page(Http(session, url), again, again.get_account("facebook", "alice"))
            assert (await page.status(reel))["publishing_phase"]["publish_status"] == "published"
            assert (await page.status(begun["video_id"]))["uploading_phase"]["bytes_transfered"] == 1_000
            await page.transfer(begun["upload_session_id"], 1_000, content[1_000:])
            reply = await page.finish(begun["video_id"], "videos", upload_session_id=begun["upload_session_id"])
            assert reply.status == 200
            assert (await page.go_live(draft)).status == 200
            assert [line.media_ids for line in again.ledger] == [
                [Files.digest(content)],
                [Files.digest(content)],
                [Files.digest(small_png(one)) for one in ("teal", "plum")],
            ]
            assert again.meter.take("facebook.calls", "other", again.now()) is not None
        again.close()
