"""Reconcile: what each state of the draft and of the blog's listing lets us conclude, and that nothing but reading is done."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hayon.errors import Disconnected, PlatformError, RateLimited, Unavailable, Unconfirmed, Unreachable
from hayon.platforms.contract import Absent, Found, Look, Parcel, Unclear
from tests.platforms.parcels import NOW, Checkpoints, OneSend
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    CREATE,
    DIRECT,
    EDIT,
    FETCH,
    LISTING,
    LOST,
    PAGE,
    Blog,
    Fault,
    answered,
    parcel_of,
    refused,
    unreachable,
)

SENT = NOW - timedelta(minutes=10)


async def sent(blog: Blog, *, landed: bool) -> tuple[Parcel, Mapping[str, Any]]:
    """A target whose one call was made ten minutes ago and whose answer was lost; and its handles."""
    parcel = parcel_of("Hello", now=SENT)
    blog.clock = SENT.timestamp()
    handles = await ADAPTER.prepare(parcel, Checkpoints(), blog.outgoing)
    (blog.after if landed else blog.before)[EDIT] = [LOST]
    with pytest.raises(Unconfirmed):
        await ADAPTER.publish(parcel, handles, OneSend(blog.outgoing))
    blog.clock = NOW.timestamp()
    blog.calls.clear()
    blog.asked.clear()
    return replace(parcel, now=NOW, first_sent_at=SENT), handles


async def look(blog: Blog, parcel: Parcel, handles: Mapping[str, Any]) -> Look:
    found = await ADAPTER.reconcile(parcel, handles, blog.outgoing)
    assert {request.method for request in blog.asked} <= {"GET"}
    return found


async def test_a_draft_that_still_stands_was_not_published() -> None:
    blog = Blog()
    assert isinstance(await look(blog, *await sent(blog, landed=False)), Absent)
    assert blog.calls == [FETCH]


async def test_a_post_that_was_our_draft_is_found_exactly() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    ours = blog.live[0]
    for _ in range(45):
        blog.add(content=ours["content"], slug=ours["slug"])  # others that look the same
    found = await look(blog, parcel, handles)
    assert isinstance(found, Found)
    assert found.exact
    assert (found.receipt.remote_id, found.receipt.url) == (ours["id_string"], ours["post_url"])
    assert found.receipt.published_at == SENT.replace(microsecond=0)
    assert blog.calls == [FETCH, LISTING, LISTING, LISTING]
    assert [request.query["offset"] for request in blog.asked[1:]] == ["0", "20", "40"]


@pytest.mark.parametrize("state", ["published", "private"])
async def test_a_post_that_kept_its_number_is_found_exactly(state: str) -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=False)
    blog.posts[0]["state"] = state
    found = await look(blog, parcel, handles)
    assert isinstance(found, Found)
    assert (found.exact, found.receipt.remote_id) == (True, handles["draftId"])


async def test_the_first_number_of_a_video_counts_as_well() -> None:
    """After transcoding the draft has a second number; which of them a post names as its first is not documented."""
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    first, second = "600", blog.live[0]["genesis_post_id"]
    blog.live[0]["genesis_post_id"] = first
    assert isinstance(await look(blog, parcel, {**handles, "draftIds": [second]}), Unclear)
    assert isinstance(await look(blog, parcel, {**handles, "draftIds": [first, second]}), Found)


@pytest.mark.parametrize("state", ["transcoding", "queued", "unapproved", None])
async def test_any_other_state_is_unclear(state: str | None) -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=False)
    blog.posts[0]["state"] = state
    assert isinstance(await look(blog, parcel, handles), Unclear)


async def test_a_post_that_is_not_listed_yet_is_unclear_and_never_absent() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    blog.lists_posts = False
    assert isinstance(await look(blog, parcel, handles), Unclear)


async def test_a_private_post_that_is_not_listed_is_unclear() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    blog.live[0]["state"] = "private"
    assert isinstance(await look(blog, parcel, handles), Unclear)


async def test_another_post_with_the_same_words_is_not_taken_for_ours() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=False)
    draft = blog.posts.pop()
    blog.add(content=draft["content"], slug=handles["fields"]["slug"])
    found = await look(blog, parcel, handles)
    assert isinstance(found, Unclear)
    assert "deleted" in found.message


async def test_the_listing_is_followed_until_it_is_older_than_the_call_but_no_further() -> None:
    blog = Blog()
    blog.clock = (SENT - timedelta(minutes=6)).timestamp()
    for _ in range(50):
        blog.add()
    parcel, handles = await sent(blog, landed=False)
    blog.posts = [post for post in blog.posts if post["state"] != "draft"]
    assert isinstance(await look(blog, parcel, handles), Unclear)
    assert blog.calls == [FETCH, LISTING]
    blog.calls.clear()
    for post in blog.posts:
        post["timestamp"] = int(NOW.timestamp())
    pinned = blog.posts[0]  # a pinned post comes first however old it is
    pinned["timestamp"] = 0
    await look(blog, parcel, handles)
    assert blog.calls == [FETCH, LISTING, LISTING, LISTING, LISTING]


async def test_a_busy_blog_is_not_followed_for_ever() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    for _ in range(100):
        blog.add()
    found = await look(blog, parcel, handles)
    assert isinstance(found, Unclear)
    assert "more posts" in found.message
    assert blog.calls == [FETCH, *[LISTING] * 5]


async def test_a_listed_post_may_lack_what_is_not_needed() -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    post = blog.live[0]
    post |= {"post_url": None, "timestamp": "then"}
    found = await look(blog, parcel, handles)
    assert isinstance(found, Found)
    assert (found.receipt.url, found.receipt.published_at) == (None, NOW)
    post |= {"timestamp": 10**30}
    assert isinstance(await look(blog, parcel, handles), Found)
    del post["id_string"]
    assert isinstance(await look(blog, parcel, handles), Found)
    post["id"] = None
    assert isinstance(await look(blog, parcel, handles), Unclear)


@pytest.mark.parametrize("call", [FETCH, LISTING])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(401), Disconnected),
        (refused(403), Disconnected),
        (refused(429), RateLimited),
        (refused(500), Unavailable),
        (PAGE, Unavailable),
        (answered("<html>", 404), Unavailable),
        (answered("<html>"), Unavailable),
        (LOST, Unavailable),
        (unreachable(), Unreachable),
    ],
)
async def test_an_answer_that_cannot_be_read_concludes_nothing(
    call: str, answer: Fault, error: type[PlatformError]
) -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    blog.before[call] = [answer]
    with pytest.raises(error) as raised:
        await look(blog, parcel, handles)
    assert not raised.value.proves_absence
    assert not isinstance(raised.value, Unconfirmed)


@pytest.mark.parametrize("listing", [{}, {"posts": None}, {"posts": {}}, {"posts": [1]}])
async def test_a_misshapen_listing_concludes_nothing(listing: Any) -> None:
    blog = Blog()
    parcel, handles = await sent(blog, landed=True)
    blog.before[LISTING] = [answered(listing)]
    with pytest.raises(Unavailable):
        await look(blog, parcel, handles)


# the direct way


async def sent_directly(blog: Blog, *, landed: bool) -> tuple[Parcel, Mapping[str, Any]]:
    parcel = parcel_of("Hello", now=SENT)
    blog.clock = SENT.timestamp()
    handles = await DIRECT.prepare(parcel, Checkpoints(), blog.outgoing)
    (blog.after if landed else blog.before)[CREATE] = [LOST]
    with pytest.raises(Unconfirmed):
        await DIRECT.publish(parcel, handles, OneSend(blog.outgoing))
    blog.calls.clear()
    blog.asked.clear()
    return replace(parcel, now=NOW, first_sent_at=SENT), handles


async def test_directly_a_post_is_found_by_its_slug() -> None:
    blog = Blog()
    parcel, handles = await sent_directly(blog, landed=True)
    ours = blog.live[0]
    blog.add(content=ours["content"])
    found = await look(blog, parcel, handles)
    assert isinstance(found, Found)
    assert (found.exact, found.receipt.remote_id, blog.calls) == (True, ours["id_string"], [LISTING])


async def test_directly_what_is_not_listed_is_absent_only_where_all_was_seen_and_never_settles() -> None:
    blog = Blog()
    parcel, handles = await sent_directly(blog, landed=False)
    blog.add(slug="hayon-0000000000000000")
    assert isinstance(await look(blog, parcel, handles), Absent)
    assert DIRECT.settles(handles) is None
    for _ in range(100):
        blog.add()
    assert isinstance(await look(blog, parcel, handles), Unclear)
    assert isinstance(await look(blog, replace(parcel, first_sent_at=None), handles), Unclear)


async def test_either_adapter_settles_what_the_other_one_sent() -> None:
    """The setting may change between the call and the look: the handles say which way it went."""
    blog = Blog()
    assert isinstance(await DIRECT.reconcile(*await sent(blog, landed=True), blog.outgoing), Found)
    blog = Blog()
    parcel, handles = await sent_directly(blog, landed=True)
    found = await ADAPTER.reconcile(parcel, handles, blog.outgoing)
    assert isinstance(found, Found)
    assert found.receipt.published_at == datetime.fromtimestamp(int(SENT.timestamp()), UTC)
