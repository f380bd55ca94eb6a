"""Videos of the simulated Facebook: reels and stories, what a video must be, how it stands, every fault on the way."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.facebook import CUT, TALL, Page, abandoned, arriving, page_client, tall, until
from tests.sandbox.graph import Host, film, hosting, refusal

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


async def test_a_reel_from_its_start_to_its_page(page: Page, http: Http, world: World) -> None:
    content = tall()
    begun = await page.start()
    video_id = begun["video_id"]
    assert begun == {
        "video_id": video_id,
        "upload_url": f"{http.url}/facebook/video-upload/v25.0/{video_id}",
    }
    assert (await page.get(video_id, VIDEO)).body == {
        "id": video_id,
        "published": False,
        "permalink_url": f"{http.url}/facebook/reel/{video_id}",
        "status": {
            "video_status": "uploading",
            "uploading_phase": {"status": "not_started", "bytes_transfered": 0},
            "processing_phase": {"status": "not_started"},
            "publishing_phase": {"status": "not_started"},
        },
    }
    assert (await page.send(video_id, content)).body == {"success": True}
    size = len(content)
    done = {"status": "complete", "bytes_transfered": size, "source_file_size": size}
    assert await page.status(video_id) == {
        "video_status": "upload_complete",
        "uploading_phase": done,
        "processing_phase": {"status": "not_started"},
        "publishing_phase": {"status": "not_started"},
    }
    assert world.ledger == []
    assert (await page.finish(video_id, description="Moves #tea", title="T")).body == {"success": True}
    assert await page.status(video_id) == {
        "video_status": "processing",
        "uploading_phase": done,
        "processing_phase": {"status": "in_progress"},
        "publishing_phase": {"status": "not_started"},
    }
    path = f"/facebook/reel/{video_id}"
    assert (await http("GET", path)).status == 404
    world.advance(3)
    told = (await page.get(video_id, f"{VIDEO},description,title,length")).body
    publishing = told["status"].pop("publishing_phase")
    assert (publishing["status"], publishing["publish_status"]) == ("complete", "published")
    assert abs(publishing["publish_time"] - world.now()) < 5
    assert told == {
        "id": video_id,
        "published": True,
        "post_id": told["post_id"],
        "permalink_url": f"{http.url}{path}",
        "description": "Moves #tea",
        "title": "T",
        "length": 3.0,
        "status": {
            "video_status": "ready",
            "uploading_phase": done,
            "processing_phase": {"status": "complete"},
        },
    }
    assert (await page.get(f"{page.page_id}_{told['post_id']}", "message")).body["message"] == "Moves #tea"
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.key) == ("finish_reel", video_id, video_id)
    assert (line.text, line.media_ids) == ("Moves #tea", [Files.digest(content)])
    shown = (await http("GET", path)).body
    assert all(one in shown for one in ('<span class="form">Reel</span>', "<video", '<span class="tag">#tea</span>'))
    assert (await http("GET", f"{path}/")).status == 200
    assert (await page.get("me/video_reels", "id,description")).body["data"] == [
        {"id": video_id, "description": "Moves #tea"}
    ]
    assert await page.listed() == []
    assert arriving(world) == []


async def test_a_second_finish_is_refused_and_written_down_as_a_repeat(page: Page, world: World) -> None:
    video_id = await page.reel(tall(), description="Once")
    assert refusal(await page.finish(video_id, description="Once")) == INVALID
    assert [(one.repeat, one.remote_id) for one in world.ledger] == [(False, video_id), (True, video_id)]
    assert world.copies("facebook") == {"Once": 1}
    assert await page.listed("video_reels") == [video_id]
    world.faults.add("facebook", "double_on_repeat", "finish_reel", count=1)
    assert (await page.finish(video_id, description="Once")).status == 200
    assert world.copies("facebook") == {"Once": 2}
    assert refusal(await page.finish(video_id, description="Once")) == INVALID


async def test_two_finishes_at_once_make_one_reel(page: Page, world: World) -> None:
    video_id = await page.uploaded(tall())
    replies = await asyncio.gather(*(page.finish(video_id, description="Once") for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]
    assert world.copies("facebook") == {"Once": 1}


async def test_a_draft_is_not_published(page: Page, http: Http, world: World) -> None:
    video_id = await page.uploaded(tall())
    assert (await page.finish(video_id, video_state="DRAFT", description="Draft")).body == {"success": True}
    world.advance(3)
    status = await page.status(video_id)
    assert (status["video_status"], status["publishing_phase"]) == (
        "ready",
        {"status": "complete", "publish_status": "draft"},
    )
    assert (await page.get(video_id, "published")).body["published"] is False
    assert (world.ledger, await page.listed("video_reels")) == ([], [])
    assert "Draft" not in (await http("GET", "/")).body


async def test_calls_that_are_not_whole(page: Page, http: Http, world: World) -> None:
    video_id = await page.uploaded(tall())
    foreign = await page_client(http, world, "bob").uploaded(tall())
    story = str((await page.start("video_stories"))["video_id"])
    for one in (foreign, story, "17", ""):
        assert refusal(await page.finish(one)) == INVALID
    for state in ("", "LIVE", "SCHEDULED"):
        assert refusal(await page.finish(video_id, video_state=state)) == INVALID
    assert refusal(await page.call("POST", "me/video_reels", data={})) == INVALID
    assert refusal(await page.call("POST", "me/video_reels", data={"upload_phase": "transfer"})) == INVALID
    assert refusal(await page.call("POST", "me/video_reels", data={"upload_phase": "start", "file_size": "9"})) == (
        400,
        382,
        None,
    )
    assert world.ledger == []
    assert (await page.finish(video_id)).status == 200


# -- what a video must be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "edge", "words"),
    [
        (lambda: b"no video at all" * 100, "video_reels", "format"),
        (lambda: tall()[:-500], "video_reels", "format"),
        (lambda: film(3, size=TALL, codec="mpeg4"), "video_reels", "format"),
        (lambda: film(3, size=(538, 960), rate=24), "video_reels", "540p"),
        (lambda: film(3, size=(960, 540), rate=24), "video_stories", "540p"),
        (lambda: tall(2.5), "video_reels", "too short"),
        (lambda: tall(2.5), "video_stories", "too short"),
        (lambda: tall(3, rate=20), "video_reels", "Frame rate"),
        (lambda: b"no video at all" * 100, "videos", "format"),
    ],
    ids=["bytes", "cut", "MPEG-4", "narrow", "flat", "short reel", "short story", "few frames", "long video of bytes"],
)
async def test_videos_that_cannot_be_published(
    page: Page, world: World, content: object, edge: str, words: str
) -> None:
    assert callable(content)
    given = content()
    if edge == "videos":
        begun = await page.chunked(given)
        video_id, form = begun["video_id"], {"upload_session_id": begun["upload_session_id"]}
    else:
        video_id, form = await page.uploaded(given, edge), {}
    status = await page.status(video_id)
    assert (status["video_status"], status["uploading_phase"]["status"]) == ("error", "complete")
    assert words in status["processing_phase"]["error"]["message"]
    refused = await page.finish(video_id, edge, **form)
    assert refusal(refused) == REFUSED
    assert words in refused.body["error"]["error_user_msg"]
    assert world.ledger == []


async def test_how_long_a_video_may_be(page: Page, world: World) -> None:
    real = FacebookLimits()
    assert (real.reel_shortest, real.reel_longest, real.story_longest) == (3, 90, 60)
    world.impose(Limits().having(FacebookLimits(reel_longest=3.5, story_longest=3, video_longest=3.5)))
    assert (await page.status(await page.uploaded(tall(3.5))))["video_status"] == "upload_complete"
    story = await page.uploaded(tall(3.5), "video_stories")
    assert "at most 3 seconds" in (await page.status(story))["processing_phase"]["error"]["message"]
    assert "too long" in (await page.status(await page.uploaded(tall(4))))["processing_phase"]["error"]["message"]
    assert (await page.status((await page.chunked(tall(4)))["video_id"]))["video_status"] == "error"


async def test_an_index_at_the_end_is_good_too(page: Page) -> None:
    assert (await page.status(await page.uploaded(tall(first=False))))["video_status"] == "upload_complete"


async def test_thirty_reels_a_day(page: Page, world: World) -> None:
    assert FacebookLimits().reels_per_day == 30
    world.impose(Limits().having(FacebookLimits(reels_per_day=1)))
    await page.reel(tall(), description="1")
    second = await page.uploaded(tall())
    assert refusal(await page.finish(second, description="2")) == (400, 368, 1390008)
    world.advance(86_390)
    assert refusal(await page.finish(second, description="2")) == (400, 368, 1390008)
    world.advance(9)
    assert (await page.finish(second, description="2")).status == 200
    assert world.copies("facebook") == {"1": 1, "2": 1}


# -- stories -------------------------------------------------------------------------------------------------------------


async def test_a_video_as_a_story(page: Page, http: Http, world: World) -> None:
    content = tall()
    video_id = await page.uploaded(content, "video_stories")
    made = (await page.finish(video_id, "video_stories", description="not shown")).body
    story = made["post_id"]
    assert made == {"success": True, "post_id": story}
    assert (await page.get("me/stories")).body == {"data": []}
    world.advance(3)
    (told,) = (await page.get("me/stories", "media_id,post_id,status,media_type,url")).body["data"]
    path = f"/facebook/stories/{page.page_id}/{story}"
    assert told == {
        "media_id": video_id,
        "post_id": story,
        "status": "PUBLISHED",
        "media_type": "VIDEO",
        "url": f"{http.url}{path}",
    }
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.key, line.text) == ("finish_video_story", story, video_id, "")
    assert line.media_ids == [Files.digest(content)]
    shown = (await http("GET", path)).body
    assert ('<span class="form">Story</span>' in shown, "not shown" in shown) == (True, False)
    assert (await page.listed(), await page.listed("video_reels")) == ([], [])
    assert refusal(await page.finish(video_id, "video_stories")) == INVALID
    assert [one.repeat for one in world.ledger] == [False, True]
    assert refusal(await page.finish(video_id)) == INVALID


# -- faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", ["video_reels", "videos", "video_stories"])
async def test_an_answer_that_is_lost_leaves_the_videos_key(page: Page, world: World, edge: str) -> None:
    operation = {"video_reels": "finish_reel", "videos": "finish_video", "video_stories": "finish_video_story"}[edge]
    begun = await page.chunked(tall()) if edge == "videos" else {"video_id": await page.uploaded(tall(), edge)}
    video_id = begun["video_id"]
    form = {"upload_session_id": begun["upload_session_id"]} if edge == "videos" else {}
    world.faults.add("facebook", "drop_before", operation)
    with pytest.raises(CUT):
        await page.finish(video_id, edge, **form)
    assert ((await page.status(video_id))["video_status"], world.ledger) == ("upload_complete", [])
    world.faults.add("facebook", "accept_then_drop", operation)
    with pytest.raises(CUT):
        await page.finish(video_id, edge, **form)
    world.advance(3)
    told = (await page.get(video_id, VIDEO)).body
    assert (told["published"], told["status"]["publishing_phase"]["publish_status"]) == (True, "published")
    assert [(one.operation, one.key, one.repeat) for one in world.ledger] == [(operation, video_id, False)]


async def test_an_error_although_it_went_live(page: Page, world: World) -> None:
    video_id = await page.uploaded(tall())
    world.faults.add("facebook", "error_after_accept", "finish_reel")
    said = await page.finish(video_id, description="Live")
    assert refusal(said) == (500, 2, None)
    assert "retry your request later" in said.body["error"]["message"]
    world.advance(3)
    assert (await page.get(video_id, "published")).body["published"] is True
    assert world.copies("facebook") == {"Live": 1}


async def test_an_effect_that_comes_late(page: Page, world: World) -> None:
    video_id = await page.uploaded(tall())
    world.faults.add("facebook", "accept_late", "finish_reel", seconds=60)
    await abandoned(world, "accept_late", page.finish(video_id, description="Late"))
    assert (await page.status(video_id))["video_status"] == "upload_complete"
    world.advance(61)
    await until(world, lines=1)
    world.advance(3)
    assert (await page.status(video_id))["publishing_phase"]["publish_status"] == "published"


async def test_processing_may_take_long_or_fail(page: Page, http: Http, world: World) -> None:
    slow, failed = await page.uploaded(tall()), await page.uploaded(tall())
    world.faults.add("facebook", "slow_media", "finish_reel", seconds=600, count=1)
    assert (await page.finish(slow, description="Slow")).status == 200
    world.faults.add("facebook", "failed_media", "finish_reel", seconds=60)
    assert (await page.finish(failed, description="Failed")).body == {"success": True}
    assert (await page.status(failed))["video_status"] == "processing"
    world.advance(61)
    status = await page.status(failed)
    assert (status["video_status"], status["publishing_phase"]["publish_status"]) == ("error", "error")
    assert status["processing_phase"]["error"]["message"]
    assert (await page.status(slow))["video_status"] == "processing"
    assert "Slow" not in (await http("GET", "/")).body
    world.advance(540)
    assert (await page.status(slow))["publishing_phase"]["publish_status"] == "published"
    assert "Slow" in (await http("GET", "/")).body
    assert world.copies("facebook") == {"Slow": 1}
    assert await page.listed("video_reels") == [slow]


async def test_status_and_listing_may_lag(page: Page, world: World) -> None:
    video_id = await page.uploaded(tall())
    world.faults.add("facebook", "status_late", "finish_reel", seconds=60, count=1)
    world.faults.add("facebook", "list_late", "finish_reel", seconds=120, count=1)
    await page.finish(video_id, description="Lag")
    world.advance(30)
    told = (await page.get(video_id, VIDEO)).body
    assert (told["published"], told["status"]["publishing_phase"]) == (False, {"status": "not_started"})
    assert "post_id" not in told
    world.advance(31)
    assert (await page.get(video_id, "published")).body["published"] is True
    assert await page.listed("video_reels") == []
    world.advance(60)
    assert await page.listed("video_reels") == [video_id]


async def test_a_restricted_page_publishes_no_video(page: Page, world: World) -> None:
    video_id = await page.uploaded(tall())
    world.set_standing(page.account, "restricted")
    for call in (page.finish(video_id), page.call("POST", "me/video_reels", data={"upload_phase": "start"})):
        assert refusal(await call) == (400, 368, 1404112)
    assert world.ledger == []


async def test_videos_can_be_deleted(page: Page, http: Http, world: World) -> None:
    reel, waiting = await page.reel(tall(), description="Short-lived"), await page.uploaded(tall())
    assert refusal(await page_client(http, world, "bob").call("DELETE", reel)) == GONE
    for one in (reel, waiting):
        assert (await page.call("DELETE", one)).body == {"success": True}
        assert refusal(await page.get(one)) == GONE
    begun = await page.start("videos", file_size=2_000)
    await page.transfer(begun["upload_session_id"], 0, b"x" * 1_000)
    assert len(arriving(world)) == 1
    assert (await page.call("DELETE", begun["video_id"])).status == 200
    assert arriving(world) == []
    assert await page.listed("video_reels") == []
    assert "Short-lived" not in (await http("GET", "/")).body
    assert [one.operation for one in world.ledger] == ["finish_reel", "delete_video", "delete_video", "delete_video"]
    by_post = await page.reel(tall(), description="Other")
    post = (await page.get(by_post, "post_id")).body["post_id"]
    assert (await page.call("DELETE", f"{page.page_id}_{post}")).body == {"success": True}
    assert refusal(await page.get(by_post)) == GONE
