"""Photos of the simulated Facebook: as bytes and from an address, in posts and stories, and which ones are refused."""

import io
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image
from tests.sandbox.conftest import Http
from tests.sandbox.facebook import CUT, Page, page_client, taken
from tests.sandbox.graph import Host, hosting, refusal

from hayon.sandbox.journal import Files
from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVALID, GONE = (400, 100, None), (400, 100, 33)
UNREADABLE, BROKEN = (400, 1, 1366046), (400, 324, 2069019)
SHOWN_ALREADY = (400, 100, 1366051)
ATTACHMENTS = "attachments{media_type,target,subattachments{media_type,target}}"
Picture = Callable[..., bytes]


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where photos are."""
    async with hosting() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def page(http: Http, world: World) -> Page:
    """Alice's Page."""
    return page_client(http, world)


async def test_an_album_stands_in_order_with_its_alt_texts(
    page: Page, http: Http, world: World, picture: Picture
) -> None:
    contents = [picture(colour=one) for one in ("teal", "plum", "gold")]
    photos = [await page.photo(content, alt_text_custom=f"Alt {n}") for n, content in enumerate(contents)]
    assert (world.ledger, await page.listed()) == ([], [])
    order = [photos[2], photos[0], photos[1]]
    post = taken(await page.album("Three", *order))
    told = (await page.get(post, f"message,{ATTACHMENTS}")).body
    (album,) = told["attachments"]["data"]
    assert (told["message"], album["media_type"]) == ("Three", "album")
    parts = album["subattachments"]["data"]
    assert [(one["media_type"], one["target"]["id"]) for one in parts] == [("photo", one) for one in order]
    listed = (await page.get("me/feed", f"id,{ATTACHMENTS}")).body["data"]
    assert listed == [{"id": post, "attachments": told["attachments"]}]
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.text) == ("create_post", post, "Three")
    assert line.media_ids == [Files.digest(contents[n]) for n in (2, 0, 1)]
    shown = (await http("GET", "/")).body
    places = [shown.index(f"/media/{digest}") for digest in line.media_ids]
    assert places == sorted(places)
    assert [shown.index(f"Alt {n}") for n in (2, 0, 1)] == sorted(shown.index(f"Alt {n}") for n in range(3))
    assert '<span class="form">Album</span>' in shown


@pytest.mark.parametrize("how", ["json", "one string", "keys of JSON"])
async def test_attached_media_may_be_written_in_several_ways(page: Page, picture: Picture, how: str) -> None:
    photos = [await page.photo(picture(colour=one)) for one in ("teal", "plum")]
    given = {
        "json": {"json": {"message": "x", "attached_media": [{"media_fbid": one} for one in photos]}},
        "one string": {"data": {"attached_media": json.dumps([{"media_fbid": one} for one in photos])}},
        "keys of JSON": {"json": {f"attached_media[{n}]": f'{{"media_fbid":{one}}}' for n, one in enumerate(photos)}},
    }[how]
    post = taken(await page.call("POST", "me/feed", **given))
    album = (await page.get(post, ATTACHMENTS)).body["attachments"]["data"][0]
    assert [one["target"]["id"] for one in album["subattachments"]["data"]] == photos


async def test_one_attached_photo_is_the_attachment_itself(page: Page, http: Http, picture: Picture) -> None:
    photo = await page.photo(picture(), alt_text_custom="Teal", caption="Its own words")
    assert "page_story_id" not in (await page.get(photo, "page_story_id")).body
    post = taken(await page.album("", photo))
    told = (await page.get(post, f"message,full_picture,{ATTACHMENTS}")).body
    (attached,) = told["attachments"]["data"]
    assert (attached["media_type"], attached["target"]["id"]) == ("photo", photo)
    assert "message" not in told
    seen = (await page.get(photo, "name,alt_text,alt_text_custom,page_story_id,width,height,images")).body
    assert (seen["name"], seen["alt_text"], seen["alt_text_custom"]) == ("Its own words", "Teal", "Teal")
    assert (seen["page_story_id"], seen["width"], seen["height"]) == (post, 40, 30)
    assert seen["images"][0]["source"] == f"{http.url}/media/{Files.digest(picture())}"
    assert 'class="form"' not in (await http("GET", "/")).body


async def test_a_photo_may_be_a_post_by_itself(page: Page, host: Host, world: World, picture: Picture) -> None:
    address = host.put("/p.png", picture(form="PNG"), "image/png")
    made = (await page.call("POST", "me/photos", data={"url": address, "caption": "By itself"})).body
    assert made.keys() == {"id", "post_id"}
    assert await page.listed() == [made["post_id"]]
    assert (await page.get(made["id"], "page_story_id")).body["page_story_id"] == made["post_id"]
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.text) == ("upload_photo", made["post_id"], "By itself")
    assert line.media_ids == [Files.digest(picture(form="PNG"))]
    assert world.copies("facebook") == {"By itself": 1}
    # every repeat is another post: there is nothing to know it by
    again = (await page.call("POST", "me/photos", data={"url": address, "caption": "By itself"})).body
    assert await page.listed() == [again["post_id"], made["post_id"]]
    assert world.copies("facebook") == {"By itself": 2}


async def test_an_error_although_every_photo_went_live(page: Page, world: World, picture: Picture) -> None:
    world.faults.add("facebook", "error_after_accept", "upload_photo", count=7)
    for _ in range(7):
        assert refusal(await page.upload(picture(), published="true", caption="Seven")) == (500, 2, None)
    assert len(await page.listed()) == 7
    assert world.copies("facebook") == {"Seven": 7}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
async def test_every_kind_that_facebook_names_is_taken(page: Page, host: Host, picture: Picture, form: str) -> None:
    content = picture(form=form)
    assert (await page.upload(content)).status == 200
    address = host.put("/photo", content, f"image/{form.lower()}")
    reply = await page.call("POST", "me/photos", data={"url": address, "published": "false"})
    assert reply.status == 200


async def test_photos_that_are_refused(page: Page, host: Host, world: World, picture: Picture) -> None:
    webp = io.BytesIO()
    Image.new("RGB", (8, 8)).save(webp, "WEBP")
    large = io.BytesIO()
    Image.effect_noise((2_200, 2_200), 90).save(large, "PNG")
    assert 4 * 2**20 < len(large.getvalue()) < 8 * 2**20
    for n, (content, kind, expected) in enumerate(
        (
            (webp.getvalue(), "image/webp", UNREADABLE),
            (large.getvalue(), "image/png", UNREADABLE),
            (b"%PDF-1.4", "application/pdf", UNREADABLE),
            (picture()[:-200], "image/jpeg", BROKEN),
        )
    ):
        assert refusal(await page.upload(content)) == expected, n
        address = host.put(f"/{n}", content, kind)
        assert refusal(await page.call("POST", "me/photos", data={"url": address})) == expected, n
    assert refusal(await page.upload(b"nothing at all")) == BROKEN
    for address in (f"{host.url}/missing", "http://127.0.0.1:1/", "photo.jpg"):
        assert refusal(await page.call("POST", "me/photos", data={"url": address})) == BROKEN
    assert refusal(await page.call("POST", "me/photos", data={"published": "false"})) == BROKEN
    assert refusal(await page.upload(b"x" * (17 * 2**20))) == (413, 1, None)
    assert world.ledger == []


async def test_an_unpublished_photo_vanishes_after_a_day(page: Page, world: World, picture: Picture) -> None:
    used, drafted, lonely = [await page.photo(picture(colour=one)) for one in ("teal", "plum", "gold")]
    await page.album("Used", used)
    draft = taken(await page.album("Draft", drafted, published="false"))
    world.advance(86_400 - 30)
    assert (await page.get(lonely)).status == 200
    world.advance(30)
    assert refusal(await page.get(lonely)) == GONE
    assert refusal(await page.album("Too late", lonely)) == INVALID
    assert refusal(await page.call("POST", "me/photo_stories", data={"photo_id": lonely})) == INVALID
    assert (await page.get(used)).status == (await page.get(drafted)).status == 200
    assert (await page.go_live(draft)).status == 200
    assert [line.text for line in world.ledger] == ["Used", "Draft"]


async def test_photos_that_cannot_be_attached(page: Page, http: Http, world: World, picture: Picture) -> None:
    photo = await page.photo(picture())
    foreign = await page_client(http, world, "bob").photo(picture())
    for one in ("17", foreign, page.page_id):
        assert refusal(await page.album("x", one)) == INVALID
    assert refusal(await page.album("x", photo, photo)) == INVALID
    assert refusal(await page.album("x", photo, link="https://example.com")) == INVALID
    for wrong in ('["x"]', '[{"media": "1"}]', "{}", photo):
        assert refusal(await page.post("x", attached_media=wrong)) == INVALID
    world.impose(Limits().having(FacebookLimits(photos_per_post=1)))
    assert refusal(await page.album("x", photo, await page.photo(picture(colour="plum")))) == INVALID
    assert FacebookLimits().photos_per_post == 10
    assert world.ledger == []
    assert (await page.album("x", photo)).status == 200


async def test_photos_that_a_post_shows_already_are_refused(page: Page, world: World, picture: Picture) -> None:
    first, second = await page.photo(picture()), await page.photo(picture(colour="plum"))
    taken(await page.album("Once", first))
    for form in ({}, {"published": "false"}):
        assert refusal(await page.album("Once", first, **form)) == SHOWN_ALREADY
        assert refusal(await page.album("Other", second, first, **form)) == SHOWN_ALREADY
    world.faults.add("facebook", "double_on_repeat", "create_post", count=1)
    taken(await page.album("Once", first))
    assert world.copies("facebook") == {"Once": 2}
    assert refusal(await page.album("Once", first)) == SHOWN_ALREADY


async def test_an_answer_that_is_lost_leaves_the_photos_key(page: Page, world: World, picture: Picture) -> None:
    photo = await page.photo(picture())
    world.faults.add("facebook", "accept_then_drop", "create_post")
    world.faults.add("facebook", "status_late", "create_post", seconds=60, count=1)
    with pytest.raises(CUT):
        await page.album("Lost", photo)
    assert "page_story_id" not in (await page.get(photo, "page_story_id")).body
    world.advance(61)
    post = (await page.get(photo, "page_story_id")).body["page_story_id"]
    assert [post] == await page.listed() == [line.remote_id for line in world.ledger]


async def test_photos_can_be_deleted(page: Page, http: Http, world: World, picture: Picture) -> None:
    alone, first, second = [await page.photo(picture(colour=one)) for one in ("teal", "plum", "gold")]
    single, album = taken(await page.album("One", alone)), taken(await page.album("Two", first, second))
    assert refusal(await page_client(http, world, "bob").call("DELETE", alone)) == GONE
    for photo in (alone, first):
        assert (await page.call("DELETE", photo)).body == {"success": True}
        assert refusal(await page.get(photo)) == GONE
    assert await page.listed() == [album]
    assert refusal(await page.get(single)) == GONE
    left = (await page.get(album, ATTACHMENTS)).body["attachments"]["data"][0]
    assert left["target"]["id"] == second
    assert (await page.call("DELETE", album)).body == {"success": True}
    assert refusal(await page.get(second)) == GONE
    assert [line.operation for line in world.ledger[2:]] == ["delete_photo", "delete_photo", "delete_post"]
    assert "Two" not in (await http("GET", "/")).body


async def test_a_photo_as_a_story(page: Page, http: Http, world: World, picture: Picture) -> None:
    photo = await page.photo(picture(), alt_text_custom="Teal", caption="not shown")
    made = (await page.call("POST", "me/photo_stories", data={"photo_id": photo})).body
    story = made["post_id"]
    assert made == {"success": True, "post_id": story}
    told = (await page.get("me/stories")).body["data"]
    assert told == [
        {
            "post_id": story,
            "status": "PUBLISHED",
            "creation_time": told[0]["creation_time"],
            "media_type": "PHOTO",
            "media_id": photo,
            "url": f"{http.url}/facebook/stories/{page.page_id}/{story}",
        }
    ]
    assert abs(int(told[0]["creation_time"]) - world.now()) < 5
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.key, line.text) == ("publish_photo_story", story, photo, "")
    assert line.media_ids == [Files.digest(picture())]
    assert await page.listed() == []
    shown = (await http("GET", "/")).body
    assert ('<span class="form">Story</span>' in shown, "not shown" in shown) == (True, False)
    assert (await http("GET", f"/facebook/stories/{page.page_id}/{story}")).status == 200
    assert (await page.get("me/stories", since=int(world.now()) + 60)).body == {"data": []}
    world.advance(86_400)
    assert (await page.get("me/stories", "status")).body["data"] == [{"status": "ARCHIVED"}]
    assert (await page.get("me/stories", status="PUBLISHED")).body == {"data": []}
    assert refusal(await page.get("me/stories", status="GONE")) == INVALID


async def test_a_photo_is_either_a_story_or_in_a_post(page: Page, world: World, picture: Picture) -> None:
    in_post, in_story = await page.photo(picture()), await page.photo(picture(colour="plum"))
    posted = (await page.upload(picture(), published="true")).body["id"]
    await page.album("Post", in_post)
    stories = "me/photo_stories"
    for photo in (in_post, posted):
        assert refusal(await page.call("POST", stories, data={"photo_id": photo})) == INVALID
    first = (await page.call("POST", stories, data={"photo_id": in_story})).body["post_id"]
    assert refusal(await page.album("Story", in_story)) == INVALID
    assert refusal(await page.call("POST", stories, data={"photo_id": in_story})) == SHOWN_ALREADY
    world.faults.add("facebook", "double_on_repeat", "publish_photo_story", count=1)
    second = (await page.call("POST", stories, data={"photo_id": in_story})).body["post_id"]
    told = (await page.get(stories.replace("photo_", ""), "post_id,media_id")).body["data"]
    assert told == [{"post_id": one, "media_id": in_story} for one in (second, first)]
    assert [(line.remote_id, line.repeat) for line in world.ledger[2:]] == [
        (first, False),
        (first, True),
        (second, False),
    ]
    assert refusal(await page.call("POST", stories)) == INVALID


async def test_faults_of_a_story(page: Page, world: World, picture: Picture) -> None:
    photos = [await page.photo(picture(colour=one)) for one in ("teal", "plum")]
    world.faults.add("facebook", "accept_then_drop", "publish_photo_story")
    world.faults.add("facebook", "list_late", "publish_photo_story", seconds=60, count=1)
    with pytest.raises(CUT):
        await page.call("POST", "me/photo_stories", data={"photo_id": photos[0]})
    assert (await page.get("me/stories")).body == {"data": []}
    world.advance(61)
    assert [one["media_id"] for one in (await page.get("me/stories")).body["data"]] == photos[:1]
    world.faults.add("facebook", "error_after_accept", "publish_photo_story")
    assert refusal(await page.call("POST", "me/photo_stories", data={"photo_id": photos[1]})) == (500, 2, None)
    assert [one["media_id"] for one in (await page.get("me/stories")).body["data"]] == photos[::-1]
    world.set_standing(page.account, "restricted")
    assert refusal(await page.call("POST", "me/photo_stories", data={"photo_id": photos[1]})) == (400, 368, 1404112)
    assert refusal(await page.upload(picture())) == (400, 368, 1404112)


async def test_the_token_may_stand_in_a_multipart_body(page: Page, http: Http, picture: Picture) -> None:
    for token, expected in ((page.account.secret, 200), ("wrong", 400)):
        form = aiohttp.FormData({"published": "false", "access_token": token})
        form.add_field("source", picture(), filename="x.jpg", content_type="image/jpeg")
        assert (await http("POST", f"/facebook/v25.0/{page.page_id}/photos", data=form)).status == expected
