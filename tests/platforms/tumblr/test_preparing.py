"""Preparing: what is handed over and what comes back, refusals, mentions, and the direct way."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from PIL import Image

from hayon.errors import (
    CredentialExpired,
    Disconnected,
    NotYet,
    PlatformError,
    RateLimited,
    Rejected,
    Unavailable,
    Unreachable,
)
from hayon.platforms.tumblr import drafting
from tests.platforms.parcels import Checkpoints, OneSend, Picture
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    CREATE,
    DELETE,
    DIRECT,
    EDIT,
    INFO,
    LOST,
    OAUTH2,
    PAGE,
    VIDEO,
    Blog,
    Fault,
    answered,
    make_picture,
    parcel_of,
    prepare,
    publish,
    refused,
    unreachable,
)


async def test_text_costs_two_calls_in_all() -> None:
    blog, saved, parcel = (
        Blog(),
        Checkpoints(),
        parcel_of("Hello there", options={"tags": ["one", "#two"], "slug": "mine"}),
    )
    handles = await prepare(blog, parcel, saved)
    (draft,) = blog.posts
    assert (draft["state"], draft["tags"]) == ("draft", "one,two")
    assert handles["slug"] == draft["slug"]
    assert draft["slug"].startswith("hayon-")
    assert len(draft["slug"]) == 22
    assert [list(one) for one in saved.saved] == [["creating"], ["creating", "draftIds", "draftedAt", "transcoding"]]
    await publish(blog, parcel, handles)
    assert blog.calls == [CREATE, EDIT]
    (post,) = blog.live
    assert (post["slug"], post["tags"], post["state"]) == ("mine", "one,two", "published")
    assert post["content"] == [{"type": "text", "text": "Hello there"}]


async def test_pictures_go_along_as_parts_and_come_back_as_stored() -> None:
    pictures = [make_picture("teal", "a teal one"), make_picture("red"), VIDEO]
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Three", pictures=pictures, options={"title": "T"})
    with pytest.raises(NotYet):  # a video is transcoded first
        await prepare(blog, parcel, saved)
    blog.finish_video()
    handles = await prepare(blog, parcel, saved)
    create = blog.asked[0]
    assert [part.name for part in create.parts or ()] == ["json", "file-0", "file-1", "file-2"]
    assert [part.filename for part in create.parts or ()][1:] == [
        f"{pictures[0].media_id}.png", f"{pictures[1].media_id}.png", f"{VIDEO.media_id}.mp4"]  # fmt: skip
    said = json.loads(cast("str", (create.parts or ())[0].content))
    assert said["content"][1] == {
        "type": "image",
        "media": [{"type": "image/png", "identifier": "file-0", "width": 40, "height": 30}],
        "alt_text": "a teal one",
    }
    assert said["content"][3] == {
        "type": "video",
        "provider": "tumblr",
        "media": {"type": "video/mp4", "identifier": "file-2", "width": 640, "height": 480},
    }
    assert list(blog.files.values()) == [one.content for one in pictures]
    await publish(blog, parcel, handles)
    (post,) = blog.live
    assert [block["type"] for block in post["content"]] == ["text", "image", "image", "video", "text"]
    assert [one["media_key"] for one in post["content"][1]["media"]] == ["key-0", "key-0"]
    assert post["content"][3]["media"]["media_key"] == "key-2"
    assert "original_dimensions_missing" not in json.dumps(post["content"])
    assert post["content"][1]["alt_text"] == "a teal one"
    assert "alt_text" not in post["content"][2]


async def test_what_is_too_large_is_made_smaller_before_it_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "FITTING", replace(drafting.FITTING, largest_side=32))
    blog, parcel = Blog(), parcel_of("One", pictures=[make_picture(width=400, height=300)])
    await prepare(blog, parcel, Checkpoints())
    (kept,) = blog.files.values()
    with Image.open(io.BytesIO(kept)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (32, 24))
    (block, _) = blog.drafts[0]["content"]
    media = block["media"][0]
    assert (media["type"], media["width"], media["height"]) == ("image/jpeg", 32, 24)
    assert [part.filename for part in blog.asked[0].parts or ()][1] == f"{parcel.media[0].media.id}.jpeg"


async def test_the_author_may_hide_the_post_and_name_its_source() -> None:
    options = {"visibility": "private", "sourceUrl": "https://example.com/a"}
    blog, parcel = Blog(), parcel_of("Secret", options=options)
    handles = await prepare(blog, parcel, Checkpoints())
    assert blog.drafts[0]["source_url"] == "https://example.com/a"
    await publish(blog, parcel, handles)
    assert (blog.live[0]["state"], blog.live[0]["source_url"]) == ("private", "https://example.com/a")


@pytest.mark.parametrize(
    ("text", "options", "slug"),
    [
        ("It's Héllo, World! One two three four five six seven", {}, "its-hello-world-one-two-three-four-five"),
        ("https://example.com/x Look", {"title": "A title"}, "a-title-look"),
        ("日本語", {}, None),
        ("Hello", {"slug": "own-slug"}, "own-slug"),
        ("a" * 300, {}, "a" * 60),
    ],
)
async def test_the_marker_is_no_address_for_people(text: str, options: dict[str, Any], slug: str | None) -> None:
    handles = await prepare(Blog(), parcel_of(text, options=options), Checkpoints())
    assert handles["fields"].get("slug") == slug


# refusals


async def test_a_file_that_tumblr_fails_over_is_refused_at_the_third_time() -> None:
    blog = Blog(before={CREATE: [refused(500, 8006), refused(504), refused(500, 8009), refused(500, 8006)]})
    saved, parcel = Checkpoints(), parcel_of("One", pictures=[make_picture()])
    raised: list[type[PlatformError]] = []
    for _ in range(4):
        with pytest.raises(PlatformError) as error:
            await prepare(blog, parcel, saved)
        raised.append(type(error.value))
    assert raised == [Unavailable, Unavailable, Unavailable, Rejected]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, 8001), Rejected),
        (refused(400, 8005), Rejected),
        (refused(401, 1016), Disconnected),
        (refused(403), Rejected),
        (refused(404), Disconnected),
        (refused(429), RateLimited),
        (PAGE, Unavailable),
        (answered("<html>", 413), Rejected),
        (answered("<html>", 200), Unavailable),
        (unreachable(), Unreachable),
    ],
)
async def test_a_refused_draft_is_told_as_what_it_is(answer: Fault, error: type[PlatformError]) -> None:
    blog = Blog(before={CREATE: [answer]})
    with pytest.raises(error) as raised:
        await prepare(blog, parcel_of(), Checkpoints())
    assert type(raised.value) is error
    assert blog.calls == [CREATE]


async def test_an_expired_access_token_asks_for_a_fresh_one() -> None:
    with pytest.raises(CredentialExpired):
        await prepare(Blog(before={CREATE: [refused(401)]}), parcel_of(credential=OAUTH2), Checkpoints())


# mentions


async def test_mentions_are_asked_for_once_and_stay_as_they_were() -> None:
    blog, saved, parcel = Blog(names={"david": "t:david"}), Checkpoints(), parcel_of("@David, @david and @nobody")
    handles = await prepare(blog, parcel, saved)
    assert blog.calls == [INFO, INFO, CREATE]
    assert saved.saved[0] == {"mentions": {"david": "t:david", "nobody": None}}
    blog.names.clear()
    assert await prepare(blog, parcel, saved) == handles
    (block,) = handles["fields"]["content"]
    assert [(one["start"], one["end"], one["blog"]) for one in block["formatting"]] == [
        (0, 6, {"uuid": "t:david"}), (8, 14, {"uuid": "t:david"})]  # fmt: skip
    assert block == blog.drafts[0]["content"][0]


@pytest.mark.parametrize("answer", [refused(403), refused(500), PAGE, LOST, answered({"blog": []}), answered({"blog": {}}),
                                    answered("[]")])  # fmt: skip
async def test_a_mention_that_cannot_be_resolved_stays_text(answer: Fault) -> None:
    blog = Blog(before={INFO: [answer]})
    handles = await prepare(blog, parcel_of("@david"), Checkpoints())
    assert handles["fields"]["content"] == [{"type": "text", "text": "@david"}]


@pytest.mark.parametrize(
    ("answer", "error"), [(refused(401), Disconnected), (refused(429), RateLimited), (unreachable(), Unreachable)]
)
async def test_what_would_stop_the_post_as_well_stops_at_a_mention(answer: Fault, error: type[PlatformError]) -> None:
    blog = Blog(before={INFO: [answer]})
    with pytest.raises(error):
        await prepare(blog, parcel_of("@david"), Checkpoints())
    assert blog.calls == [INFO]


async def test_no_more_than_ten_names_are_looked_up() -> None:
    blog = Blog()
    await prepare(blog, parcel_of(" ".join(f"@blog{number}" for number in range(20))), Checkpoints())
    assert blog.calls == [INFO] * 10 + [CREATE]


# the direct way


async def test_the_direct_way_prepares_without_a_draft() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Hello", pictures=[make_picture()])
    handles = await DIRECT.prepare(parcel, saved, blog.outgoing)
    assert (blog.calls, saved.saved, handles["way"]) == ([], [], "direct")
    assert DIRECT.settles(handles) is None
    assert handles["slug"] == handles["fields"]["slug"]
    await DIRECT.publish(parcel, handles, OneSend(blog.outgoing))
    (post,) = blog.live
    assert (blog.calls, post["slug"]) == ([CREATE], handles["slug"])
    assert list(blog.files.values()) == [await one.read() for one in parcel.media]


@pytest.mark.parametrize("why", ["a video", "much", "own slug", "a draft was begun"])
async def test_what_takes_long_or_was_begun_takes_the_way_by_a_draft(why: str) -> None:
    parcel = parcel_of("Hello")
    if why == "a video":
        parcel = parcel_of("Hello", pictures=[VIDEO])
    elif why == "much":
        noise = Picture(make_picture().content + b"\0" * 7_000_000)
        parcel = parcel_of("Hello", pictures=[noise, noise, noise])
    elif why == "own slug":
        parcel = parcel_of("Hello", options={"slug": "mine"})
    else:
        parcel = replace(parcel, checkpoint={"creating": True})
    blog, saved = Blog(), Checkpoints()
    try:
        handles = await DIRECT.prepare(parcel, saved, blog.outgoing)
    except NotYet:
        blog.finish_video()
        handles = await DIRECT.prepare(replace(parcel, checkpoint=saved.last), saved, blog.outgoing)
    assert handles["way"] == "draft"
    assert DIRECT.settles(handles) == ADAPTER.settles_within == timedelta(seconds=180)
    assert len(blog.drafts) == 1
    assert DELETE not in blog.calls
