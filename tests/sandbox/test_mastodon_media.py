"""Media of the simulated instance."""

from collections.abc import Callable

import aiohttp
import pytest
from tests.sandbox.conftest import Http, Mastodon

from hayon.sandbox.limits import Limits
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_picture_is_ready_at_once(mastodon: Mastodon, http: Http, picture: Callable[..., bytes]) -> None:
    content = picture(40, 30)
    reply = await mastodon.upload(content, description=" A teal field ", focus="0.5,-0.25")
    assert (reply.status, reply.body["type"], reply.body["description"]) == (200, "image", "A teal field")
    assert reply.body["meta"]["original"]["size"] == "40x30"
    assert reply.body["meta"]["focus"] == {"x": 0.5, "y": -0.25}
    async with http.session.get(reply.body["url"]) as answer:
        assert await answer.read() == content
        assert answer.headers["content-type"] == "image/jpeg"
    changed = await mastodon.call("PUT", f"/api/v1/media/{reply.body['id']}", json={"description": "Better"})
    assert (changed.status, changed.body["description"], changed.body["meta"]["focus"]["x"]) == (200, "Better", 0.5)
    assert (await mastodon.call("DELETE", f"/api/v1/media/{reply.body['id']}")).status == 200
    assert (await mastodon.call("GET", f"/api/v1/media/{reply.body['id']}")).status == 404


async def test_every_upload_is_a_medium_of_its_own(mastodon: Mastodon, picture: Callable[..., bytes]) -> None:
    first, second = await mastodon.upload(picture()), await mastodon.upload(picture())
    assert first.body["id"] != second.body["id"]


async def test_what_is_no_picture_is_refused(mastodon: Mastodon, world: World, picture: Callable[..., bytes]) -> None:
    world.impose(Limits().having(InstanceLimits(image_size=2**20, image_pixels=160_000)))
    words = await mastodon.upload(b"just words")
    assert (words.status, words.error) == (422, "Validation failed: File content type is invalid, File is invalid")
    broken = await mastodon.upload(picture(400, 400)[:300])
    assert (broken.status, broken.error) == (500, "Error processing thumbnail for uploaded media")
    none = await mastodon.call("POST", "/api/v2/media", data=aiohttp.FormData({"description": "x"}))
    assert none.error == "Validation failed: File can't be blank"
    large = await mastodon.upload(picture() + b"\0" * 2**20)
    assert (large.status, large.error) == (422, "Validation failed: File file size must be less than 1 MB")
    wide = await mastodon.upload(picture(401, 400, "PNG"))
    assert (wide.status, wide.error) == (422, "401x400 images are not supported")
    wordy = await mastodon.upload(picture(), description="x" * 10_001)
    assert wordy.error == "Validation failed: Description is too long (maximum is 10000 characters)"


async def test_a_video_is_processed_first_and_stays_alone(
    mastodon: Mastodon, world: World, picture: Callable[..., bytes]
) -> None:
    video = await mastodon.upload(b"\0\0\0\x18ftypmp42" + b"\0" * 64)
    assert (video.status, video.body["type"], video.body["url"]) == (202, "video", None)
    media = video.body["id"]
    early = await mastodon.post("x", media_ids=[media])
    assert early.error == "Cannot attach files that have not finished processing. Try again in a moment!"
    assert (await mastodon.call("GET", f"/api/v1/media/{media}")).status == 206
    world.advance(2)
    assert (await mastodon.call("GET", f"/api/v1/media/{media}")).status == 200
    still = (await mastodon.upload(picture())).body["id"]
    mixed = await mastodon.post("x", media_ids=[media, still])
    assert mixed.error == "Cannot attach a video to a post that already contains images"
    assert (await mastodon.post("x", media_ids=[media])).status == 200
