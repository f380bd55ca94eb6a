"""Containers of the simulated Instagram: every refusal with its code and subcode, what is fetched, how they stand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.graph import Client, Host, film, hosting, instagram_client, refusal, stopped

from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.instagram.limits import InstagramLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_READY = (400, 9007, 2207027)
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


async def status(client: Client, container: str) -> tuple[str, str]:
    """A container's status, in a word and in a sentence."""
    reply = await client.get(container, fields="status_code,status")
    return reply.body["status_code"], reply.body["status"]


def words(reply: Reply) -> str:
    """What a person may be shown."""
    return str(reply.body["error"]["error_user_msg"])


async def test_a_picture_is_fetched_during_the_call_and_then_processed(
    instagram: Client, host: Host, world: World, picture: Picture
) -> None:
    made = await instagram.container(image_url=host.put("/p", picture()), caption="Hello")
    assert int(made) > 2**53
    assert host.asked == ["/p"]
    assert (await status(instagram, made))[0] == "IN_PROGRESS"
    early = await instagram.publish(made)
    assert refusal(early) == NOT_READY
    assert words(early) == "The media is not ready for publishing, please wait for a moment"
    world.advance(2)
    assert (await status(instagram, made))[0] == "FINISHED"
    assert (await instagram.get(made)).body == {"id": made}
    assert refusal(await instagram.get(made, fields="caption")) == (400, 100, None)


async def test_finished_may_still_be_not_ready_for_a_moment(
    instagram: Client, host: Host, world: World, picture: Picture
) -> None:
    world.impose(Limits().having(InstagramLimits(image_seconds=0.0, unready_seconds=60.0)))
    made = await instagram.container(image_url=host.put("/p", picture()))
    assert (await status(instagram, made))[0] == "FINISHED"
    assert refusal(await instagram.publish(made)) == NOT_READY
    world.advance(61)
    assert (await instagram.publish(made)).status == 200


async def test_a_container_expires_after_a_day(instagram: Client, host: Host, world: World, picture: Picture) -> None:
    made = await instagram.ready(image_url=host.put("/p", picture()))
    world.advance(24 * 3600 - 20)
    assert (await status(instagram, made))[0] == "FINISHED"
    world.advance(20)
    assert (await status(instagram, made))[0] == "EXPIRED"
    gone = await instagram.publish(made)
    assert refusal(gone) == (400, 24, 2207008)
    assert words(gone) == f"The media builder with creation id = {made} does not exist or has been expired."
    unknown = await instagram.publish("17")
    assert refusal(unknown) == (400, 24, 2207006)
    assert words(unknown) == "The media with 17 cannot be found"
    assert refusal(await instagram.call("POST", "me/media_publish")) == (400, 100, None)
    assert world.ledger == []


async def test_pictures_that_are_not_taken(instagram: Client, host: Host, world: World, picture: Picture) -> None:
    world.impose(Limits().having(InstagramLimits(image_size=20_000)))
    for address, expected in (
        (f"{host.url}/nowhere", (400, 9004, 2207052)),
        ("http://127.0.0.1:9/p", (400, 9004, 2207052)),
        ("ftp://127.0.0.1/p", (400, 9004, 2207052)),
        (host.put("/ü", picture()), (400, 9004, 2207052)),
        (host.put("/page", b"<html>", "text/html"), (400, 9004, 2207052)),
        (host.put("/words", b"words", "image/jpeg"), (400, 9004, 2207052)),
        (host.put("/video", film(), "video/mp4"), (400, 9004, 2207052)),
        (host.put("/large", picture() + b"\0" * 20_000), (400, 36000, 2207004)),
        (host.put("/png", picture(form="PNG"), "image/png"), (400, 36001, 2207005)),
        (host.put("/webp", picture(form="WEBP"), "image/webp"), (400, 36001, 2207005)),
        (host.put("/lie", picture(form="PNG"), "image/jpeg"), (400, 36001, 2207005)),
        (host.put("/broken", picture(1000, 1000)[:300]), (400, 36001, 2207005)),
        (host.put("/tall", picture(79, 100)), (400, 36003, 2207009)),
        (host.put("/wide", picture(192, 100)), (400, 36003, 2207009)),
    ):
        assert refusal(await instagram.create(image_url=address)) == expected, address
    for size in ((80, 100), (191, 100)):
        assert (await instagram.create(image_url=host.put("/fits", picture(*size)))).status == 200
    # a story may have another shape
    tall = host.put("/tall", picture(90, 160))
    assert (await instagram.create(media_type="STORIES", image_url=tall)).status == 200
    assert refusal(await instagram.create(media_type="STORIES", image_url=f"{host.url}/png")) == (400, 36001, 2207005)


async def test_a_picture_that_takes_too_long(instagram: Client, host: Host, world: World, picture: Picture) -> None:
    world.impose(Limits().having(InstagramLimits(fetch_seconds=0.2)))
    address, host.held = host.put("/p", picture()), asyncio.Event()
    slow = await instagram.create(image_url=address)
    assert refusal(slow) == (400, -2, 2207003)
    assert words(slow) == "It takes too long to download the media."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (400, 100, None)),
        ({"image_url": "http://x", "caption": "x" * 2201}, (400, 36004, 2207010)),
        ({"image_url": "http://x", "caption": " ".join(f"#t{n}" for n in range(31))}, (400, 100, 2207040)),
        ({"image_url": "http://x", "caption": " ".join(f"@u{n}" for n in range(21))}, (400, 100, 2207040)),
        ({"image_url": "http://x", "media_type": "GIF"}, (400, 100, 2207023)),
        ({"video_url": "http://x", "media_type": "VIDEO"}, (400, 100, 2207023)),
        ({"video_url": "http://x", "media_type": "REELS", "is_carousel_item": "true"}, (400, 100, 2207023)),
        ({"image_url": "http://x", "media_type": "STORIES", "is_carousel_item": "true"}, (400, 100, 2207023)),
        ({"media_type": "REELS", "image_url": "http://x"}, (400, 100, None)),
        ({"media_type": "STORIES"}, (400, 100, None)),
        ({"media_type": "STORIES", "image_url": "http://x", "video_url": "http://x"}, (400, 100, None)),
        ({"image_url": "http://x", "alt_text": "y" * 1001}, (400, 100, None)),
        ({"video_url": "http://x", "media_type": "REELS", "alt_text": "y"}, (400, 100, None)),
        ({"image_url": "http://x", "media_type": "STORIES", "alt_text": "y"}, (400, 100, None)),
        ({"video_url": "http://x", "media_type": "REELS", "thumb_offset": "-1"}, (400, 1, 2207057)),
        ({"video_url": "http://x", "media_type": "REELS", "thumb_offset": "soon"}, (400, 100, None)),
        ({"image_url": "http://x", "collaborators": '["nobody"]'}, (400, 100, 2207018)),
        ({"image_url": "http://x", "collaborators": '["a","b","c","d"]'}, (400, 100, None)),
        ({"media_type": "CAROUSEL"}, (400, 100, None)),
        ({"media_type": "CAROUSEL", "children": "1"}, (400, 100, 2207028)),
        ({"media_type": "CAROUSEL", "children": ",".join(map(str, range(11)))}, (400, 100, 2207028)),
        ({"media_type": "CAROUSEL", "children": "17,18"}, (400, 24, 2207006)),
        ({"image_url": "http://x", "user_tags": "[]"}, (501, 100, None)),
    ],
)
async def test_what_is_refused_before_anything_is_fetched(
    instagram: Client, given: dict[str, str], expected: tuple[int, int, int | None]
) -> None:
    assert refusal(await instagram.create(**given)) == expected


async def test_as_much_caption_as_is_allowed(instagram: Client, host: Host, picture: Picture) -> None:
    address = host.put("/p", picture())
    tags = " ".join([*(f"#t{n}" for n in range(30)), *(f"@u{n}" for n in range(20))])
    for caption in ("x" * 2200, "😀" * 2200, tags):
        assert (await instagram.create(image_url=address, caption=caption)).status == 200


async def test_what_a_refusal_tells_a_person(instagram: Client, host: Host, picture: Picture) -> None:
    png = await instagram.create(image_url=host.put("/png", picture(form="PNG"), "image/png"))
    assert words(png) == "The image format IMAGE/PNG is not supported. Supported formats are: JPEG."
    wide = await instagram.create(image_url=host.put("/wide", picture(300, 100)))
    assert "aspect ratio ('3.000',) cannot be published" in words(wide)
    long = await instagram.create(image_url="http://x", caption="x" * 2300)
    assert "was 2300 characters long" in words(long)
    away = await instagram.create(image_url=f"{host.url}/nowhere")
    assert words(away) == f"The media could not be fetched from this URI: {host.url}/nowhere"


@pytest.mark.parametrize(
    ("kind", "video", "more", "code"),
    [
        ("REELS", None, {}, "2207077"),
        ("REELS", b"no video", {}, "2207026"),
        ("REELS", {"first": False}, {}, "2207026"),
        ("REELS", {"codec": "mpeg4"}, {}, "2207026"),
        ("REELS", {"seconds": 2.0}, {}, "2207026"),
        ("REELS", {"rate": 15}, {}, "2207026"),
        ("REELS", {}, {"limits": {"reel_longest": 3.5}}, "2207026"),
        ("REELS", {}, {"limits": {"reel_size": 100}}, "2207026"),
        ("REELS", {}, {"limits": {"video_width": 60}}, "2207026"),
        ("REELS", {}, {"limits": {"video_bits": 1_000}}, "2207026"),
        ("REELS", {}, {"thumb_offset": "4000"}, "2207057"),
        ("REELS", {}, {"thumb_offset": "3999"}, None),
        ("REELS", {}, {}, None),
        ("STORIES", {"seconds": 2.0}, {}, "2207026"),
        ("STORIES", {}, {"limits": {"story_longest": 3.5}}, "2207026"),
        ("STORIES", {}, {"limits": {"story_size": 100}}, "2207026"),
        ("STORIES", {}, {}, None),
    ],
)
async def test_a_video_that_is_not_taken_fails_afterwards_and_says_why(
    instagram: Client,
    host: Host,
    world: World,
    kind: str,
    video: dict[str, Any] | bytes | None,
    more: dict[str, Any],
    code: str | None,
) -> None:
    world.impose(Limits().having(InstagramLimits(**more.get("limits", {}))))
    if video is not None:
        host.put("/v", film(**video) if isinstance(video, dict) else video, "video/mp4")
    form = {name: held for name, held in more.items() if name != "limits"}
    made = await instagram.ready(media_type=kind, video_url=f"{host.url}/v", **form)
    told = await status(instagram, made)
    if code is None:
        assert told == ("FINISHED", "Finished: Media has been uploaded and it is ready to be published.")
        assert (await instagram.publish(made)).status == 200
    else:
        assert told == ("ERROR", f"Error: Media upload has failed with error code {code}")
        assert refusal(await instagram.publish(made)) == NOT_READY


async def test_real_limits_of_videos_are_those_of_the_platform() -> None:
    real = InstagramLimits()
    assert (real.reel_shortest, real.reel_longest, real.reel_size) == (3, 900, 300 * 2**20)
    assert (real.story_shortest, real.story_longest, real.story_size) == (3, 60, 100 * 2**20)
    assert (real.containers_per_day, real.video_width) == (400, 1_920)


async def test_a_video_is_fetched_after_the_answer(instagram: Client, host: Host, world: World) -> None:
    address, host.held = host.put("/v", film(), "video/mp4"), asyncio.Event()
    made = await instagram.container(media_type="REELS", video_url=address)
    world.advance(60)
    assert (await status(instagram, made))[0] == "IN_PROGRESS"
    assert refusal(await instagram.publish(made)) == NOT_READY
    host.held.set()
    await instagram.settle()
    assert (await status(instagram, made))[0] == "FINISHED"
    assert host.asked == ["/v"]


async def test_a_cover_is_fetched_during_the_call(instagram: Client, host: Host, picture: Picture) -> None:
    video, cover = host.put("/v", film(), "video/mp4"), host.put("/c", picture())
    bad = await instagram.create(media_type="REELS", video_url=video, cover_url=f"{host.url}/nowhere")
    assert refusal(bad) == (400, 9004, 2207052)
    png = host.put("/png", picture(form="PNG"), "image/png")
    assert refusal(await instagram.create(media_type="REELS", video_url=video, cover_url=png))[1] == 36001
    # a cover of one's own wins over an offset, even over a wrong one
    media = await instagram.published(media_type="REELS", video_url=video, cover_url=cover, thumb_offset="99000")
    thumbnail = (await instagram.get(media, fields="thumbnail_url")).body["thumbnail_url"]
    async with instagram.http.session.get(thumbnail) as answer:
        assert await answer.read() == picture()


async def test_children_of_a_carousel_are_finished_items_of_ones_own(
    instagram: Client, http: Http, host: Host, world: World, picture: Picture
) -> None:
    address = host.put("/p", picture())
    items = [await instagram.ready(image_url=address, is_carousel_item="true") for _ in range(2)]
    alone = await instagram.ready(image_url=address)
    unfinished = await instagram.container(image_url=address, is_carousel_item="true")
    bob = instagram_client(http, world, "bob")
    for client, children, expected in (
        (instagram, [items[0], unfinished], NOT_READY),
        (instagram, [items[0], alone], (400, 100, None)),
        (bob, items, (400, 24, 2207006)),
    ):
        assert refusal(await client.create(media_type="CAROUSEL", children=",".join(children))) == expected
    assert refusal(await instagram.publish(items[0])) == (400, 100, None)
    made = await instagram.container(media_type="CAROUSEL", children=json.dumps(items), caption="Both")
    assert (await status(instagram, made))[0] == "IN_PROGRESS"
    world.advance(24 * 3600 - 25)
    assert refusal(await instagram.create(media_type="CAROUSEL", children=",".join(items))) == (400, 24, 2207006)
    assert (await instagram.publish(made)).status == 200


async def test_slow_and_failed_media(instagram: Client, host: Host, world: World, picture: Picture) -> None:
    address = host.put("/p", picture())
    world.faults.add("instagram", "slow_media", seconds=60, count=1)
    slow = await instagram.container(image_url=address)
    world.advance(50)
    assert (await status(instagram, slow))[0] == "IN_PROGRESS"
    world.advance(11)
    assert (await status(instagram, slow))[0] == "FINISHED"
    world.faults.add("instagram", "failed_media", seconds=30)
    failed = await instagram.container(image_url=address)
    assert (await status(instagram, failed))[0] == "IN_PROGRESS"
    world.advance(31)
    assert await status(instagram, failed) == ("ERROR", "Error: Media upload has failed with error code 2207053")
    assert refusal(await instagram.publish(failed)) == NOT_READY


async def test_containers_are_limited_too(instagram: Client, host: Host, world: World, picture: Picture) -> None:
    world.impose(Limits().having(InstagramLimits(containers_per_day=2)))
    address = host.put("/p", picture())
    assert [(await instagram.create(image_url=address)).status for _ in range(3)] == [200, 200, 400]
    assert refusal(await instagram.create(image_url=address)) == (400, 4, None)
    world.advance(24 * 3600)
    assert (await instagram.create(image_url=address)).status == 200


async def test_a_restricted_account_makes_and_publishes_nothing(
    instagram: Client, host: Host, world: World, picture: Picture
) -> None:
    made = await instagram.ready(image_url=host.put("/p", picture()))
    world.set_standing(instagram.account, "restricted")
    assert refusal(await instagram.publish(made)) == (400, 25, 2207050)
    assert refusal(await instagram.create(image_url="http://x")) == (400, 25, 2207050)
    assert world.ledger == []
