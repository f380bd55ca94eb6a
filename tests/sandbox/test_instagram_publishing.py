"""Publishing on the simulated Instagram: what lands, what repeats, what is told of it, every fault on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import Client, Host, film, hosting, instagram_client, refusal, stopped

from hayon.sandbox.journal import Files
from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.instagram.limits import InstagramLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
EXPIRED = (400, 24, 2207008)
MEDIA = "id,caption,media_type,media_product_type,permalink,alt_text,children{id,media_type,alt_text}"
Picture = Callable[..., bytes]


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where media are."""
    async with hosting() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def instagram(http: Http, world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    """@alice."""
    return instagram_client(http, stopped(world, monkeypatch))


@pytest_asyncio.fixture(loop_scope="module")
async def image(host: Host, picture: Picture) -> str:
    """A picture's address."""
    return host.put("/p", picture())


async def status(client: Client, container: str) -> str:
    """A container's status."""
    return str((await client.get(container, fields="status_code")).body["status_code"])


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


async def test_a_picture_and_what_is_told_of_it(
    instagram: Client, http: Http, world: World, image: str, picture: Picture
) -> None:
    container = await instagram.ready(image_url=image, caption="Hi @bob #tea https://example.com", alt_text="Teal")
    reply = await instagram.publish(container)
    media = reply.body["id"]
    assert (reply.status, reply.body) == (200, {"id": media})
    assert await status(instagram, container) == "PUBLISHED"
    told = (await instagram.get(media, fields=MEDIA)).body
    code = told["permalink"].rsplit("/", maxsplit=1)[-1]
    assert told == {
        "id": media,
        "caption": "Hi @bob #tea https://example.com",
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "permalink": f"{http.url}/instagram/p/{code}",
        "alt_text": "Teal",
    }
    entry = world.ledger[0]
    assert (entry.operation, entry.remote_id, entry.key, entry.repeat) == ("media_publish", media, container, False)
    assert (entry.text, entry.media_ids) == ("Hi @bob #tea https://example.com", [Files.digest(picture())])
    page = await http("GET", f"/instagram/p/{code}")
    assert (page.status, '<span class="tag">#tea</span>' in page.body) == (200, True)
    assert 'href="https://example.com"' not in page.body
    assert (await http("GET", f"/instagram/reel/{code}")).status == 404


async def test_a_reel_and_a_story_say_what_they_are(
    instagram: Client, http: Http, host: Host, world: World, image: str
) -> None:
    video = host.put("/v", film(), "video/mp4")
    reel = await instagram.published(media_type="REELS", video_url=video, caption="Moves", share_to_feed="false")
    pictured = await instagram.published(media_type="STORIES", image_url=image, caption="is not shown")
    filmed = await instagram.published(media_type="STORIES", video_url=video)
    told = (await instagram.get(reel, fields="media_type,media_product_type,permalink,is_shared_to_feed")).body
    assert (told["media_type"], told["media_product_type"], told["is_shared_to_feed"]) == ("VIDEO", "REELS", False)
    assert await instagram.listed("media") == [reel]
    assert await instagram.listed("stories") == [filmed, pictured]
    for story, kind in ((pictured, "IMAGE"), (filmed, "VIDEO")):
        whole = (await instagram.get(story, fields="caption,media_type,media_product_type,permalink")).body
        assert whole == {
            "id": story,
            "media_type": kind,
            "media_product_type": "STORY",
            "permalink": f"{http.url}/instagram/stories/alice/{story}",
        }
        assert (await http("GET", f"/instagram/stories/alice/{story}")).status == 200
        assert (await http("GET", f"/instagram/stories/bob/{story}")).status == 404
    assert (await http("GET", told["permalink"].removeprefix(http.url))).status == 200
    page = (await http("GET", "/", params={"platform": "instagram"})).body
    assert (page.count('class="form">Reel<'), page.count('class="form">Story<')) == (1, 2)
    world.advance(24 * 3600)
    assert await instagram.listed("stories") == []
    assert refusal(await instagram.get(filmed)) == (400, 100, 33)
    assert await instagram.listed("media") == [reel]


async def test_a_carousel_stands_in_order(
    instagram: Client, http: Http, host: Host, world: World, picture: Picture
) -> None:
    contents = [picture(colour="teal"), film(), picture(colour="plum")]
    items = [
        await instagram.ready(
            is_carousel_item="true", image_url=host.put("/0", contents[0]), alt_text="First", caption="not shown"
        ),
        await instagram.ready(
            is_carousel_item="true", media_type="VIDEO", video_url=host.put("/1", contents[1], "video/mp4")
        ),
        await instagram.ready(is_carousel_item="true", image_url=host.put("/2", contents[2]), alt_text="Third"),
    ]
    media = await instagram.published(media_type="CAROUSEL", children=",".join(items), caption="All")
    told = (await instagram.get(media, fields=MEDIA)).body
    assert (told["media_type"], told["media_product_type"], told["caption"]) == ("CAROUSEL_ALBUM", "FEED", "All")
    assert [(one["media_type"], one.get("alt_text")) for one in told["children"]["data"]] == [
        ("IMAGE", "First"),
        ("VIDEO", None),
        ("IMAGE", "Third"),
    ]
    ids = [{"id": one["id"]} for one in told["children"]["data"]]
    assert (await instagram.get(media, fields="children{id}")).body["children"]["data"] == ids
    assert world.ledger[0].media_ids == [Files.digest(content) for content in contents]
    assert len(await instagram.listed("media")) == 1
    page = (await http("GET", "/")).body
    places = [page.index(f"/media/{Files.digest(content)}") for content in contents]
    assert places == sorted(places)
    assert 'class="form">Carousel<' in page
    assert "not shown" not in page


async def test_a_second_publishing_is_refused_and_written_down_as_a_repeat(
    instagram: Client, world: World, image: str
) -> None:
    container = await instagram.ready(image_url=image, caption="Once")
    media = (await instagram.publish(container)).body["id"]
    assert refusal(await instagram.publish(container)) == EXPIRED
    assert [(one.repeat, one.remote_id, one.key) for one in world.ledger] == [
        (False, media, container),
        (True, media, container),
    ]
    assert world.copies("instagram") == {"Once": 1}


async def test_double_on_repeat_makes_a_second_copy(instagram: Client, world: World, image: str) -> None:
    world.faults.add("instagram", "double_on_repeat", count=1)
    container = await instagram.ready(image_url=image, caption="Twice")
    first, second = (await instagram.publish(container)).body["id"], (await instagram.publish(container)).body["id"]
    assert await instagram.listed("media") == [second, first]
    assert [one.repeat for one in world.ledger] == [False, False]
    assert world.copies("instagram") == {"Twice": 2}
    assert refusal(await instagram.publish(container)) == EXPIRED


async def test_an_error_although_it_went_live(instagram: Client, world: World, image: str) -> None:
    blocked = {"error": {"message": "Action is blocked", "type": "OAuthException", "code": 4, "error_subcode": 2207051}}
    world.faults.add("instagram", "error_after_accept", "media_publish", status=400, body=blocked)
    world.faults.add("instagram", "error_after_accept", "media_publish")
    for caption, expected in (("Blocked", (400, 4, 2207051)), ("Broken", (500, 2, None))):
        container = await instagram.ready(image_url=image, caption=caption)
        said = await instagram.publish(container)
        assert (said.status, said.body["error"]["code"], said.body["error"].get("error_subcode")) == expected
        assert await status(instagram, container) == "PUBLISHED"
    assert world.copies("instagram") == {"Blocked": 1, "Broken": 1}
    assert len(await instagram.listed("media")) == 2


async def test_an_answer_that_is_cut_off(instagram: Client, world: World, image: str) -> None:
    container = await instagram.ready(image_url=image)
    world.faults.add("instagram", "drop_before", "media_publish")
    with pytest.raises(CUT):
        await instagram.publish(container)
    assert (world.ledger, await status(instagram, container)) == ([], "FINISHED")
    world.faults.add("instagram", "accept_then_drop", "media_publish")
    with pytest.raises(CUT):
        await instagram.publish(container)
    assert (len(world.ledger), await status(instagram, container)) == (1, "PUBLISHED")


async def test_an_effect_that_comes_late(instagram: Client, world: World, image: str) -> None:
    container = await instagram.ready(image_url=image, caption="Late")
    world.faults.add("instagram", "accept_late", "media_publish", seconds=60)
    await abandoned(world, "accept_late", instagram.publish(container))
    assert (await status(instagram, container), await instagram.listed("media")) == ("FINISHED", [])
    world.advance(61)
    await until(world, lines=1)
    assert await status(instagram, container) == "PUBLISHED"
    assert await instagram.listed("media") == [world.ledger[0].remote_id]


async def test_status_and_listing_may_lag(instagram: Client, world: World, image: str) -> None:
    world.faults.add("instagram", "status_late", seconds=60)
    world.faults.add("instagram", "list_late", seconds=120)
    container = await instagram.ready(image_url=image)
    media = (await instagram.publish(container)).body["id"]
    assert (await status(instagram, container), await instagram.listed("media")) == ("FINISHED", [])
    world.advance(61)
    assert (await status(instagram, container), await instagram.listed("media")) == ("PUBLISHED", [])
    world.advance(60)
    assert await instagram.listed("media") == [media]


async def test_delays_refusals_and_too_many_calls(instagram: Client, world: World, image: str) -> None:
    container = await instagram.ready(image_url=image, caption="x")
    world.faults.add("instagram", "rate_limit", "media_publish", seconds=90)
    limited = await instagram.publish(container)
    assert refusal(limited) == (400, 80002, None)
    assert '"estimated_time_to_regain_access": 2' in limited.headers["x-business-use-case-usage"]
    world.faults.add("instagram", "refuse", "media_publish", status=500, body={"error": {"code": -1}})
    assert (await instagram.publish(container)).body == {"error": {"code": -1}}
    assert world.ledger == []
    world.faults.add("instagram", "delay_answer", "media_publish", seconds=60)
    task = asyncio.create_task(instagram.publish(container))
    await until(world, lines=1)
    assert not task.done()
    world.advance(61)
    assert (await task).status == 200


async def test_the_quota_is_the_one_that_is_told(instagram: Client, world: World, image: str) -> None:
    world.impose(Limits().having(InstagramLimits(publishes_per_day=1)))
    await instagram.published(image_url=image)
    second = await instagram.ready(image_url=image)
    full = await instagram.publish(second)
    assert refusal(full) == (400, 9, 2207042)
    assert full.body["error"]["error_user_msg"] == (
        "You reached maximum number of posts that is allowed to be published by Content Publishing API."
    )
    assert (await instagram.get("me/content_publishing_limit", fields="quota_usage,config")).body == {
        "data": [{"quota_usage": 1, "config": {"quota_total": 1, "quota_duration": 86400}}]
    }
    # a container lives a day, and so does what was counted
    world.advance(24 * 3600 - 15)
    assert refusal(await instagram.publish(second)) == (400, 9, 2207042)
    assert (await instagram.get("me/content_publishing_limit")).body == {"data": [{"quota_usage": 1}]}
    world.advance(20)
    assert (await instagram.publish(await instagram.ready(image_url=image))).status == 200


async def test_nothing_can_be_deleted(instagram: Client, world: World, image: str) -> None:
    media = await instagram.published(image_url=image)
    assert refusal(await instagram.call("DELETE", media)) == (400, 100, 33)
    assert (await instagram.get(media)).status == 200
    assert [one.operation for one in world.ledger] == ["media_publish"]


async def test_a_comment_is_written_even_if_the_answer_is_an_error(instagram: Client, world: World, image: str) -> None:
    media = await instagram.published(image_url=image, caption="Post")
    first = await instagram.call("POST", f"{media}/comments", data={"message": "First"})
    assert first.status == 200
    again = await instagram.call("POST", f"{media}/comments", data={"message": "Second", "fields": "id"})
    assert refusal(again) == (400, 20, 1772107)
    assert refusal(await instagram.call("POST", f"{media}/comments")) == (400, 100, None)
    listed = (await instagram.get(f"{media}/comments", fields="id,text,username")).body["data"]
    assert [(one["text"], one["username"]) for one in listed] == [("Second", "alice"), ("First", "alice")]
    assert listed[1]["id"] == first.body["id"]
    assert (await instagram.get(media, fields="comments_count")).body["comments_count"] == 2
    assert [(one.operation, one.text) for one in world.ledger[1:]] == [
        ("create_comment", "First"),
        ("create_comment", "Second"),
    ]
    assert world.copies("instagram") == {"Post": 1}


async def test_a_listing_by_time_and_by_page(instagram: Client, http: Http, world: World, image: str) -> None:
    made, times = [], []
    for n in range(3):
        made.append(await instagram.published(image_url=image, caption=f"post {n}"))
        times.append(int(world.now()))
        world.advance(100)
    assert await instagram.listed("media") == made[::-1]
    assert await instagram.listed("media", since=times[1]) == made[:0:-1]
    assert await instagram.listed("media", until=times[1] + 5) == made[1::-1]
    first = (await instagram.get("me/media", limit=1, fields="caption")).body
    assert [one["caption"] for one in first["data"]] == ["post 2"]
    after = first["paging"]["cursors"]["after"]
    assert await instagram.listed("media", limit=1, after=after) == [made[1]]
    bob = instagram_client(http, world, "bob")
    assert refusal(await bob.get(f"{instagram.account.account_id}/media")) == (400, 100, 33)
    assert refusal(await bob.get(made[0])) == (400, 100, 33)
