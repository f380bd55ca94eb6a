"""Reconcile: the container is asked, then the list; what is found, absent or unclear, in every combination of the two."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.domain.model import Receipt
from hayon.errors import Disconnected, PlatformError, RateLimited, Rejected, Unavailable, Unreachable
from hayon.platforms.contract import Absent, Found, Unclear
from hayon.platforms.instagram import Instagram
from hayon.platforms.meta.containers import Containers
from hayon.platforms.threads import Threads
from tests.platforms.meta.scripted import (
    ADDRESS,
    FACES,
    INSTAGRAM,
    SENT,
    THREADS,
    Peer,
    answered,
    drive,
    film,
    image,
    look_at,
    parcel_of,
    post,
    refused,
)  # fmt: skip
from tests.platforms.parcels import NOW

BOTH = pytest.mark.parametrize("face", FACES.values(), ids=FACES)
EAGER = pytest.mark.parametrize("face", [Threads(ADDRESS, resend=True), Instagram(ADDRESS, resend=True)], ids=FACES)
MINUTE = timedelta(minutes=1)
NAMELESS = "container:c1"
WAITING = ["FINISHED", "IN_PROGRESS"]
DEAD = ["ERROR", "EXPIRED", refused(24, 2207008)]


# published


@BOTH
async def test_published_and_one_like_it_is_that_one(face: Containers) -> None:
    found, peer = await look_at(face, "PUBLISHED", post(9))
    assert found == Found(Receipt("9", "https://www.threads.com/@alice/post/P9", SENT), exact=True)
    assert peer.calls == ["GET /c1", f"GET /17841400000000001/{face.making}"]
    assert peer.asked[0].query == {"fields": ",".join(face.status_fields)}
    assert set(peer.asked[1].query["fields"].split(",")) == {
        "id",
        "media_type",
        "timestamp",
        "permalink",
        face.text_field,
    }


@BOTH
@pytest.mark.parametrize("posts", [[], [post(8), post(9)]], ids=["none", "two"])
async def test_published_is_found_without_an_address_where_the_list_does_not_tell(
    face: Containers, posts: list[Any]
) -> None:
    found, _ = await look_at(face, "PUBLISHED", *posts)
    assert found == Found(Receipt(NAMELESS, None, SENT + 5 * MINUTE), exact=True)


@BOTH
async def test_published_without_words_is_not_looked_for_in_the_list(face: Containers) -> None:
    found, peer = await look_at(face, "PUBLISHED", post(9, text="", caption=""), text=" \n")
    assert isinstance(found, Found)
    assert found.receipt.remote_id == NAMELESS
    assert peer.calls == ["GET /c1"]


@BOTH
@pytest.mark.parametrize("answer", [refused(10), refused(100)])
async def test_published_is_found_where_the_list_is_closed_to_us(face: Containers, answer: Any) -> None:
    found, _ = await look_at(face, "PUBLISHED", listing=answer)
    assert found == Found(Receipt(NAMELESS, None, SENT + 5 * MINUTE), exact=True)


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"), [(refused(2), Unavailable), (refused(4), RateLimited), (answered("<html>", 502), Unavailable)]
)
async def test_published_is_asked_again_where_the_list_fails_for_now(
    face: Containers, answer: Any, error: type[PlatformError]
) -> None:
    with pytest.raises(error):
        await look_at(face, "PUBLISHED", listing=answer)


# not published, as far as it says


@BOTH
@pytest.mark.parametrize("status", [*WAITING, *DEAD])
async def test_one_like_it_is_adopted_by_likeness(face: Containers, status: Any) -> None:
    found, _ = await look_at(face, status, post(9), post(8, text="Other", caption="Other"))
    assert found == Found(Receipt("9", "https://www.threads.com/@alice/post/P9", SENT), exact=False)


@BOTH
@pytest.mark.parametrize("status", [*WAITING, *DEAD])
@pytest.mark.parametrize("posts", [[], [post(8), post(9)]], ids=["none", "two"])
async def test_none_or_several_like_it_prove_nothing(face: Containers, status: Any, posts: list[Any]) -> None:
    found, _ = await look_at(face, status, *posts)
    assert isinstance(found, Unclear)
    assert f"{len(posts)} posts" in found.message


@EAGER
async def test_the_policy_to_send_again_holds_for_a_finished_container_that_nothing_is_like(face: Containers) -> None:
    found, _ = await look_at(face, "FINISHED")
    assert isinstance(found, Absent)


@EAGER
@pytest.mark.parametrize("status", ["IN_PROGRESS", *DEAD])
async def test_the_policy_holds_for_no_other_status(face: Containers, status: Any) -> None:
    found, _ = await look_at(face, status)
    assert isinstance(found, Unclear)


@EAGER
async def test_the_policy_sends_again_once(face: Containers) -> None:
    found, _ = await look_at(face, "FINISHED", again=(SENT + MINUTE).isoformat())
    assert isinstance(found, Unclear)


@EAGER
async def test_the_policy_wants_to_have_seen_the_whole_list_and_words_to_look_for(face: Containers) -> None:
    other = post(8, text="Other", caption="Other")
    endless = answered({"data": [other], "paging": {"cursors": {"after": "a"}}})
    assert isinstance((await look_at(face, "FINISHED", listing=endless))[0], Unclear)
    assert isinstance((await look_at(face, "FINISHED", text=""))[0], Unclear)
    assert isinstance((await look_at(face, "FINISHED", post(8), post(9)))[0], Unclear)


@BOTH
async def test_the_only_one_in_half_a_list_may_not_be_the_only_one(face: Containers) -> None:
    cursor = {"paging": {"cursors": {"after": "a"}}}
    others = [answered({"data": [post(8, text="Other", caption="Other")], **cursor}) for _ in range(4)]
    found, _ = await look_at(face, "FINISHED", listing=[answered({"data": [post(9)], **cursor}), *others])
    assert isinstance(found, Unclear)


# what is like it


@BOTH
@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({}, True),
        ({"media_type": "VIDEO"}, False),
        ({"media_type": None}, False),
        ({"at": NOW - 4 * MINUTE}, True),
        ({"at": NOW - 6 * MINUTE}, False),
        ({"at": SENT + 14 * MINUTE}, True),
        ({"at": SENT + 16 * MINUTE}, False),
        ({"text": " Hello\n", "caption": " Hello\n"}, True),
        ({"text": "hello", "caption": "hello"}, False),
        ({"text": "Hello you", "caption": "Hello you"}, False),
        ({"text": None, "caption": None}, False),
        ({"permalink": None}, True),
    ],
)
async def test_what_makes_a_post_like_ours(face: Containers, changes: dict[str, Any], alike: bool) -> None:
    found, _ = await look_at(face, "FINISHED", post(9, **changes))
    assert isinstance(found, Found) is alike


@BOTH
@pytest.mark.parametrize(("ours", "theirs"), [("a  b\r\nc", "a b\nc"), ("cafe\u0301", "caf\u00e9")])
async def test_spaces_and_accents_may_be_written_in_another_way(face: Containers, ours: str, theirs: str) -> None:
    found, _ = await look_at(face, "FINISHED", post(9, text=theirs, caption=theirs), text=ours)
    assert isinstance(found, Found)


@pytest.mark.parametrize(("face", "alike"), [(THREADS, True), (INSTAGRAM, False)])
async def test_threads_alone_leaves_out_the_sign_of_a_tag(face: Containers, alike: bool) -> None:
    found, _ = await look_at(
        face, "FINISHED", post(9, text="On cats and #dogs", caption="On cats and #dogs"), text="On #cats and #dogs"
    )
    assert isinstance(found, Found) is alike


@BOTH
async def test_a_second_call_widens_the_time(face: Containers) -> None:
    late = post(9, at=SENT + 60 * MINUTE)
    assert isinstance((await look_at(face, "FINISHED", late))[0], Unclear)
    again = (SENT + 50 * MINUTE).isoformat()
    assert isinstance((await look_at(face, "FINISHED", late, again=again))[0], Found)


# no information


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(100, 33), Unavailable),
        (refused(1), Unavailable),
        (answered("<html>", 503), Unavailable),
        (answered({"id": "c1"}), Unavailable),
        (refused(190), Disconnected),
        (refused(4), RateLimited),
        (Unreachable("no name", host="x"), Unreachable),
    ],
)
async def test_a_container_that_cannot_be_read_tells_nothing(
    face: Containers, answer: Any, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as raised:
        await look_at(face, answer, post(9))
    assert raised.value.proves_absence is False


@BOTH
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(10), Disconnected),
        (refused(100), Rejected),
        (refused(2), Unavailable),
        (Unreachable("x", host="x"), Unreachable),
    ],
)
async def test_a_list_that_cannot_be_read_tells_nothing(
    face: Containers, answer: Any, error: type[PlatformError]
) -> None:
    with pytest.raises(error) as raised:
        await look_at(face, "FINISHED", listing=answer)
    assert raised.value.proves_absence is False


@BOTH
async def test_without_the_time_of_the_call_nothing_can_be_concluded(face: Containers) -> None:
    found, peer = await look_at(face, "PUBLISHED", post(9), first_sent_at=None)
    assert isinstance(found, Unclear)
    assert peer.calls == []


# stories: there are no words to compare


async def look_at_story(face: Containers, status: str, *posts: dict[str, Any]) -> tuple[Any, Peer]:
    peer = Peer(
        face, statuses={"c1": status}, answers={"GET /17841400000000001/stories": answered({"data": list(posts)})}
    )
    handles = {"user": "17841400000000001", "container": "c1", "since": NOW.isoformat(), "text": "", "types": ["IMAGE"],
               "listing": "stories"}  # fmt: skip
    parcel = parcel_of(face, "", now=SENT + 5 * MINUTE, first_sent_at=SENT)
    return await face.reconcile(parcel, handles, peer.outgoing), peer


async def test_a_story_is_told_by_its_time_only_where_its_container_is_published() -> None:
    found, peer = await look_at_story(INSTAGRAM, "PUBLISHED", post(9))
    assert found == Found(Receipt("9", "https://www.threads.com/@alice/post/P9", SENT), exact=True)
    assert "caption" not in peer.asked[1].query["fields"]
    for status in [*WAITING, "ERROR", "EXPIRED"]:
        assert isinstance((await look_at_story(INSTAGRAM, status, post(9)))[0], Unclear)


async def test_of_two_stories_neither_is_taken() -> None:
    found, _ = await look_at_story(INSTAGRAM, "PUBLISHED", post(8), post(9))
    assert found.receipt.remote_id == NAMELESS


# together with preparing


@BOTH
@pytest.mark.parametrize(
    ("pictures", "shown"),
    [([image()], "IMAGE"), ([film()], "VIDEO"), ([image(1), film(2)], "CAROUSEL_ALBUM")],
    ids=["picture", "video", "carousel"],
)
async def test_what_was_prepared_is_found_as_lists_show_it(face: Containers, pictures: list[Any], shown: str) -> None:
    peer = Peer(face)
    ready = await drive(face, parcel_of(face, "Hello", *pictures), peer)
    peer.answers[f"GET /17841400000000001/{face.making}"] = answered(
        {"data": [post(9, at=ready.parcel.now, media_type=shown)]}
    )
    sent = replace(ready.parcel, first_sent_at=ready.parcel.now, doubted=True)
    found = await face.reconcile(sent, ready.handles, peer.outgoing)
    assert isinstance(found, Found)
    assert (found.receipt.remote_id, found.exact) == ("9", False)


async def test_text_alone_is_found_as_threads_lists_it() -> None:
    peer = Peer(THREADS)
    ready = await drive(THREADS, parcel_of(THREADS), peer)
    peer.answers["GET /17841400000000001/threads"] = answered(
        {"data": [post(9, at=ready.parcel.now, media_type="TEXT_POST")]}
    )
    found = await THREADS.reconcile(
        replace(ready.parcel, first_sent_at=ready.parcel.now, doubted=True), ready.handles, peer.outgoing
    )
    assert isinstance(found, Found)
