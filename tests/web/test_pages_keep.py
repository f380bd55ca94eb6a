"""What is written is kept by itself: one form makes one draft and one post, whatever gets lost on the way; no words are lost."""

import asyncio
from typing import Any

import aiohttp

from tests.web.house import Answer, House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages_compose import composer, latest
from tests.web.test_pages_drafts import stored
from tests.web.test_posts import later, make


async def keep(visitor: Visitor, given: dict[str, Any]) -> Answer:
    return await visitor.post("/compose/keep", data=given)


async def posts_of(visitor: Visitor) -> list[Any]:
    posts: list[Any] = (await visitor.get("/api/posts")).json["posts"]
    return posts


async def test_the_first_keep_makes_a_draft_and_the_next_ones_change_it(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "One"}
    first = (await keep(ada, given)).json
    post = await stored(ada, first["postId"])
    assert (post["status"], post["content"]["text"], first["version"], first["unkept"]) == ("DRAFT", "One", 1, [])
    assert first["savedAt"] == post["updatedAt"]
    given |= {"text": "Two", "postId": first["postId"], "version": str(first["version"])}
    second = (await keep(ada, given)).json
    assert (second["postId"], second["version"]) == (first["postId"], 2)
    emptied = (await keep(ada, given | {"text": "", "version": "2"})).json
    assert emptied["version"] == 3
    (post,) = await posts_of(ada)
    assert post["content"]["text"] == ""


async def test_nothing_written_is_nothing_kept(ada: Visitor) -> None:
    given = await composer(ada)
    for nothing in ({}, {"text": " \n"}, {"scheduledAt": "2030-05-28T02:30"}, {"text-bluesky": "not ticked"}, {"option-bluesky-tags": " , "}):  # fmt: skip
        answer = await keep(ada, given | nothing)
        assert (answer.status, answer.body) == (204, b"")
    assert await posts_of(ada) == []
    media_id = await upload(ada, picture())
    for number, something in enumerate((
        {"mediaId": media_id}, {"differs": "bluesky", "text-bluesky": "ticked"}, {"option-bluesky-tags": "a"},
    )):  # fmt: skip
        assert (await keep(ada, given | something | {"key": f"another-{number}"})).status == 200
    assert len(await posts_of(ada)) == 3


async def test_two_keeps_at_the_same_moment_make_one_draft(ada: Visitor) -> None:
    given = await composer(ada)
    answers = await asyncio.gather(*(keep(ada, given | {"text": f"Words {number}"}) for number in range(6)))
    assert {one.status for one in answers} <= {200, 409}
    assert len({one.json["postId"] for one in answers if one.status == 200}) == 1
    assert len(await posts_of(ada)) == 1


async def test_what_was_kept_is_what_goes_out(ada: Visitor) -> None:
    """Also where the page never learned what the first keep had made: one form, one post."""
    given = await composer(ada) | {"text": "One"}
    first = (await keep(ada, given)).json
    assert (await ada.post("/compose", data=given | {"text": "Out", "do": "publish"})).status == 303
    (post,) = await posts_of(ada)
    assert (post["postId"], post["status"], post["content"]["text"]) == (first["postId"], "PENDING", "Out")
    for words in ("Too late", "One"):
        late = await keep(ada, given | {"text": words})
        assert (late.status, "handed in before" in late.json["message"]) == (409, True)
    named = await keep(ada, given | {"text": "Too late", "postId": first["postId"], "version": "1"})
    assert (named.status, "handed in meanwhile" in named.json["message"]) == (409, True)
    again = await ada.post("/compose", data=given | {"text": "Twice", "do": "publish"})
    assert (again.status, "You have sent this form before" in again.text) == (409, True)
    assert [one["content"]["text"] for one in await posts_of(ada)] == ["Out"]


async def test_publishing_from_the_form_that_knows_its_draft(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "One"}
    kept = (await keep(ada, given)).json
    given |= {"postId": kept["postId"], "version": str(kept["version"]), "text": "Out", "do": "publish"}
    assert (await ada.post("/compose", data=given)).headers["Location"] == "/?told=submit"
    (post,) = await posts_of(ada)
    assert (post["postId"], post["status"], post["content"]["text"]) == (kept["postId"], "PENDING", "Out")


async def test_the_first_words_written_again_are_kept_again(ada: Visitor) -> None:
    """A replay of the first keep would answer that they are, while the draft holds others."""
    given = await composer(ada)
    for words in ("One", "Two", "One"):
        assert (await keep(ada, given | {"text": words})).status == 200
        assert (await latest(ada))["content"]["text"] == words
    assert (await latest(ada))["version"] == 3


async def test_a_draft_that_was_changed_elsewhere_is_not_overwritten(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "One"}
    kept = (await keep(ada, given)).json
    given |= {"postId": kept["postId"], "version": "1"}
    assert (await keep(ada, given | {"text": "Theirs"})).json["version"] == 2
    refused = await keep(ada, given | {"text": "Mine"})
    assert (refused.status, "changed in another place" in refused.json["message"]) == (409, True)
    assert (await latest(ada))["content"]["text"] == "Theirs"
    await ada.ask("DELETE", f"/api/posts/{kept['postId']}")
    gone = await keep(ada, given | {"text": "Mine"})
    assert (gone.status, "deleted" in gone.json["message"]) == (404, True)
    # and where the page never learned of the draft that was deleted
    unknown = await keep(ada, given | {"text": "One", "postId": "", "version": ""})
    assert unknown.status == 409
    assert await posts_of(ada) == []


async def test_what_is_planned_changes_only_by_a_button(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    given = await composer(ada, f"/posts/{post_id}/edit") | {"text": "By itself"}
    refused = await keep(ada, given)
    assert (refused.status, "handed in meanwhile" in refused.json["message"]) == (409, True)
    assert (await stored(ada, post_id))["version"] == 1


async def test_words_are_kept_without_the_time_or_the_account_that_is_wrong(ada: Visitor) -> None:
    skipped = {"scheduledAt": "2027-03-28T02:30", "timezone": "Europe/Berlin"}
    nobody = "00000000-0000-4000-8000-000000000000"
    given = await composer(ada) | {"text": "Words"} | skipped | {"accountIds": nobody}
    told = (await keep(ada, given)).json
    assert "does not exist in Europe/Berlin" in told["unkept"][0]
    assert "no such account" in told["unkept"][1]
    post = await stored(ada, told["postId"])
    assert (post["content"]["text"], post["scheduledAt"], post["accountIds"]) == ("Words", None, [])
    planned = {"postId": told["postId"], "version": "1"} | skipped
    given.pop("accountIds")
    good = (await keep(ada, given | planned | {"scheduledAt": "2030-05-28T02:30"})).json
    assert good["unkept"] == []
    bad = (
        await keep(ada, given | planned | {"version": str(good["version"]), "text": "More", "timezone": "Mars"})
    ).json
    assert len(bad["unkept"]) == 1
    post = await stored(ada, told["postId"])
    assert (post["content"]["text"], post["timezone"], post["scheduledAt"]) == (
        "More", "Europe/Berlin", "2030-05-28T00:30:00.000Z",
    )  # fmt: skip


async def test_what_cannot_be_kept_says_why(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "Words", "mediaId": "00000000-0000-4000-8000-000000000000"}
    refused = await keep(ada, given)
    assert (refused.status, refused.json["message"]) == (422, "There is no such media; upload it first.")
    assert (await keep(ada, given | {"text": "\x00"})).status == 422
    assert await posts_of(ada) == []


async def test_long_words_have_room_as_scripts_send_them(ada: Visitor) -> None:
    given = await composer(ada) | {"text": "🪁" * 99_000}
    parts = aiohttp.FormData(default_to_multipart=True)
    for name, value in given.items():
        parts.add_field(name, value)
    assert (await ada.post("/compose/keep", data=parts)).status == 200
    assert len((await latest(ada))["content"]["text"]) == 99_000


async def test_only_its_author_keeps_a_draft(house: House, ada: Visitor) -> None:
    kept = (await keep(ada, await composer(ada) | {"text": "Ada's"})).json
    bob = await house.register("bob@example.org")
    theirs = await composer(bob) | {"text": "Bob's", "postId": kept["postId"], "version": "1"}
    assert (await keep(bob, theirs)).status == 404
    assert (await keep(ada, theirs)).status == 403
    assert (await keep(house.visitor(**{"Sec-Fetch-Site": "same-origin"}), theirs)).status == 303
    assert (await latest(ada))["content"]["text"] == "Ada's"
    assert await posts_of(bob) == []
    # the same key of another person is another form
    mine = (await keep(bob, theirs | {"postId": "", "version": ""})).json
    assert mine["postId"] != kept["postId"]
