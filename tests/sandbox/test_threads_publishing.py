"""Publishing on the simulated Threads: what lands, what repeats, what is told of it, every fault on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import Client, Host, film, hosting, refusal, stopped, threads_client

from hayon.sandbox.journal import Files
from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.threads.limits import ThreadsLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
MISSING = (400, 24, 4279009)
MEDIA = "id,text,media_type,media_product_type,permalink,timestamp,alt_text,topic_tag,children{id,media_type,alt_text}"
Picture = Callable[..., bytes]


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where media are."""
    async with hosting() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def threads(http: Http, world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    """@alice."""
    return threads_client(http, stopped(world, monkeypatch))


async def status(client: Client, container: str) -> str:
    """A container's status."""
    return str((await client.get(container, fields="status")).body["status"])


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


async def test_a_text_and_what_is_told_of_it(threads: Client, http: Http, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Hello @bob, see https://example.com/a")
    reply = await threads.publish(container)
    media = reply.body["id"]
    assert reply.status == 200
    assert reply.body == {"id": media}
    assert media != container
    assert await status(threads, container) == "PUBLISHED"
    told = (await threads.get(media, fields=MEDIA)).body
    code = told["permalink"].rsplit("/", maxsplit=1)[-1]
    assert told == {
        "id": media,
        "text": "Hello @bob, see https://example.com/a",
        "media_type": "TEXT_POST",
        "media_product_type": "THREADS",
        "permalink": f"{http.url}/threads/@alice/post/{code}",
        "timestamp": told["timestamp"],
    }
    assert told["timestamp"].endswith("+0000")
    entry = world.ledger[0]
    assert (entry.operation, entry.remote_id, entry.key, entry.repeat) == ("threads_publish", media, container, False)
    assert (entry.text, entry.media_ids) == ("Hello @bob, see https://example.com/a", [])
    page = await http("GET", f"/threads/@alice/post/{code}")
    assert (page.status, 'href="https://example.com/a"' in page.body) == (200, True)
    assert (await http("GET", f"/threads/@bob/post/{code}")).status == 404


async def test_media_stand_in_order_with_their_alt_texts(
    threads: Client, http: Http, host: Host, world: World, picture: Picture
) -> None:
    contents = [picture(colour="teal"), film(), picture(colour="plum", form="PNG")]
    kinds = ["image/jpeg", "video/mp4", "image/png"]
    items = []
    for n, (content, kind) in enumerate(zip(contents, kinds, strict=True)):
        what = "VIDEO" if n == 1 else "IMAGE"
        address = {f"{what.lower()}_url": host.put(f"/{n}", content, kind)}
        items.append(await threads.ready(media_type=what, alt_text=f"Alt {n}", is_carousel_item="true", **address))
    media = await threads.published(media_type="CAROUSEL", children=",".join(items), text="Three")
    told = (await threads.get(media, fields=MEDIA)).body
    assert (told["media_type"], told["text"]) == ("CAROUSEL_ALBUM", "Three")
    parts = told["children"]["data"]
    assert [(one["media_type"], one["alt_text"]) for one in parts] == [
        ("IMAGE", "Alt 0"),
        ("VIDEO", "Alt 1"),
        ("IMAGE", "Alt 2"),
    ]
    assert (await threads.get(media, fields="children")).body["children"]["data"] == [
        {"id": one["id"]} for one in parts
    ]
    assert (await threads.get(parts[1]["id"], fields="media_type")).body["media_type"] == "VIDEO"
    assert await threads.listed("threads") == [media]
    assert world.ledger[0].media_ids == [Files.digest(content) for content in contents]
    page = (await http("GET", "/", params={"platform": "threads"})).body
    places = [page.index(f"/media/{Files.digest(content)}") for content in contents]
    assert places == sorted(places)
    assert [page.index(f"Alt {n}") for n in range(3)] == sorted(page.index(f"Alt {n}") for n in range(3))
    assert '<span class="form">Carousel</span>' in page
    assert "<video" in page


async def test_the_first_tag_becomes_the_topic_and_loses_its_sign(threads: Client, http: Http, world: World) -> None:
    text = "See https://example.com/#top about #Café and #tea"
    media = await threads.published(media_type="TEXT", text=text, reply_control="accounts_you_follow")
    told = (await threads.get(media, fields=MEDIA)).body
    assert (told["text"], told["topic_tag"]) == ("See https://example.com/#top about Café and #tea", "Café")
    assert world.ledger[0].text == text
    page = (await http("GET", "/")).body
    assert '<span class="tag">#Café</span>' in page
    assert "Replies: accounts you follow" in page
    given = await threads.published(media_type="TEXT", text="Keeps #this", topic_tag="Other words")
    told = (await threads.get(given, fields=MEDIA)).body
    assert (told["text"], told["topic_tag"]) == ("Keeps #this", "Other words")


async def test_a_link_stands_below_the_text_as_a_card(threads: Client, http: Http) -> None:
    media = await threads.published(media_type="TEXT", link_attachment="https://example.org/x")
    told = (await threads.get(media, fields="text,link_attachment_url")).body
    assert told == {"id": media, "link_attachment_url": "https://example.org/x"}
    assert '<p class="host">example.org</p>' in (await http("GET", "/")).body


async def test_a_second_publishing_is_refused_and_written_down_as_a_repeat(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Once")
    media = (await threads.publish(container)).body["id"]
    assert refusal(await threads.publish(container)) == MISSING
    assert [(one.repeat, one.remote_id, one.key) for one in world.ledger] == [
        (False, media, container),
        (True, media, container),
    ]
    assert world.copies("threads") == {"Once": 1}
    assert await threads.listed("threads") == [media]


async def test_double_on_repeat_makes_a_second_copy(threads: Client, world: World) -> None:
    world.faults.add("threads", "double_on_repeat", count=1)
    container = await threads.ready(media_type="TEXT", text="Twice")
    first, second = (await threads.publish(container)).body["id"], (await threads.publish(container)).body["id"]
    assert first != second
    assert await threads.listed("threads") == [second, first]
    assert [one.repeat for one in world.ledger] == [False, False]
    assert world.copies("threads") == {"Twice": 2}
    assert refusal(await threads.publish(container)) == MISSING
    assert (world.ledger[-1].repeat, world.ledger[-1].remote_id) == (True, first)
    assert world.faults.all() == []


async def test_two_at_once_make_one(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Once")
    replies = await asyncio.gather(*(threads.publish(container) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 4
    assert world.copies("threads") == {"Once": 1}


async def test_an_error_although_it_went_live(threads: Client, world: World) -> None:
    world.faults.add("threads", "error_after_accept", "threads_publish")
    container = await threads.ready(media_type="TEXT", text="Live")
    reply = await threads.publish(container)
    assert refusal(reply) == (500, 2, None)
    assert await status(threads, container) == "PUBLISHED"
    assert await threads.listed("threads") == [world.ledger[0].remote_id]
    assert [one.repeat for one in world.ledger] == [False]


async def test_an_answer_that_is_cut_off(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Cut")
    world.faults.add("threads", "drop_before", "threads_publish")
    with pytest.raises(CUT):
        await threads.publish(container)
    assert world.ledger == []
    assert await status(threads, container) == "FINISHED"
    world.faults.add("threads", "accept_then_drop", "threads_publish")
    with pytest.raises(CUT):
        await threads.publish(container)
    assert await status(threads, container) == "PUBLISHED"
    assert len(world.ledger) == 1


async def test_an_effect_that_comes_late(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Late")
    world.faults.add("threads", "accept_late", "threads_publish", seconds=60)
    await abandoned(world, "accept_late", threads.publish(container))
    assert await status(threads, container) == "FINISHED"
    assert await threads.listed("threads") == []
    world.advance(61)
    await until(world, lines=1)
    assert await status(threads, container) == "PUBLISHED"
    assert len(await threads.listed("threads")) == 1


async def test_a_late_effect_after_another_landed_is_a_repeat(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="Late")
    world.faults.add("threads", "accept_late", "threads_publish", seconds=60)
    await abandoned(world, "accept_late", threads.publish(container))
    assert (await threads.publish(container)).status == 200
    world.advance(61)
    await until(world, lines=2)
    assert [one.repeat for one in world.ledger] == [False, True]
    assert world.copies("threads") == {"Late": 1}


async def test_status_and_listing_may_lag(threads: Client, world: World) -> None:
    world.faults.add("threads", "status_late", seconds=60)
    world.faults.add("threads", "list_late", seconds=120)
    container = await threads.ready(media_type="TEXT", text="Lag")
    media = (await threads.publish(container)).body["id"]
    assert await status(threads, container) == "FINISHED"
    assert await threads.listed("threads") == []
    assert (await threads.get(media, fields="text")).body["text"] == "Lag"
    world.advance(61)
    assert await status(threads, container) == "PUBLISHED"
    assert await threads.listed("threads") == []
    world.advance(60)
    assert await threads.listed("threads") == [media]


async def test_delays_refusals_and_too_many_calls(threads: Client, world: World) -> None:
    container = await threads.ready(media_type="TEXT", text="x")
    world.faults.add("threads", "rate_limit", "threads_publish", seconds=90)
    limited = await threads.publish(container)
    assert refusal(limited) == (403, 4, None)
    assert "retry-after" not in limited.headers
    world.faults.add("threads", "refuse", "threads_publish", status=400, body={"error": {"code": 368}})
    assert (await threads.publish(container)).body == {"error": {"code": 368}}
    world.faults.add("threads", "refuse", "threads_publish", status=503)
    assert refusal(await threads.publish(container)) == (503, 1, None)
    assert world.ledger == []
    world.faults.add("threads", "delay", "threads_publish", seconds=60)
    task = asyncio.create_task(threads.publish(container))
    await until(world, fault="delay")
    assert world.ledger == []
    world.advance(61)
    assert (await task).status == 200
    world.faults.add("threads", "delay_answer", "threads_publish", seconds=60)
    other = await threads.ready(media_type="TEXT", text="y")
    task = asyncio.create_task(threads.publish(other))
    await until(world, lines=2)
    assert not task.done()
    world.advance(61)
    assert (await task).status == 200


async def test_a_chain_of_replies_stands_among_the_replies(threads: Client) -> None:
    root = await threads.published(media_type="TEXT", text="1/3")
    second = await threads.published(media_type="TEXT", text="2/3", reply_to_id=root)
    third = await threads.published(media_type="TEXT", text="3/3", reply_to_id=second)
    assert await threads.listed("threads") == [root]
    reply = await threads.get("me/replies", fields="id,text,replied_to,root_post,is_reply")
    assert reply.body["data"] == [
        {"id": third, "text": "3/3", "replied_to": {"id": second}, "root_post": {"id": root}, "is_reply": True},
        {"id": second, "text": "2/3", "replied_to": {"id": root}, "root_post": {"id": root}, "is_reply": True},
    ]
    assert (await threads.get(root, fields="has_replies")).body["has_replies"] is True


async def test_quotas_of_a_rolling_day(threads: Client, world: World) -> None:
    small = ThreadsLimits(posts_per_day=2, replies_per_day=1, deletes_per_day=1)
    world.impose(Limits().having(small))
    root = await threads.published(media_type="TEXT", text="1")
    world.advance(3600)
    await threads.published(media_type="TEXT", text="2")
    full = await threads.ready(media_type="TEXT", text="3")
    assert refusal(await threads.publish(full)) == (400, 4, None)
    await threads.published(media_type="TEXT", text="r", reply_to_id=root)
    assert refusal(await threads.publish(await threads.ready(media_type="TEXT", text="r", reply_to_id=root)))[1] == 4
    fields = "quota_usage,config,reply_quota_usage,reply_config,delete_quota_usage,delete_config"
    assert (await threads.get("me/threads_publishing_limit", fields=fields)).body == {
        "data": [
            {
                "quota_usage": 2,
                "config": {"quota_total": 2, "quota_duration": 86400},
                "reply_quota_usage": 1,
                "reply_config": {"quota_total": 1, "quota_duration": 86400},
                "delete_quota_usage": 0,
                "delete_config": {"quota_total": 1, "quota_duration": 86400},
            }
        ]
    }
    listed = await threads.listed("threads")
    assert (await threads.call("DELETE", listed[0])).status == 200
    assert refusal(await threads.call("DELETE", listed[1])) == (400, 4, None)
    assert refusal(await threads.publish(full)) == (400, 4, None)
    world.advance(23 * 3600)
    assert (await threads.publish(full)).status == 200
    assert (await threads.get("me/threads_publishing_limit")).body == {"data": [{"quota_usage": 2}]}


async def test_real_quotas_are_those_of_the_platform() -> None:
    real = ThreadsLimits()
    assert (real.posts_per_day, real.replies_per_day, real.deletes_per_day) == (250, 1_000, 100)


async def test_a_post_can_be_deleted(threads: Client, http: Http, world: World) -> None:
    media = await threads.published(media_type="TEXT", text="Short-lived")
    permalink = (await threads.get(media, fields="permalink")).body["permalink"]
    bob = threads_client(http, world, "bob")
    assert refusal(await bob.call("DELETE", media)) == (400, 100, 33)
    assert (await threads.call("DELETE", media)).body == {"success": True, "deleted_id": media}
    assert refusal(await threads.get(media)) == (400, 100, 33)
    assert refusal(await threads.call("DELETE", media)) == (400, 100, 33)
    assert await threads.listed("threads") == []
    assert (await http("GET", permalink.removeprefix(http.url))).status == 404
    assert "Short-lived" not in (await http("GET", "/")).body
    assert [(one.operation, one.repeat) for one in world.ledger] == [
        ("threads_publish", False),
        ("delete_media", False),
    ]
    assert world.copies("threads") == {"Short-lived": 1}


async def test_a_listing_by_time_and_by_page(threads: Client, world: World) -> None:
    made, times = [], []
    for n in range(5):
        made.append(await threads.published(media_type="TEXT", text=f"post {n}"))
        times.append(int(world.now()))
        world.advance(100)
    newest = made[::-1]
    assert await threads.listed("threads") == newest
    assert await threads.listed("threads", since=times[2]) == newest[:3]
    assert await threads.listed("threads", since=times[1] - 5, until=times[3] + 5) == newest[1:4]
    first = (await threads.get("me/threads", limit=2, fields="text")).body
    assert [one["text"] for one in first["data"]] == ["post 4", "post 3"]
    assert "previous" not in first["paging"]
    second = (await threads.get("me/threads", limit=2, after=first["paging"]["cursors"]["after"])).body
    assert [one["id"] for one in second["data"]] == newest[2:4]
    path = second["paging"]["next"].removeprefix(f"{threads.http.url}/threads/v1.0/")
    last = (await threads.call("GET", path)).body
    assert [one["id"] for one in last["data"]] == newest[4:]
    assert "next" not in last["paging"]
    token = {"limit": "2", "fields": "text", "access_token": threads.account.secret}
    shown = (await threads.http("GET", "/threads/v1.0/me/threads", params=token)).body
    assert (shown["paging"], threads.account.secret in str(shown)) == (first["paging"], False)
    await threads.call("DELETE", newest[1])
    assert await threads.listed("threads", limit=2, after=first["paging"]["cursors"]["after"]) == newest[2:4]
    back = (await threads.get("me/threads", limit=2, before=last["paging"]["cursors"]["before"])).body
    assert [one["id"] for one in back["data"]] == newest[2:4]
    for wrong in ({"after": "nonsense!"}, {"limit": "0"}, {"since": "yesterday"}):
        assert refusal(await threads.get("me/threads", **wrong)) == (400, 100, None)
