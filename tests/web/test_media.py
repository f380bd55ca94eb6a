"""Files through the API: granted, uploaded to where they are kept, measured, used, shown to their owner, deleted."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from hayon.sandbox.world import World
from tests.media.filming import film
from tests.web.house import Answer, House, Visitor, at_work
from tests.web.test_deciding import wait_for
from tests.web.test_pages import Fields, read


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture."""
    written = BytesIO()
    Image.new("RGB", size, (15, 107, 95)).save(written, kind)
    return written.getvalue()


async def upload(visitor: Visitor, content: bytes, mime: str = "image/png") -> str:
    """A file sent and completed; its id."""
    grant = (await visitor.post("/api/media/uploads", {"mimeType": mime, "size": len(content), "name": "a.png"})).json
    assert grant["method"] == "PUT"
    sent = await Visitor(visitor.url, visitor.http).ask("PUT", grant["url"], data=content, headers=grant["headers"])
    assert sent.status == 204, sent.text
    done = await visitor.post(f"/api/media/{grant['mediaId']}/complete")
    assert done.status == 200, done.text
    assert done.json["ready"] is True
    return str(grant["mediaId"])


async def test_a_file_is_taken_in_and_shown_to_its_owner(house: House, ada: Visitor) -> None:
    content = picture()
    media_id = await upload(ada, content)
    (listed,) = (await ada.get("/api/media")).json["media"]
    assert (listed["mediaId"], listed["mimeType"], listed["width"], listed["height"]) == (media_id, "image/png", 40, 30)
    shown = await ada.get(listed["url"])
    assert (shown.status, shown.headers["Content-Type"], int(shown.headers["Content-Length"])) == (
        200, "image/png", listed["size"],
    )  # fmt: skip
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    again = await ada.post(f"/api/media/{media_id}/complete")
    assert again.json == listed
    assert (await ada.ask("DELETE", f"/api/media/{media_id}")).status == 204
    assert (await ada.get(listed["url"])).status == 404
    assert [path for path in (house.hayon.settings.data_dir / "media").rglob("*") if path.is_file()] == []


async def test_a_file_is_not_there_before_it_is_complete(ada: Visitor) -> None:
    content = picture()
    grant = (await ada.post("/api/media/uploads", {"mimeType": "image/png", "size": len(content)})).json
    path = f"/api/media/{grant['mediaId']}"
    early = await ada.post(f"{path}/complete")
    assert (early.status, "Nothing has arrived yet" in early.json["detail"]) == (409, True)
    assert (await ada.get(f"{path}/content")).status == 404
    assert (await ada.get("/api/media")).json["media"] == []
    post = {"content": {"text": "a", "mediaItems": [{"mediaId": grant["mediaId"]}]}, "selectedPlatforms": ["bluesky"]}
    refused = await ada.post("/api/posts", post)
    assert refused.rules == {("content.mediaItems[0].mediaId", "media_not_ready")}


async def test_an_upload_must_be_what_was_granted(ada: Visitor) -> None:
    content = picture()
    grant = (await ada.post("/api/media/uploads", {"mimeType": "image/png", "size": len(content)})).json

    async def put(sent: bytes, mime: str = "image/png", url: str = grant["url"]) -> Answer:
        return await ada.ask("PUT", url, data=sent, headers={"Content-Type": mime})

    assert (await put(content + b"x")).status == 422
    assert (await put(content, "image/jpeg")).status == 422
    assert (await put(content, url=grant["url"][:-3] + "abc")).status == 403
    assert (await put(content)).status == 204
    await ada.post(f"/api/media/{grant['mediaId']}/complete")
    assert (await put(content)).status == 409


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"mimeType": "text/html", "size": 5}, "mimeType"),
        ({"mimeType": "image/png", "size": 0}, "size"),
        ({"mimeType": "image/png", "size": 50_000_001}, "size"),
        ({"mimeType": "image/png"}, "size"),
        ({"mimeType": "image/png", "size": 5, "key": "../x"}, "key"),
    ],
)
async def test_a_grant_is_refused(ada: Visitor, given: dict[str, Any], field: str) -> None:
    answer = await ada.post("/api/media/uploads", given)
    assert answer.status == 422
    assert [one["field"] for one in answer.json["problems"]] == [field]


async def test_what_is_no_picture_is_refused_when_it_is_looked_at(ada: Visitor) -> None:
    content = b"<script>alert(1)</script>"
    grant = (await ada.post("/api/media/uploads", {"mimeType": "image/png", "size": len(content)})).json
    await ada.ask("PUT", grant["url"], data=content, headers=grant["headers"])
    refused = await ada.post(f"/api/media/{grant['mediaId']}/complete")
    assert (refused.status, refused.rules) == (422, {("file", "kind")})
    assert (await ada.get(f"/api/media/{grant['mediaId']}/content")).status == 404


async def test_a_file_in_use_stays(ada: Visitor) -> None:
    media_id = await upload(ada, picture())
    uses = [{"mediaId": media_id, "altText": "A green field"}]
    made = await ada.post("/api/posts", {"content": {"text": "", "mediaItems": uses}, "selectedPlatforms": ["bluesky"]})
    assert made.status == 201, made.text
    shown = (await ada.get(f"/api/posts/{made.json['postId']}")).json["content"]["mediaItems"]
    assert shown == [uses[0] | {"mimeType": "image/png", "url": f"/api/media/{media_id}/content"}]
    assert (await ada.ask("DELETE", f"/api/media/{media_id}")).status == 409


async def test_a_signed_address_serves_anybody_for_a_while(house: House, ada: Visitor) -> None:
    content = picture()
    media_id = await upload(ada, content)
    hayon = house.hayon
    now = await hayon.database.read(lambda tx: tx.now())
    key = f"temp/{ada.person_id}/{media_id}.png"
    url = hayon.media.public_url(key, timedelta(minutes=1), house.url, now)
    served = await house.visitor().get(url)
    assert (served.status, served.headers["Content-Type"]) == (200, "image/png")
    assert served.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    past = hayon.media.public_url(key, timedelta(minutes=-1), house.url, now)
    assert (await house.visitor().get(past)).status == 403
    assert (await house.visitor().get(f"{house.url}/media/files/nonsense")).status == 403


async def test_a_picture_by_the_form_goes_out_with_its_words(published: House, world: tuple[World, str]) -> None:
    ada = await published.register()
    account = world[0].add_account("bluesky", "ada.test")
    await ada.post("/api/accounts/bluesky", {"identifier": "ada.test", "appPassword": account.secret})

    async def send(content: bytes, text: str, **more: str) -> Answer:
        fields = (
            (await read(ada, "/compose")).form("/compose")
            | {"text": text, "altText": "A green field", "do": "publish"}
            | more
        )
        fields.pop("picture", None)
        form = aiohttp.FormData(fields)
        if content:
            form.add_field("picture", content, filename="a.png", content_type="image/png")
        return await ada.post("/compose", data=form)

    broken = await send(b"no picture", "Hello")
    assert (broken.status, "can be posted" in broken.text) == (422, True)
    too_long = await send(picture(), "x" * 301)
    assert too_long.status == 422
    fields = Fields(too_long.text).form("/compose")
    kept = fields["mediaId"]
    assert (fields[f"alt-{kept}"], fields["altText"]) == ("A green field", "")
    again = await send(b"", "Look", mediaId=kept, altText="", **{f"alt-{kept}": "A green field"})
    assert again.status == 303
    (post,) = (await ada.get("/api/posts")).json["posts"]
    assert [(use["mediaId"], use["altText"]) for use in post["content"]["mediaItems"]] == [(kept, "A green field")]
    async with at_work(published.hayon):
        await wait_for(ada, post["postId"], "completed")
    assert "A green field" in (await ada.get(f"/posts/{post['postId']}")).text


async def test_a_video_is_measured_and_has_a_small_picture(ada: Visitor) -> None:
    media_id = await upload(ada, film(), "video/mp4")
    (listed,) = (await ada.get("/api/media")).json["media"]
    assert (listed["mediaId"], listed["mimeType"], listed["videoCodec"]) == (media_id, "video/mp4", "h264")
    assert listed["durationSeconds"] > 0
    small = await ada.get(listed["thumbnailUrl"])
    assert (small.status, small.headers["Content-Type"]) == (200, "image/jpeg")
    with Image.open(BytesIO(small.body)) as shown:
        assert max(shown.size) <= 320


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=5-999999999", 206, slice(5, None)),
        ("bytes=0-", 200, slice(None)),
        ("bytes=9-5", 200, slice(None)),
        ("bytes=1-2,5-6", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
    ],
)
async def test_players_get_the_part_they_ask_for(ada: Visitor, asked: str, status: int, part: slice) -> None:
    media_id = await upload(ada, picture())
    url = f"/api/media/{media_id}/content"
    whole = (await ada.get(url)).body
    answer = await ada.get(url, headers={"Range": asked})
    assert (answer.status, answer.body if status < 300 else b"") == (status, whole[part])
    if status == 206:
        start, stop, _ = part.indices(len(whole))
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
