"""Drafts whatever breaks between two calls: made once, found again, and never made anew where one may be live."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hayon.errors import (
    LeaseLost,
    NotYet,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from hayon.platforms.contract import Found
from tests.platforms.parcels import Checkpoints
from tests.platforms.tumblr.scripted import (
    ADAPTER,
    CREATE,
    DRAFTS,
    EDIT,
    FETCH,
    LISTING,
    LOST,
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


class Doomed(Checkpoints):
    """Dies while saving the nth checkpoint: before it is stored, or after."""

    def __init__(self, nth: int, *, stored: bool) -> None:
        super().__init__()
        self.left, self.stored = nth, stored

    async def __call__(self, checkpoint: Mapping[str, Any]) -> None:
        self.left -= 1
        if self.left == 0 and not self.stored:
            raise LeaseLost("killed")
        await super().__call__(checkpoint)
        if self.left == 0:
            raise LeaseLost("killed")


@pytest.mark.parametrize("kind", ["text", "picture", "video"])
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_killed_at_any_checkpoint_the_next_one_goes_on(kind: str, stored: bool, nth: int) -> None:
    pictures = {"text": [], "picture": [make_picture()], "video": [VIDEO, make_picture()]}[kind]
    blog, saved = Blog(names={"david": "t:david"}), Doomed(nth, stored=stored)
    parcel = parcel_of("Hello @david", pictures=pictures)
    handles = None
    for _ in range(6):
        try:
            handles = await prepare(blog, parcel, saved)
            break
        except LeaseLost:
            pass
        except NotYet:
            blog.finish_video()
    assert handles is not None
    again = await prepare(blog, parcel, saved)
    assert again == handles
    assert len(blog.posts) == 1
    await publish(blog, parcel, handles)
    (post,) = blog.posts
    assert post["state"] == "published"
    assert "t:david" in json.dumps(post["content"])


@pytest.mark.parametrize("kind", ["text", "picture", "video"])
@pytest.mark.parametrize(
    "lost", [LOST, unreachable(), PAGE, refused(504), refused(500, 8006), answered({"no": "id"}, 201)]
)
async def test_a_lost_answer_makes_no_second_draft(kind: str, lost: Fault) -> None:
    pictures = {"text": [], "picture": [make_picture()], "video": [VIDEO]}[kind]
    blog, saved, parcel = Blog(after={CREATE: [lost]}), Checkpoints(), parcel_of("Hello", pictures=pictures)
    with pytest.raises((Unavailable, Unreachable)) as raised:
        await prepare(blog, parcel, saved)
    assert not isinstance(raised.value, Unconfirmed)
    assert not raised.value.proves_absence or isinstance(lost, Unreachable)
    if kind == "video":
        blog.finish_video()
    handles = await prepare(blog, parcel, saved)
    assert len(blog.posts) == 1
    assert blog.calls.count(CREATE) == 1
    assert handles["draftId"] == blog.posts[0]["id_string"]
    await publish(blog, parcel, handles)
    assert len(blog.posts) == len(blog.live) == 1


async def test_a_call_that_never_arrived_is_made_again() -> None:
    blog, saved, parcel = Blog(before={CREATE: [LOST]}), Checkpoints(), parcel_of("Hello")
    with pytest.raises(Unavailable):
        await prepare(blog, parcel, saved)
    await prepare(blog, parcel, saved)
    assert blog.calls == [CREATE, DRAFTS, CREATE]
    assert len(blog.posts) == 1


async def test_drafts_are_paged_back_and_others_are_left_alone() -> None:
    blog, saved, parcel = Blog(after={CREATE: [LOST]}), Checkpoints(), parcel_of("Hello")
    with pytest.raises(Unavailable):
        await prepare(blog, parcel, saved)
    ours = blog.posts[0]["id_string"]
    for number in range(45):
        blog.add("draft", slug=f"hayon-{number:016x}")
    handles = await prepare(blog, parcel, saved)
    assert handles["draftId"] == ours
    assert blog.calls[1:4] == [DRAFTS] * 3
    assert [request.query.get("before_id") for request in blog.asked[1:4]] == [
        None, blog.posts[19]["id_string"], blog.posts[39]["id_string"]]  # fmt: skip


async def test_a_look_through_the_drafts_ends() -> None:
    blog = Blog()
    for _ in range(130):
        blog.add("draft")
    await prepare(blog, parcel_of(checkpoint={"creating": True}), Checkpoints())
    assert blog.calls == [DRAFTS] * 5 + [CREATE]


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_draft_with_other_words_is_never_taken_for_this_one(arrived: bool) -> None:
    """An edit begins with an empty checkpoint, under the same key: the older draft stays behind, unseen."""
    blog = Blog()
    first = parcel_of("Old words", pictures=[make_picture()])
    await prepare(blog, first, Checkpoints())
    content = replace(first.content, text="New words")
    second, saved = replace(first, content=content), Checkpoints()
    (blog.after if arrived else blog.before)[CREATE] = [LOST]
    with pytest.raises(Unavailable):
        await prepare(blog, second, saved)
    handles = await prepare(blog, second, saved)
    assert len(blog.posts) == 2
    assert handles["draftId"] == blog.posts[0]["id_string"]
    await publish(blog, second, handles)
    (post,) = blog.live
    assert post["content"][1]["text"] == "New words"
    assert post["content"][0]["media"][0]["media_key"] == "key-1"


async def test_targets_with_the_same_words_have_drafts_of_their_own() -> None:
    blog, one, other = Blog(), parcel_of("Same"), parcel_of("Same")
    assert (await prepare(blog, one, Checkpoints()))["slug"] != (await prepare(blog, other, Checkpoints()))["slug"]


# video


async def test_a_video_is_waited_for_and_found_under_its_new_number() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Film", pictures=[VIDEO])
    for expected in ([CREATE], [FETCH], [FETCH]):
        blog.calls.clear()
        with pytest.raises(NotYet) as raised:
            await prepare(blog, parcel, saved)
        assert raised.value.wait_seconds == 30
        assert blog.calls == expected
    first = blog.posts[0]["id_string"]
    blog.finish_video()
    blog.calls.clear()
    handles = await prepare(blog, parcel, saved)
    assert blog.calls == [FETCH, DRAFTS, FETCH]
    second = blog.posts[0]["id_string"]
    assert (handles["draftId"], handles["draftIds"]) == (second, [first, second])
    await publish(blog, parcel, handles)
    assert len(blog.posts) == 1


async def test_a_video_that_is_between_two_numbers_is_waited_for_and_then_given_up() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Film", pictures=[VIDEO])
    with pytest.raises(NotYet):
        await prepare(blog, parcel, saved)
    blog.finish_video(drop=True)
    with pytest.raises(NotYet):
        await prepare(blog, replace(parcel, now=parcel.now + timedelta(minutes=59)), saved)
    assert blog.calls == [CREATE, FETCH, DRAFTS]
    late = replace(parcel, now=parcel.now + timedelta(minutes=61))
    with pytest.raises(Rejected, match="Export the video anew"):
        await prepare(blog, late, saved)
    assert saved.last == {"givenUp": 1}
    with pytest.raises(NotYet):  # a person's retry begins anew
        await prepare(blog, late, saved)
    assert blog.calls.count(CREATE) == 2


async def test_another_video_at_work_is_waited_for_and_a_full_day_too() -> None:
    blog, saved, parcel = (
        Blog(before={CREATE: [refused(403, 8010), refused(403, 8011)]}),
        Checkpoints(),
        parcel_of("Film"),
    )
    with pytest.raises(NotYet) as waiting:
        await prepare(blog, parcel, saved)
    assert waiting.value.wait_seconds >= 60
    with pytest.raises(RateLimited) as limited:
        await prepare(blog, parcel, saved)
    assert limited.value.until is not None
    assert limited.value.until > parcel.now + timedelta(hours=1)
    await prepare(blog, parcel, saved)
    assert len(blog.posts) == 1


# drafts that are gone


async def test_a_draft_that_was_deleted_is_made_anew_while_nothing_was_sent() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Hello", pictures=[make_picture()])
    first = await prepare(blog, parcel, saved)
    blog.posts.clear()
    blog.calls.clear()
    second = await prepare(blog, parcel, saved)
    assert blog.calls == [FETCH, DRAFTS, LISTING, CREATE, FETCH]
    assert first["draftId"] != second["draftId"]
    assert first["slug"] != second["slug"]
    assert second["draftIds"] == [second["draftId"]]
    await publish(blog, parcel, second)
    assert len(blog.posts) == 1


@pytest.mark.parametrize("listed", [True, False])
async def test_once_a_call_was_made_a_missing_draft_is_never_made_anew(listed: bool) -> None:
    """It may be live under another number; the same call again is refused, and a look finds the post."""
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Hello", pictures=[make_picture()])
    handles = await prepare(blog, parcel, saved)
    blog.after[EDIT] = [LOST]
    with pytest.raises(Unconfirmed):
        await publish(blog, parcel, handles)
    blog.add("draft", slug=handles["slug"])  # a stray one from an earlier lost answer
    blog.lists_posts = listed
    again = replace(parcel, first_sent_at=parcel.now)
    blog.calls.clear()
    assert await prepare(blog, again, saved) == handles
    assert blog.calls == [FETCH]
    with pytest.raises(Unconfirmed) as raised:
        await publish(blog, again, handles)
    assert not raised.value.proves_absence
    assert len(blog.live) == 1
    assert isinstance(await ADAPTER.reconcile(again, handles, blog.outgoing), Found) is listed


async def test_a_draft_still_there_after_a_call_is_used_again() -> None:
    blog, saved, parcel = Blog(before={EDIT: [LOST]}), Checkpoints(), parcel_of("Hello", pictures=[make_picture()])
    handles = await prepare(blog, parcel, saved)
    with pytest.raises(Unconfirmed):
        await publish(blog, parcel, handles)
    again = replace(parcel, first_sent_at=parcel.now)
    assert await prepare(blog, again, saved) == handles
    await publish(blog, again, handles)
    assert len(blog.posts) == len(blog.live) == 1


async def test_a_draft_that_somebody_published_by_hand_is_not_doubled() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Hello")
    await prepare(blog, parcel, saved)
    (draft,) = blog.posts
    blog.posts.clear()
    blog.add("published", genesis_post_id=draft["id_string"])
    for _ in range(2):  # also where a person tries again
        with pytest.raises(Rejected, match=blog.posts[0]["post_url"]):
            await prepare(blog, parcel, saved)
    assert len(blog.posts) == 1


async def test_a_draft_whose_pictures_were_taken_out_is_not_published_without_them() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Two", pictures=[make_picture(), make_picture("red")])
    await prepare(blog, parcel, saved)
    del blog.posts[0]["content"][0]
    with pytest.raises(Rejected, match="does not hold the pictures"):
        await prepare(blog, parcel, saved)
    handles = await prepare(blog, parcel, saved)
    assert len(handles["fields"]["content"]) == 3


@pytest.mark.parametrize("content", [None, [], "x", [{"type": "image"}], [{"type": "image", "media": []}],
                                     [{"type": "video", "media": {"url": "x"}}], [7]])  # fmt: skip
async def test_a_draft_may_come_back_misshapen(content: Any) -> None:
    blog, parcel = Blog(), parcel_of("One", pictures=[make_picture()])
    blog.after[FETCH] = [answered({"id": "1", "state": "draft", "content": content})]
    with pytest.raises(Rejected):
        await prepare(blog, parcel, Checkpoints())


async def test_the_first_number_of_a_video_is_learnt_where_its_answer_was_lost() -> None:
    """The post may name that one as its genesis, and a look has to know it."""
    blog, saved, parcel = Blog(after={CREATE: [LOST]}), Checkpoints(), parcel_of("Film", pictures=[VIDEO])
    with pytest.raises(Unavailable):
        await prepare(blog, parcel, saved)
    first = blog.posts[0]["id_string"]
    blog.finish_video()
    handles = await prepare(blog, parcel, saved)
    assert (handles["draftId"], handles["draftIds"]) == (
        blog.posts[0]["id_string"],
        [first, blog.posts[0]["id_string"]],
    )


async def test_a_video_may_be_at_work_though_its_answer_did_not_say_so() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Film", pictures=[VIDEO])
    blog.after[CREATE] = [answered({"id": "1"}, 201)]  # an answer that does not say that it is at work
    blog.before[FETCH] = [answered({"id": "1", "state": "transcoding"})]
    for _ in range(2):  # first told, then nowhere
        with pytest.raises(NotYet):
            await prepare(blog, parcel, saved)
    assert blog.calls.count(CREATE) == 1


async def test_a_draft_that_is_listed_but_not_shown_is_waited_for() -> None:
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("Hello")
    await prepare(blog, parcel, saved)
    blog.before[FETCH] = [refused(404), refused(404)]
    with pytest.raises(NotYet):
        await prepare(blog, parcel, saved)
    handles = await prepare(blog, parcel, saved)
    assert handles["draftIds"] == [blog.posts[0]["id_string"]]
    assert len(blog.posts) == 1


async def test_after_a_call_what_was_stored_first_is_sent_again_whatever_became_of_the_draft() -> None:
    blog, saved, parcel = Blog(before={EDIT: [LOST]}), Checkpoints(), parcel_of("Two", pictures=[make_picture()])
    handles = await prepare(blog, parcel, saved)
    with pytest.raises(Unconfirmed):
        await publish(blog, parcel, handles)
    blog.posts[0]["content"] = []
    assert await prepare(blog, replace(parcel, first_sent_at=parcel.now), saved) == handles


async def test_a_link_may_come_back_as_something_else() -> None:
    """A link to a video site is stored as a video block; that is no file of ours."""
    blog, saved, parcel = Blog(), Checkpoints(), parcel_of("See https://video.example/x")
    handles = await prepare(blog, parcel, saved)
    blog.posts[0]["content"][1] = {"type": "video", "provider": "elsewhere", "url": "https://video.example/x"}
    assert await prepare(blog, parcel, saved) == handles
