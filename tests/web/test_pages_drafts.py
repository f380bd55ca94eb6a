"""A draft on the pages: opened in the form, changed, handed in; what stands against it is shown with it, and nothing is lost."""

from typing import Any

import aiohttp

from tests.web.house import House, Visitor
from tests.web.test_media import picture, upload
from tests.web.test_pages import Fields, read
from tests.web.test_posts import make


async def stored(visitor: Visitor, post_id: str) -> Any:
    """The post as the API shows it."""
    return (await visitor.get(f"/api/posts/{post_id}")).json


async def test_what_stands_against_a_draft_is_shown_with_it(ada: Visitor) -> None:
    post_id = await make(ada, content={"text": "x" * 305}, draft=True)
    form = (await read(ada)).form(f"/posts/{post_id}/decide")
    answer = await ada.post(f"/posts/{post_id}/decide", data=form | {"do": "submit"})
    assert answer.status == 422
    assert "This does not fit yet" in answer.text
    assert "this text has 305, 5 too many" in answer.text
    assert "graphemes" not in answer.text
    assert f'id="post-{post_id}"' in answer.text
    assert f'href="/posts/{post_id}/edit"' in answer.text
    assert Fields(answer.text).form(f"/posts/{post_id}/decide")


async def test_a_draft_is_opened_in_the_form_and_changed(house: House, ada: Visitor) -> None:
    mastodon = str(await house.account(ada, "mastodon", "ada@social.test"))
    media_id = await upload(ada, picture())
    post_id = await make(
        ada, draft=True, scheduledAt="2030-05-28T02:30", timezone="Europe/Berlin",
        content={"text": "Words", "mediaItems": [{"mediaId": media_id, "altText": "A field"}]},
        platformSpecificContent={"bluesky": {"text": "Other words"}}, maxLatenessSeconds=600,
    )  # fmt: skip
    path = f"/posts/{post_id}/edit"
    page = await ada.get(path)
    fields = (await read(ada, path)).form(path)
    assert fields["scheduledAt"] == "2030-05-28T02:30"
    assert fields["timezone"] == "Europe/Berlin"
    assert (fields["mediaId"], fields[f"alt-{media_id}"]) == (media_id, "A field")
    assert ">\nWords</textarea>" in page.text
    assert page.text.count(" checked") == 2
    assert (fields["differs"], fields["text-bluesky"]) == ("bluesky", "Other words")
    bluesky = next(one for one in (await ada.get("/api/accounts")).json["accounts"] if one["platform"] == "bluesky")
    fields.pop("accountIds")
    given = aiohttp.FormData(fields | {"text": "Better words", "do": "draft"})
    for account_id in (bluesky["accountId"], mastodon):
        given.add_field("accountIds", account_id)
    assert (await ada.post(path, data=given)).headers["Location"] == "/?told=draft"
    post = await stored(ada, post_id)
    assert (post["content"]["text"], post["status"], post["version"]) == ("Better words", "DRAFT", 2)
    assert set(post["accountIds"]) == {bluesky["accountId"], mastodon}
    assert post["content"]["mediaItems"][0]["altText"] == "A field"
    assert post["platformSpecificContent"]["bluesky"]["text"] == "Other words"
    assert (post["maxLatenessSeconds"], post["scheduledAt"]) == (600, "2030-05-28T00:30:00.000Z")


async def test_a_draft_goes_out_from_the_form_once(ada: Visitor) -> None:
    post_id = await make(ada, content={"text": "x" * 305}, draft=True)
    path = f"/posts/{post_id}/edit"
    (account,) = (await ada.get("/api/accounts")).json["accounts"]
    fields = (await read(ada, path)).form(path) | {"accountIds": account["accountId"], "do": "publish"}
    refused = await ada.post(path, data=fields | {"text": "y" * 301})
    assert (refused.status, "y" * 301 in refused.text, "1 too many" in refused.text) == (422, True, True)
    assert Fields(refused.text).form(path)["version"] == fields["version"]
    assert (await ada.post(path, data=fields | {"text": "z" * 300})).headers["Location"] == "/?told=submit"
    post = await stored(ada, post_id)
    assert (post["content"]["text"], post["status"]) == ("z" * 300, "PENDING")
    again = await ada.post(path, data=fields | {"text": "again"})
    assert (again.status, "changed in between" in again.text) == (409, True)
    late = await ada.get(path)
    assert (late.status, "handed in already" in late.text) == (409, True)
    assert (await stored(ada, post_id))["content"]["text"] == "z" * 300


async def test_an_edit_without_a_version_is_refused(ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    path = f"/posts/{post_id}/edit"
    fields = (await read(ada, path)).form(path) | {"do": "draft"}
    for version in ("", "x", "²", "0"):
        assert (await ada.post(path, data=fields | {"version": version})).status == 422
    assert (await stored(ada, post_id))["version"] == 1


async def test_a_description_without_a_picture_is_refused(ada: Visitor) -> None:
    fields = (await read(ada, "/compose")).form("/compose") | {"text": "Look", "altText": "A field"}
    draft = await make(ada, draft=True)
    path = f"/posts/{draft}/edit"
    edited = (await read(ada, path)).form(path) | {"altText": "A field"}
    for where, given in (("/compose", fields), (path, edited)):
        for wish in ("publish", "draft"):
            answer = await ada.post(where, data=given | {"do": wish})
            assert (answer.status, "There is a description but no picture or video." in answer.text) == (422, True)
            assert Fields(answer.text).form(where)["altText"] == "A field"
    assert [post["version"] for post in (await ada.get("/api/posts")).json["posts"]] == [1]


async def test_the_hour_that_exists_twice_is_chosen_on_the_page(ada: Visitor) -> None:
    wanted = {"text": "Late", "scheduledAt": "2027-10-31T02:30", "timezone": "Europe/Berlin", "do": "draft"}
    fields = (await read(ada, "/compose")).form("/compose") | wanted
    answer = await ada.post("/compose", data=fields)
    assert (answer.status, "exists twice" in answer.text) == (422, True)
    assert "02:30 the first time (UTC+02:00)" in answer.text
    assert "02:30 the second time (UTC+01:00)" in answer.text
    stray = await ada.post("/compose", data=fields | {"hour": "2027-10-31T02:30+05:00"})
    assert (stray.status, "exists twice" in stray.text) == (422, True)
    for hour, moment in (("+02:00", "2027-10-31T00:30:00.000Z"), ("+01:00", "2027-10-31T01:30:00.000Z")):
        form = (await read(ada, "/compose")).form("/compose") | wanted | {"hour": f"2027-10-31T02:30{hour}"}
        assert (await ada.post("/compose", data=form)).status == 303
        post = (await ada.get("/api/posts")).json["posts"][0]
        assert post["scheduledAt"] == moment
        assert f"Sun 31 Oct 2027, 02:30 Europe/Berlin (UTC{hour})" in (await ada.get("/")).text
        opened = (await ada.get(f"/posts/{post['postId']}/edit")).text
        assert f'value="2027-10-31T02:30{hour}" checked' in opened
    clear = (
        (await read(ada, "/compose")).form("/compose")
        | wanted
        | {"scheduledAt": "2027-10-31T04:30", "hour": "2027-10-31T02:30+02:00"}
    )
    assert (await ada.post("/compose", data=clear)).status == 303
    assert (await ada.get("/api/posts")).json["posts"][0]["scheduledAt"] == "2027-10-31T03:30:00.000Z"
