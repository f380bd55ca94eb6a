"""What the containers of a post on Threads hold, its address, and deleting it. How containers work is tested beside."""

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from hayon.errors import Disconnected, Unreachable
from hayon.platforms.threads import Threads
from tests.platforms.meta.scripted import (
    ADDRESS,
    CREDENTIAL,
    THREADS,
    USER,
    Peer,
    answered,
    drive,
    film,
    image,
    parcel_of,
    refused,
)
from tests.platforms.parcels import Picture, make_account


async def forms_of(text: str, *pictures: Picture, **options: Any) -> list[dict[str, str]]:
    peer = Peer(THREADS)
    await drive(THREADS, parcel_of(THREADS, text, *pictures, options=options), peer)
    return peer.forms()


async def test_text_alone() -> None:
    assert await forms_of("Hello") == [{"media_type": "TEXT", "text": "Hello"}]


async def test_all_that_the_author_chose() -> None:
    options = {"replyControl": "mentioned_only", "topicTag": " #cats and dogs", "linkAttachment": "https://example.com"}
    assert await forms_of("Hello", **options) == [
        {"media_type": "TEXT", "text": "Hello", "reply_control": "mentioned_only", "topic_tag": "cats and dogs",
         "link_attachment": "https://example.com"}
    ]  # fmt: skip


async def test_a_card_needs_no_text() -> None:
    assert await forms_of("", linkAttachment="https://example.com") == [
        {"media_type": "TEXT", "link_attachment": "https://example.com"}
    ]


async def test_one_picture() -> None:
    assert await forms_of("Hello", image(1, "A cat"), topicTag="cats") == [
        {
            "media_type": "IMAGE",
            "image_url": "https://media.example/1.jpg",
            "alt_text": "A cat",
            "text": "Hello",
            "topic_tag": "cats",
        }
    ]


async def test_one_video_without_words() -> None:
    assert await forms_of("", film(1, "A film")) == [
        {"media_type": "VIDEO", "video_url": "https://media.example/1.mp4", "alt_text": "A film"}
    ]


async def test_several_with_the_words_on_the_whole() -> None:
    assert await forms_of("Hello", image(1, "one"), film(2), replyControl="everyone") == [
        {
            "media_type": "IMAGE",
            "is_carousel_item": "true",
            "alt_text": "one",
            "image_url": "https://media.example/1.jpg",
        },
        {"media_type": "VIDEO", "is_carousel_item": "true", "video_url": "https://media.example/2.mp4"},
        {"media_type": "CAROUSEL", "children": "c1,c2", "text": "Hello", "reply_control": "everyone"},
    ]


async def test_nothing_is_published_while_preparing() -> None:
    for pictures in ([], [image()], [image(1), film(2)]):
        for form in await forms_of("Hello", *pictures):
            assert "auto_publish_text" not in form


@pytest.mark.parametrize(
    ("size", "form", "mode", "fitted"),
    [
        ((64, 64), "JPEG", "RGB", False),
        ((64, 64), "PNG", "RGB", False),
        ((64, 64), "WEBP", "RGB", True),
        ((400, 20), "PNG", "RGB", True),
    ],
)
async def test_pictures_are_made_to_fit(size: tuple[int, int], form: str, mode: str, fitted: bool) -> None:
    kept = io.BytesIO()
    Image.new(mode, size, "teal").save(kept, form)
    picture = Picture(kept.getvalue(), "", f"image/{form.lower()}", *size, url="https://media.example/1")
    (sent,) = await forms_of("Hello", picture)
    assert sent["image_url"] == "https://media.example/1" + ("?fitted" if fitted else "")


# addresses

ALICE = make_account("threads", ADDRESS, USER, handle="@al.ice_1")
LIVE = make_account("threads", "https://graph.threads.net", USER, handle="@al.ice_1")


@pytest.mark.parametrize(
    ("url", "remote_id"),
    [
        ("https://www.threads.net/@al.ice_1/post/DAbc-_9", "url:DAbc-_9"),
        ("https://threads.net/@al.ice_1/post/DAbc", "url:DAbc"),
        ("https://www.threads.com/@AL.ICE_1/post/DAbc/?x=1#y", "url:DAbc"),
        (" https://threads.com/@al.ice_1/post/DAbc ", "url:DAbc"),
        ("https://www.threads.com/@bob/post/DAbc", None),
        ("https://www.threads.com/@al.ice_1/post/", None),
        ("https://www.threads.com/@al.ice_1", None),
        ("https://www.threads.com/t/DAbc", None),
        ("https://elsewhere.example/@al.ice_1/post/DAbc", None),
        ("https://threads.com.evil.example/@al.ice_1/post/DAbc", None),
        ("ftp://www.threads.com/@al.ice_1/post/DAbc", None),
        ("https://[x/@al.ice_1/post/DAbc", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_id_in_an_address(url: str, remote_id: str | None) -> None:
    assert THREADS.remote_id_in(url, ALICE) == remote_id
    assert THREADS.remote_id_in(url, LIVE) == remote_id


def test_a_post_of_a_sandbox_has_an_address_there() -> None:
    assert THREADS.remote_id_in(f"{ADDRESS}/@al.ice_1/post/DAbc", ALICE) == "url:DAbc"
    assert THREADS.remote_id_in(f"{ADDRESS}/@al.ice_1/post/DAbc", LIVE) is None
    assert THREADS.remote_id_in("http://127.0.0.1:9000/elsewhere/@al.ice_1/post/DAbc", ALICE) is None


# deleting


async def test_a_post_is_deleted() -> None:
    peer = Peer(THREADS, answers={"DELETE /9": answered({"success": True, "deleted_id": "9"})})
    assert await THREADS.remove(ALICE, CREDENTIAL, "9", peer.outgoing) is True
    assert peer.asked[0].headers["Authorization"].startswith("Bearer ")


async def test_deleting_needs_its_own_permission() -> None:
    with pytest.raises(Disconnected):
        await THREADS.remove(ALICE, CREDENTIAL, "9", Peer(THREADS, answers={"DELETE /9": refused(10)}).outgoing)
    with pytest.raises(Unreachable):
        await THREADS.remove(ALICE, CREDENTIAL, "9", Peer(THREADS).outgoing)


# where it speaks to


async def test_the_live_platform_is_spoken_to_where_nothing_else_is_set() -> None:
    assert (Threads().address, Threads().version) == ("https://graph.threads.net", "v1.0")
    peer = Peer(THREADS)
    await drive(THREADS, parcel_of(THREADS), peer)
    assert peer.asked[0].url == f"{ADDRESS}/v1.0/{USER}/threads"
    elsewhere = replace(parcel_of(THREADS), account=replace(ALICE, host="http://elsewhere"))
    with pytest.raises(Unreachable):
        await drive(THREADS, elsewhere, peer)
    assert peer.asked[-1].url == f"http://elsewhere/v1.0/{USER}/threads"
