"""What the containers of a post on Instagram hold, and its address. How containers work is tested beside."""

import io
from typing import Any

import pytest
from PIL import Image

from hayon.platforms.instagram import Instagram
from tests.platforms.meta.scripted import (
    ADDRESS,
    CREDENTIAL,
    INSTAGRAM,
    USER,
    Peer,
    answered,
    drive,
    film,
    image,
    parcel_of,
)
from tests.platforms.parcels import Picture, make_account


async def prepared(text: str, *pictures: Picture, **options: Any) -> tuple[list[dict[str, str]], dict[str, Any]]:
    peer = Peer(INSTAGRAM)
    driven = await drive(INSTAGRAM, parcel_of(INSTAGRAM, text, *pictures, options=options), peer)
    return peer.forms(), dict(driven.handles)


async def forms_of(text: str, *pictures: Picture, **options: Any) -> list[dict[str, str]]:
    return (await prepared(text, *pictures, **options))[0]


async def test_one_picture() -> None:
    assert await forms_of("Hello #cats", image(1, "A cat"), collaborators=["bob", "eve"]) == [
        {
            "image_url": "https://media.example/1.jpg",
            "caption": "Hello #cats",
            "alt_text": "A cat",
            "collaborators": '["bob", "eve"]',
        }
    ]


async def test_nothing_is_said_that_was_not_written() -> None:
    assert await forms_of("", image(), collaborators=[]) == [{"image_url": "https://media.example/1.jpg"}]


@pytest.mark.parametrize("options", [{}, {"kind": "reel"}, {"kind": "feed"}])
async def test_one_video_is_a_reel_without_alt_text(options: dict[str, Any]) -> None:
    assert await forms_of("Hello", film(1, "A film"), **options) == [
        {"media_type": "REELS", "video_url": "https://media.example/1.mp4", "caption": "Hello"}
    ]


async def test_what_a_reel_may_have() -> None:
    assert await forms_of("Hello", film(), coverAtSeconds=7, shareToFeed=False, collaborators=["bob"]) == [
        {"media_type": "REELS", "video_url": "https://media.example/1.mp4", "caption": "Hello", "thumb_offset": "7000",
         "share_to_feed": "false", "collaborators": '["bob"]'}
    ]  # fmt: skip
    assert (await forms_of("", film(), coverAtSeconds=0))[0]["thumb_offset"] == "0"


async def test_several_with_the_caption_on_the_whole() -> None:
    assert await forms_of("Hello", image(1, "one"), film(2, "two"), collaborators=["bob"]) == [
        {"is_carousel_item": "true", "alt_text": "one", "image_url": "https://media.example/1.jpg"},
        {"media_type": "VIDEO", "is_carousel_item": "true", "video_url": "https://media.example/2.mp4"},
        {"media_type": "CAROUSEL", "children": "c1,c2", "caption": "Hello", "collaborators": '["bob"]'},
    ]


@pytest.mark.parametrize(
    ("file", "address", "kind"),
    [
        (image(1, "A cat"), {"image_url": "https://media.example/1.jpg"}, "IMAGE"),
        (film(), {"video_url": "https://media.example/1.mp4"}, "VIDEO"),
    ],
)
async def test_a_story_has_neither_words_nor_alt_text(file: Picture, address: dict[str, str], kind: str) -> None:
    forms, handles = await prepared("", file, kind="story")
    assert forms == [{"media_type": "STORIES", **address}]
    assert (handles["listing"], handles["types"]) == ("stories", [kind])


async def fitted(width: int, height: int, form: str = "JPEG", **options: Any) -> tuple[str, int, int]:
    """What a picture of this size is made for Instagram: its type and sides."""
    kept = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(kept, form)
    mime = f"image/{form.lower()}"
    picture = Picture(kept.getvalue(), "", mime, width, height, url="https://media.example/1")
    one = parcel_of(INSTAGRAM, "", picture).media[0]
    made = (await one.fit(INSTAGRAM.fitting(options))).media
    return made.mime, made.width or 0, made.height or 0


async def test_pictures_become_jpegs_of_a_shape_that_is_taken() -> None:
    assert await fitted(1080, 1080) == ("image/jpeg", 1080, 1080)
    assert await fitted(1080, 1080, "PNG") == ("image/jpeg", 1080, 1080)
    for width, height in ((400, 2000), (2000, 400), (3000, 2000), (1080, 1920)):
        mime, wide, high = await fitted(width, height)
        assert mime == "image/jpeg"
        assert max(wide, high) <= 1440
        assert 0.79 <= wide / high <= 1.92


async def test_a_story_keeps_the_shape_of_a_telephone() -> None:
    assert await fitted(1080, 1920, kind="story") == ("image/jpeg", 1080, 1920)


async def test_each_picture_is_sent_as_it_was_fitted() -> None:
    kept = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(kept, "PNG")
    picture = Picture(kept.getvalue(), "", "image/png", 64, 64, url="https://media.example/1.png")
    assert (await forms_of("", picture))[0]["image_url"] == "https://media.example/1.png?fitted"
    forms = await forms_of("", picture, image(2))
    assert [form.get("image_url") for form in forms[:2]] == [
        "https://media.example/1.png?fitted",
        "https://media.example/2.jpg",
    ]


# addresses

ALICE = make_account("instagram", ADDRESS, USER, handle="@al.ice_1")


@pytest.mark.parametrize(
    ("url", "remote_id"),
    [
        ("https://www.instagram.com/p/DAbc-_9/", "url:DAbc-_9"),
        ("https://instagram.com/reel/DAbc", "url:DAbc"),
        ("https://www.instagram.com/reels/DAbc/?igsh=1#x", "url:DAbc"),
        ("https://www.instagram.com/Al.Ice_1/p/DAbc/", "url:DAbc"),
        ("https://www.instagram.com/al.ice_1/reel/DAbc/", "url:DAbc"),
        ("https://www.instagram.com/stories/al.ice_1/3141592653589793238/", "url:3141592653589793238"),
        (f"{ADDRESS}/p/DAbc/", "url:DAbc"),
        ("https://www.instagram.com/bob/p/DAbc/", None),
        ("https://www.instagram.com/stories/bob/3141592653589793238/", None),
        ("https://www.instagram.com/stories/highlights/3141592653589793238/", None),
        ("https://www.instagram.com/al.ice_1/", None),
        ("https://www.instagram.com/p/", None),
        ("https://elsewhere.example/p/DAbc/", None),
        ("ftp://www.instagram.com/p/DAbc/", None),
        ("https://[x/p/DAbc/", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_id_in_an_address(url: str, remote_id: str | None) -> None:
    assert INSTAGRAM.remote_id_in(url, ALICE) == remote_id


async def test_nothing_can_be_deleted() -> None:
    peer = Peer(INSTAGRAM)
    assert await INSTAGRAM.remove(ALICE, CREDENTIAL, "9", peer.outgoing) is False
    assert peer.calls == []


async def test_the_live_platform_is_spoken_to_where_nothing_else_is_set() -> None:
    assert (Instagram().address, Instagram().version) == ("https://graph.instagram.com", "v25.0")
    peer = Peer(INSTAGRAM, answers={f"POST /{USER}/media_publish": answered({"id": "9"})})
    await drive(INSTAGRAM, parcel_of(INSTAGRAM, "", image()), peer)
    assert peer.asked[0].url == f"{ADDRESS}/v25.0/{USER}/media"
