"""Containers of the simulated Threads: what is refused and how, what is fetched, how they stand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import Client, Host, film, hosting, refusal, stopped, threads_client

from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.threads.limits import ThreadsLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISSING = (400, 24, 4279009)
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


async def status(client: Client, container: str) -> dict[str, Any]:
    """What is told of a container."""
    reply = await client.get(container, fields="id,status,error_message")
    assert reply.status == 200
    return {name: held for name, held in reply.body.items() if name != "id"}


async def test_a_text_is_finished_at_once_and_expires_after_a_day(threads: Client, world: World) -> None:
    made = await threads.container(media_type="TEXT", text="Hello")
    assert int(made) > 2**53
    assert await status(threads, made) == {"status": "FINISHED"}
    assert (await threads.get(made)).body == {"id": made}
    world.advance(24 * 3600 - 5)
    assert await status(threads, made) == {"status": "FINISHED"}
    world.advance(6)
    assert await status(threads, made) == {"status": "EXPIRED"}
    assert refusal(await threads.publish(made)) == MISSING
    assert world.ledger == []


async def test_a_picture_is_fetched_during_the_call_and_then_processed(
    threads: Client, host: Host, world: World, picture: Picture
) -> None:
    address = host.put("/p", picture(form="PNG"), "image/png")
    made = await threads.container(media_type="IMAGE", image_url=address, alt_text="Teal")
    assert host.asked == ["/p"]
    assert await status(threads, made) == {"status": "IN_PROGRESS"}
    assert refusal(await threads.publish(made)) == MISSING
    world.advance(2)
    assert await status(threads, made) == {"status": "FINISHED"}


async def test_a_video_is_fetched_after_the_answer(threads: Client, host: Host, world: World) -> None:
    address, host.held = host.put("/v", film(), "video/mp4"), asyncio.Event()
    made = await threads.container(media_type="VIDEO", video_url=address)
    world.advance(60)
    assert await status(threads, made) == {"status": "IN_PROGRESS"}
    assert refusal(await threads.publish(made)) == MISSING
    host.held.set()
    await threads.settle()
    assert await status(threads, made) == {"status": "FINISHED"}
    assert host.asked == ["/v"]


async def test_publishing_does_not_find_what_was_made_a_moment_ago(threads: Client, world: World) -> None:
    made = await threads.container(media_type="TEXT", text="Quick")
    early = await threads.publish(made)
    assert refusal(early) == MISSING
    said = early.body["error"]
    assert said["message"] == "The requested resource does not exist"
    assert (said["error_user_title"], said["is_transient"]) == ("Media Not Found", False)
    assert said["error_user_msg"] == f"The media with id {made} cannot be found."
    world.advance(2)
    assert (await threads.publish(made)).status == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "parameter media_type is required"),
        ({"media_type": "GIF"}, "got 'GIF'"),
        ({"media_type": "TEXT"}, "parameter text is required"),
        ({"media_type": "TEXT", "text": "x" * 501}, "text must be at most 500 characters"),
        ({"media_type": "TEXT", "text": "😀" * 126}, "text must be at most 500 characters"),
        ({"media_type": "TEXT", "text": "x", "is_carousel_item": "true"}, "carousel item"),
        ({"media_type": "TEXT", "text": "x", "alt_text": "y"}, "alt_text can only"),
        ({"media_type": "TEXT", "text": "x", "reply_control": "nobody"}, "got 'nobody'"),
        ({"media_type": "TEXT", "text": "x", "reply_to_id": "17"}, "reply_to_id"),
        ({"media_type": "TEXT", "text": "x", "topic_tag": ""}, "topic_tag must be 1 to 50"),
        ({"media_type": "TEXT", "text": "x", "topic_tag": "t" * 51}, "topic_tag must be 1 to 50"),
        ({"media_type": "TEXT", "text": "x", "topic_tag": "a.b"}, "without periods"),
        ({"media_type": "TEXT", "text": "x", "topic_tag": "a&b"}, "without periods"),
        ({"media_type": "IMAGE", "text": "x"}, "parameter image_url is required"),
        ({"media_type": "VIDEO", "image_url": "http://x"}, "parameter video_url is required"),
        ({"media_type": "IMAGE", "image_url": "http://x", "alt_text": "y" * 1001}, "alt_text must be at most 1000"),
        ({"media_type": "IMAGE", "image_url": "http://x", "link_attachment": "http://y"}, "text-only posts"),
        ({"media_type": "CAROUSEL", "text": "x"}, "children must have 2 to 20"),
        ({"media_type": "CAROUSEL", "children": "1"}, "children must have 2 to 20"),
        ({"media_type": "CAROUSEL", "children": ",".join(map(str, range(21)))}, "children must have 2 to 20"),
    ],
)
async def test_what_is_refused_as_a_bad_parameter(threads: Client, given: dict[str, str], words: str) -> None:
    reply = await threads.create(**given)
    assert refusal(reply) == (400, 100, None)
    assert words in reply.body["error"]["message"]


async def test_as_much_text_as_is_allowed(threads: Client) -> None:
    for text in ("x" * 500, "😀" * 125, "漢" * 500):
        assert (await threads.create(media_type="TEXT", text=text)).status == 200


async def test_more_than_five_links_are_refused(threads: Client) -> None:
    five = " ".join(f"https://example.com/{n}" for n in range(5))
    for given in ({"text": f"{five} https://example.com/5."}, {"text": five, "link_attachment": "https://example.org"}):
        reply = await threads.create(media_type="TEXT", **given)
        assert refusal(reply) == (400, 100, None)
        assert reply.body["error"]["message"] == "THREADS_API__LINK_LIMIT_EXCEEDED"
    again = f"{five} https://example.com/4"
    assert (await threads.create(media_type="TEXT", text=again, link_attachment="https://example.com/1")).status == 200


async def test_a_topic_that_is_not_permitted_refuses_the_whole_container(threads: Client, world: World) -> None:
    world.impose(Limits().having(ThreadsLimits(refused_tags=frozenset({"forbidden"}))))
    reply = await threads.create(media_type="TEXT", text="x", topic_tag="Forbidden")
    assert refusal(reply) == (400, 100, 4279071)
    assert (await threads.create(media_type="TEXT", text="x", topic_tag="allowed words")).status == 200


async def test_a_restricted_account_makes_and_publishes_nothing(threads: Client, world: World) -> None:
    made = await threads.ready(media_type="TEXT", text="x")
    world.set_standing(threads.account, "restricted")
    assert refusal(await threads.create(media_type="TEXT", text="x")) == (400, 25, 4279013)
    assert refusal(await threads.publish(made)) == (400, 25, 4279013)
    assert world.ledger == []


async def test_a_picture_that_is_none_fails_during_the_call(
    threads: Client, host: Host, world: World, picture: Picture
) -> None:
    world.impose(Limits().having(ThreadsLimits(image_size=5_000, fetch_seconds=5.0)))
    for address, expected in (
        (f"{host.url}/nowhere", (400, 1, 2207052)),
        ("http://127.0.0.1:9/p", (400, 1, 2207052)),
        (host.put("/ü", picture()), (400, 1, 2207052)),
        (host.put("/page", b"<html>", "text/html"), (400, 1, 2207052)),
        (host.put("/large", picture() + b"\0" * 5_000), (400, 36000, 2207004)),
        (host.put("/gif", picture(form="GIF"), "image/gif"), (400, 36001, 2207005)),
        (host.put("/lie", picture(form="GIF"), "image/jpeg"), (400, 36001, 2207005)),
        (host.put("/broken", picture(400, 400)[:300]), (400, 36001, 2207005)),
        (host.put("/wide", picture(301, 30)), (400, 36003, 2207009)),
        (host.put("/tall", picture(30, 301)), (400, 36003, 2207009)),
    ):
        assert refusal(await threads.create(media_type="IMAGE", image_url=address)) == expected, address
    assert (await threads.create(media_type="IMAGE", image_url=host.put("/edge", picture(300, 30)))).status == 200
    assert len(threads.world.requests) == 11


@pytest.mark.parametrize(
    ("video", "limits", "message"),
    [
        (None, {}, "FAILED_DOWNLOADING_VIDEO"),
        ({}, {"video_size": 100}, "FAILED_DOWNLOADING_VIDEO"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 64, {}, "FAILED_PROCESSING_VIDEO"),
        (b"no video", {}, "FAILED_PROCESSING_VIDEO"),
        ({"first": False}, {}, "FAILED_PROCESSING_VIDEO"),
        ({"codec": "mpeg4"}, {}, "FAILED_PROCESSING_VIDEO"),
        ({"size": (1_936, 240), "seconds": 0.2}, {}, "INVALID_ASPEC_RATIO"),
        ({"size": (704, 64), "seconds": 0.2}, {}, "INVALID_ASPEC_RATIO"),
        ({}, {"video_seconds": 3.9}, "INVALID_DURATION"),
        ({"rate": 15, "seconds": 1.0}, {}, "INVALID_FRAME_RATE"),
        ({}, {"video_bits": 1_000}, "INVALID_BIT_RATE"),
        ({"rate": 24}, {}, None),
        ({"rate": 60, "seconds": 1.0}, {}, None),
        ({"codec": "libx265", "seconds": 0.5}, {}, None),
    ],
)
async def test_a_video_that_is_not_taken_fails_afterwards_and_says_why(
    threads: Client,
    host: Host,
    world: World,
    video: dict[str, Any] | bytes | None,
    limits: dict[str, Any],
    message: str | None,
) -> None:
    world.impose(Limits().having(ThreadsLimits(**limits)))
    if video is not None:
        host.put("/v", film(**video) if isinstance(video, dict) else video, "video/mp4")
    made = await threads.ready(media_type="VIDEO", video_url=f"{host.url}/v")
    expected = {"status": "ERROR", "error_message": message} if message else {"status": "FINISHED"}
    assert await status(threads, made) == expected
    published = await threads.publish(made)
    assert published.status == 200 if message is None else refusal(published) == MISSING


async def test_children_of_a_carousel_are_finished_items_of_ones_own(
    threads: Client, http: Http, host: Host, world: World, picture: Picture
) -> None:
    address = host.put("/p", picture())
    items = [await threads.ready(media_type="IMAGE", image_url=address, is_carousel_item="true") for _ in range(2)]
    alone = await threads.ready(media_type="IMAGE", image_url=address)
    unfinished = await threads.container(media_type="IMAGE", image_url=address, is_carousel_item="true")
    bob = threads_client(http, world, "bob")
    for children, expected in (
        ([items[0], "17"], MISSING),
        ([items[0], unfinished], MISSING),
        ([items[0], alone], (400, 100, None)),
    ):
        reply = await threads.create(media_type="CAROUSEL", children=",".join(children))
        assert refusal(reply) == expected
    assert refusal(await bob.create(media_type="CAROUSEL", children=",".join(items))) == MISSING
    assert refusal(await threads.publish(items[0])) == (400, 100, None)
    made = await threads.container(media_type="CAROUSEL", children=",".join(items), text="Both")
    assert await status(threads, made) == {"status": "IN_PROGRESS"}
    world.advance(2)
    assert await status(threads, made) == {"status": "FINISHED"}


async def test_slow_and_failed_media(threads: Client, host: Host, world: World, picture: Picture) -> None:
    address = host.put("/p", picture())
    world.faults.add("threads", "slow_media", seconds=60, count=1)
    slow = await threads.container(media_type="IMAGE", image_url=address)
    world.advance(50)
    assert await status(threads, slow) == {"status": "IN_PROGRESS"}
    world.advance(11)
    assert await status(threads, slow) == {"status": "FINISHED"}
    world.faults.add("threads", "failed_media", seconds=30)
    failed = await threads.container(media_type="IMAGE", image_url=address)
    assert await status(threads, failed) == {"status": "IN_PROGRESS"}
    world.advance(31)
    assert await status(threads, failed) == {"status": "ERROR", "error_message": "UNKNOWN"}
    assert refusal(await threads.publish(failed)) == MISSING


async def test_a_container_is_its_owners_and_says_nothing_of_its_content(
    threads: Client, http: Http, world: World
) -> None:
    made = await threads.container(media_type="TEXT", text="Mine")
    reply = await threads.get(made, fields="id,text")
    assert refusal(reply) == (400, 100, None)
    assert "nonexisting field (text)" in reply.body["error"]["message"]
    bob = threads_client(http, world, "bob")
    assert refusal(await bob.get(made, fields="status")) == (400, 100, 33)
    assert refusal(await bob.call("POST", f"{threads.account.account_id}/threads", data={"text": "x"})) == (
        400,
        100,
        33,
    )


async def test_what_is_not_simulated_is_never_passed_over(threads: Client) -> None:
    reply = await threads.create(media_type="TEXT", text="x", poll_attachment='{"option_a":"a","option_b":"b"}')
    assert refusal(reply) == (501, 100, None)
    assert refusal(await threads.create(media_type="TEXT", text="x", auto_publish_text="true")) == (501, 100, None)
