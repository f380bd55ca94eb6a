"""Pictures and videos of the simulated Tumblr: parts of a form and their blocks, what is refused, transcoding, caps."""

import io
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.graph import film
from tests.sandbox.tumblelog import Tumblelog, code, form, image, tumblr_client, video

from hayon.sandbox.limits import Limits, Rate
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID, FORMAT = (400, 8001), (400, 8005)
JPEG = "image/jpeg"


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


def clip(seconds: float = 1.0) -> bytes:
    """A small real video."""
    return film(seconds, size=(64, 64))


async def test_a_picture_is_where_its_block_says(
    tumblr: Tumblelog, http: Http, world: World, picture: Callable[..., bytes]
) -> None:
    files = [("b", picture(40, 30, "PNG"), "image/png"), ("a", picture(), JPEG)]
    blocks = [image("a", alt_text="Teal"), image("b", kind="image/png", caption="Field")]
    made = await tumblr.post(content=blocks, files=files)
    assert (made.status, made.body["response"]["state"]) == (201, "published")
    post = (await tumblr.get(made.body["response"]["id"])).body["response"]
    first, second = post["content"]
    assert (first["alt_text"], first["media"][0]["type"], first["media"][0]["width"]) == ("Teal", JPEG, 40)
    assert (second["caption"], second["media"][0]["type"]) == ("Field", "image/png")
    assert "identifier" not in first["media"][0]
    for block, (_, content, kind) in zip((second, first), files, strict=True):
        async with http.session.get(block["media"][0]["url"]) as answer:
            assert (await answer.read(), answer.headers["content-type"]) == (content, kind)
    assert len(world.ledger[0].media_ids) == 2


async def test_stored_media_are_taken_back_by_key_or_address(
    tumblr: Tumblelog, world: World, picture: Callable[..., bytes]
) -> None:
    post_id = await tumblr.draft(
        content=[image("a"), image("b")], files=[("a", picture(), JPEG), ("b", picture(41), JPEG)]
    )
    first, second = (await tumblr.get(post_id)).body["response"]["content"]
    by_key = {"media_key": first["media"][0]["media_key"]}
    by_address = {"url": second["media"][0]["url"], "type": JPEG, "width": 41, "height": 30}
    content = [{"type": "image", "media": [by_address]}, {"type": "image", "media": [by_key]}, first]
    assert (await tumblr.put(post_id, content=content, state="published")).status == 200
    kept = world.ledger[0].media_ids
    assert (len(kept), kept[1]) == (3, kept[2])
    (landed,) = await tumblr.listed()
    got = (await tumblr.get(landed)).body["response"]["content"]
    assert [one["media"][0]["media_key"] for one in got] == [
        one["media"][0]["media_key"] for one in (second, first, first)
    ]


async def test_media_of_others_and_of_nobody(tumblr: Tumblelog, world: World, picture: Callable[..., bytes]) -> None:
    bob = tumblr_client(tumblr.http, world, "bob")
    theirs = await bob.draft(content=[image("a")], files=[("a", picture(), JPEG)])
    (block,) = (await bob.get(theirs)).body["response"]["content"]
    for media in (
        {"media_key": block["media"][0]["media_key"]},
        {"url": block["media"][0]["url"]},
        {"url": "https://example.com/picture.jpg"},
        {"url": "http://["},
        {"width": 1, "height": 1},
    ):
        assert code(await tumblr.post(content=[{"type": "image", "media": [media]}])) == INVALID
    assert world.ledger == []


async def test_every_part_has_its_block_and_every_block_its_part(
    tumblr: Tumblelog, world: World, picture: Callable[..., bytes]
) -> None:
    one = [("a", picture(), JPEG)]
    assert code(await tumblr.post(content=[image("a")])) == INVALID
    assert code(await tumblr.post(content=[image("b")], files=one)) == INVALID
    assert code(await tumblr.post(content=[image("a"), image("a")], files=one)) == INVALID
    assert code(await tumblr.post("Only words", files=one)) == INVALID
    assert code(await tumblr.post(content=[image("a")], files=[*one, ("b", picture(), JPEG)])) == INVALID
    assert code(await tumblr.post(content=[image("a")], files=[*one, ("a", picture(41), JPEG)])) == INVALID
    assert world.ledger == []


async def test_the_json_comes_first_and_files_have_names(
    tumblr: Tumblelog, world: World, picture: Callable[..., bytes]
) -> None:
    told, path = {"content": [image("a")]}, "blog/alice/posts"
    assert code(await tumblr.call("POST", path, data=form(told, [("a", picture(), JPEG)], first="data"))) == INVALID
    late = aiohttp.FormData(default_to_multipart=True)
    late.add_field("a", io.BytesIO(picture()), filename="a.jpg", content_type=JPEG)
    late.add_field("json", json.dumps(told), content_type="application/json")
    assert code(await tumblr.call("POST", path, data=late)) == INVALID
    nameless = form(told, [])
    nameless.add_field("a", "words", content_type=JPEG)
    assert code(await tumblr.call("POST", path, data=nameless)) == INVALID
    assert world.ledger == []


async def test_files_that_are_refused(tumblr: Tumblelog, world: World, picture: Callable[..., bytes]) -> None:
    world.impose(Limits().having(TumblrLimits(image_size=2**20, video_size=2**21, video_seconds=2)))
    jpeg, mp4 = picture(), clip()
    for block, content, declared, expected in (
        (image("a"), b"words", JPEG, FORMAT),
        (image("a"), b"", JPEG, FORMAT),
        (image("a", kind="image/bmp"), picture(form="BMP"), "image/bmp", FORMAT),
        (image("a", kind="image/png"), jpeg, JPEG, FORMAT),
        (image("a"), jpeg, "image/png", FORMAT),
        (image("a"), jpeg + bytes(2**20), JPEG, FORMAT),
        (image("a"), mp4, "video/mp4", FORMAT),
        (image("a"), picture(400, 400)[:300], JPEG, (500, 8006)),
        (video("a"), jpeg, JPEG, FORMAT),
        (video("a"), b"words", "video/mp4", FORMAT),
        (video("a"), mp4 + bytes(2**21), "video/mp4", FORMAT),
        (video("a"), clip(3.0), "video/mp4", FORMAT),
        (video("a"), mp4[:200], "video/mp4", (500, 8009)),
    ):
        assert code(await tumblr.post(content=[block], files=[("a", content, declared)])) == expected, (block, declared)
    assert world.ledger == []
    assert (await tumblr.call("GET", "user/limits")).body["response"]["user"]["images"]["remaining"] == 250


async def test_all_kinds_of_pictures(tumblr: Tumblelog, picture: Callable[..., bytes]) -> None:
    for kind in ("jpeg", "png", "gif", "webp"):
        block, content = image("a", kind=f"image/{kind}"), picture(form=kind.upper())
        assert (await tumblr.post(content=[block], files=[("a", content, f"image/{kind}")])).status == 201
    anything = await tumblr.post(
        content=[image("a", kind="image/jpg")], files=[("a", picture(), "application/octet-stream")]
    )
    assert anything.status == 201


async def test_wrong_measures_are_taken_and_shown_wrongly(
    tumblr: Tumblelog, world: World, http: Http, picture: Callable[..., bytes]
) -> None:
    post_id = await tumblr.draft(content=[image("a", 30, 40)], files=[("a", picture(), JPEG)])
    content = (await tumblr.get(post_id)).body["response"]["content"]
    await tumblr.put(post_id, content=content, state="published")
    unsaid = {"type": "image", "media": [{"identifier": "a"}]}
    made = await tumblr.post(content=[unsaid], files=[("a", picture(40, 80), JPEG)])
    (block,) = (await tumblr.get(made.body["response"]["id"])).body["response"]["content"]
    assert (block["media"][0]["width"], block["media"][0]["height"]) == (540, 405)
    assert [entry.warnings for entry in world.ledger] == [
        ["file 1 is said to be 30 by 40 and is 40 by 30"],
        ["file 1 is said to be 540 by 405 and is 40 by 80"],
    ]
    assert "file 1 is said to be 30 by 40" in (await http("GET", "/")).body


# -- videos ---------------------------------------------------------------------------------------------------------


async def test_a_video_gets_another_id_when_it_is_transcoded(tumblr: Tumblelog, world: World, http: Http) -> None:
    made = await tumblr.post(content=[video("v", alt_text="Teal")], files=[("v", clip(), "video/mp4")])
    early = made.body["response"]
    assert (made.status, early["state"]) == (201, "transcoding")
    assert "processed" in early["display_text"]
    assert (await tumblr.get(early["id"])).body["response"]["state"] == "transcoding"
    assert await tumblr.listed() == []
    assert "<video" not in (await http("GET", "/")).body
    world.advance(4)
    assert code(await tumblr.get(early["id"])) == (404, 0)
    (final,) = await tumblr.listed()
    post = (await tumblr.get(final)).body["response"]
    assert (post["state"], post["content"][0]["media"]["type"]) == ("published", "video/mp4")
    assert int(final) > int(early["id"])
    assert "genesis_post_id" not in post
    assert [(entry.operation, entry.remote_id) for entry in world.ledger] == [("createPost", final)]
    assert "<video" in (await http("GET", "/")).body
    assert (await http("GET", f"/tumblr/alice/{final}")).status == 200


async def test_a_draft_with_a_video_is_a_draft_when_it_is_transcoded(tumblr: Tumblelog, world: World) -> None:
    made = await tumblr.post(content=[video("v")], files=[("v", clip(), "video/mp4")], state="draft", slug="marker")
    early = made.body["response"]["id"]
    assert await tumblr.listed("/draft") == []
    assert code(await tumblr.put(early, "Too early")) == (403, 8010)
    world.advance(4)
    assert code(await tumblr.put(early, "Too late")) == (404, 0)
    (draft,) = await tumblr.listed("/draft")
    post = (await tumblr.get(draft)).body["response"]
    assert (post["slug"], post["state"]) == ("marker", "draft")
    assert world.ledger == []
    done = await tumblr.put(draft, content=post["content"], state="published")
    assert done.body["response"]["state"] == "published"
    (final,) = await tumblr.listed()
    assert (await tumblr.get(final)).body["response"]["genesis_post_id"] == draft
    assert [(entry.operation, entry.remote_id) for entry in world.ledger] == [("editPost", final)]


async def test_a_video_in_an_edit_is_transcoded_too(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("Words first")
    edited = await tumblr.put(draft, content=[video("v")], files=[("v", clip(), "video/mp4")], state="published")
    early = edited.body["response"]
    assert early["state"] == "transcoding"
    assert code(await tumblr.get(draft)) == (404, 0)
    world.advance(4)
    (final,) = await tumblr.listed()
    assert len({draft, early["id"], final}) == 3
    assert (await tumblr.get(final)).body["response"]["genesis_post_id"] == draft


async def test_one_video_at_a_time(tumblr: Tumblelog, world: World, picture: Callable[..., bytes]) -> None:
    async def upload(who: Tumblelog) -> Any:
        return await who.post(content=[video("v")], files=[("v", clip(), "video/mp4")])

    assert (await upload(tumblr)).status == 201
    assert code(await upload(tumblr)) == (403, 8010)
    assert (await tumblr.post(content=[image("a")], files=[("a", picture(), JPEG)])).status == 201
    assert (await upload(tumblr_client(tumblr.http, world, "bob"))).status == 201
    world.advance(4)
    assert (await upload(tumblr)).status == 201


async def test_a_post_deleted_while_it_is_transcoded_never_appears(tumblr: Tumblelog, world: World) -> None:
    made = await tumblr.post(content=[video("v")], files=[("v", clip(), "video/mp4")])
    gone = await tumblr.call("POST", "blog/alice/post/delete", json={"id": made.body["response"]["id"]})
    assert gone.status == 200
    world.advance(4)
    assert await tumblr.listed() == []


# -- what a day holds -----------------------------------------------------------------------------------------------


async def test_pictures_a_day(tumblr: Tumblelog, world: World, picture: Callable[..., bytes]) -> None:
    world.impose(Limits(rates={"tumblr.user.images": Rate(3, 86_400, aligned=True)}))
    two = {"content": [image("a"), image("b")], "files": [("a", picture(), JPEG), ("b", picture(41), JPEG)]}
    draft = await tumblr.draft(**two)
    assert code(await tumblr.post(**two)) == (403, 8004)
    assert (await tumblr.post(content=[image("a")], files=[("a", picture(), JPEG)])).status == 201
    left = (await tumblr.call("GET", "user/limits")).body["response"]["user"]["images"]
    assert (left["limit"], left["remaining"]) == (3, 0)
    content = (await tumblr.get(draft)).body["response"]["content"]
    assert (await tumblr.put(draft, content=content)).status == 200
    world.advance(left["reset_at"] - world.now() + 1)
    assert (await tumblr.post(**two)).status == 201


async def test_videos_and_their_length_a_day(tumblr: Tumblelog, world: World) -> None:
    async def upload(seconds: float) -> Any:
        world.advance(4)
        return await tumblr.post(content=[video("v")], files=[("v", clip(seconds), "video/mp4")])

    world.impose(Limits(rates={"tumblr.user.videos": Rate(1, 86_400 * 365, aligned=True)}))
    assert (await upload(1.0)).status == 201
    assert code(await upload(1.0)) == (403, 8011)
    world.impose(Limits(rates={"tumblr.user.video_seconds": Rate(3, 86_400 * 365, aligned=True)}))
    assert [(await upload(2.0)).status, (await upload(2.0)).status, (await upload(1.0)).status] == [201, 403, 201]


async def test_posts_a_day(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits(rates={"tumblr.user.posts": Rate(2, 86_400 * 365, aligned=True)}))
    draft = await tumblr.draft("Third")
    assert [(await tumblr.post("First")).status, (await tumblr.post("Second", state="private")).status] == [201, 201]
    assert code(await tumblr.post("Over")) == (403, 8023)
    assert code(await tumblr.put(draft, "Over")) == (403, 8023)
    assert (await tumblr.put(draft, "Still a draft", state="draft")).status == 200
    visible = (await tumblr.listed())[0]
    assert (await tumblr.put(visible, "Edited")).status == 200
    assert [entry.text for entry in world.ledger] == ["First", "Second", "Edited"]


async def test_without_limits_nothing_is_used_up(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits.named("none"))
    for n in range(3):
        assert (await tumblr.post(str(n))).status == 201
    told = (await tumblr.call("GET", "user/limits")).body["response"]["user"]
    assert (told["posts"]["limit"], told["posts"]["remaining"], told["videos"]["limit"]) == (250, 250, 20)
    assert told["posts"]["reset_at"] > world.now()
