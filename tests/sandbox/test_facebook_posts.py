"""Posting on the simulated Facebook Page: text, links, drafts, what is refused, what repeats, every fault on the way."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.facebook import CUT, Page, abandoned, page_client, taken, until
from tests.sandbox.graph import Host, hosting, refusal

from hayon.sandbox.limits import Limits
from hayon.sandbox.meta.facebook.limits import FacebookLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = (400, 100, 33)
DUPLICATE = (400, 506, 1455006)
LISTED = "id,message,created_time,is_published,permalink_url,application,attachments{media_type,target}"


@pytest_asyncio.fixture(loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """Where links lead to."""
    async with hosting() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def page(http: Http, world: World) -> Page:
    """Alice's Page."""
    return page_client(http, world)


async def test_a_text_and_what_is_told_of_it(page: Page, http: Http, world: World) -> None:
    reply = await page.post("Hello #tea, see https://example.com/a.")
    post = reply.body["id"]
    own = post.partition("_")[2]
    assert (reply.status, reply.body, post) == (200, {"id": post}, f"{page.page_id}_{own}")
    path = f"/facebook/{page.page_id}/posts/{own}"
    told = (await page.get(post, LISTED)).body
    assert told == {
        "id": post,
        "message": "Hello #tea, see https://example.com/a.",
        "created_time": told["created_time"],
        "is_published": True,
        "permalink_url": f"{http.url}{path}",
        "application": {"name": "Hayon", "id": told["application"]["id"]},
    }
    assert told["created_time"].endswith("+0000")
    assert (await page.get(post)).body.keys() == {"id", "message", "created_time"}
    line = world.ledger[0]
    assert (line.operation, line.remote_id, line.key, line.repeat) == ("create_post", post, None, False)
    assert (line.text, line.media_ids, line.link) == ("Hello #tea, see https://example.com/a.", [], None)
    shown = await http("GET", path)
    assert (shown.status, 'href="https://example.com/a"' in shown.body) == (200, True)
    assert '<span class="tag">#tea</span>' in shown.body
    assert (await http("GET", path.replace(page.page_id, "1"))).status == 404
    assert path in (await http("GET", "/", params={"platform": "facebook"})).body


async def test_creating_can_read_what_it_wrote(page: Page, http: Http) -> None:
    made = await page.post("Read me", fields="id,permalink_url,is_published,message")
    own = made.body["id"].partition("_")[2]
    assert made.body == {
        "id": made.body["id"],
        "permalink_url": f"{http.url}/facebook/{page.page_id}/posts/{own}",
        "is_published": True,
        "message": "Read me",
    }
    assert refusal(await page.post("Not me", fields="shoe_size")) == (400, 100, None)


async def test_a_body_may_be_a_form_json_or_the_query(page: Page, world: World) -> None:
    for n, body in enumerate(("data", "json", "params")):
        reply = await page.call("POST", f"{page.page_id}/feed", **{body: {"message": f"Grüße {n} 🏔️"}})
        assert reply.status == 200
    assert world.copies("facebook") == {f"Grüße {n} 🏔️": 1 for n in range(3)}


async def test_nothing_at_all_is_refused(page: Page, world: World) -> None:
    for given in (
        {"json": {"message": None}},
        {"json": {}},
        {"data": {"message": ""}},
        {"data": {"published": "false"}},
    ):
        assert refusal(await page.call("POST", "me/feed", **given)) == (400, 197, None)
    # a message of null is refused even beside a link
    reply = await page.call("POST", "me/feed", json={"message": None, "link": "https://example.com"})
    assert refusal(reply) == (400, 197, None)
    assert world.ledger == []


async def test_a_message_has_a_limit_in_code_points(page: Page, world: World) -> None:
    world.impose(Limits().having(FacebookLimits(characters=3)))
    assert refusal(await page.post("1234")) == (400, 100, None)
    assert (await page.post("🏔🏔🏔")).status == 200
    assert FacebookLimits().characters == 63_206


async def test_a_link_is_really_fetched(page: Page, http: Http, host: Host, world: World) -> None:
    address = host.put("/page", b"<html><title>There", "text/html; charset=utf-8")
    post = await page.posted("Look", link=address)
    assert host.asked == ["/page"]
    told = (await page.get(post, "attachments{media_type,target,url}")).body
    assert told["attachments"]["data"] == [{"media_type": "link", "target": {"url": address}, "url": address}]
    assert (world.ledger[0].text, world.ledger[0].link) == ("Look", address)
    assert '<p class="host">127.0.0.1</p>' in (await http("GET", "/")).body
    # a link without a word of one's own, and one to a file, are links too
    file = host.put("/file", b"%PDF-1.4", "application/pdf")
    assert (await page.post(link=file)).status == 200
    assert [line.link for line in world.ledger] == [address, file]


async def test_links_that_cannot_be_posted(page: Page, host: Host, world: World) -> None:
    for link in (f"{host.url}/nothing", "http://127.0.0.1:1/", "http://nobody.invalid/"):
        assert refusal(await page.post("Look", link=link)) == (400, 100, 1609005)
    for link in ("https://www.facebook.com/somebody", "https://facebook.com/", "http://m.Facebook.com/x"):
        assert refusal(await page.post("Look", link=link)) == (400, 100, 1609008)
    for link in ("no address", "ftp://example.com/x", "javascript:alert(1)", "https://"):
        assert refusal(await page.post("Look", link=link)) == (400, 100, 2061006)
    assert world.ledger == []
    assert await page.listed() == []


async def test_a_draft_is_published_by_its_id(page: Page, http: Http, world: World) -> None:
    draft = await page.posted("Soon", published="false")
    assert world.ledger == []
    assert "Soon" not in (await http("GET", "/")).body
    told = (await page.get(draft, "is_published,permalink_url")).body
    path = told["permalink_url"].removeprefix(http.url)
    assert told["is_published"] is False
    assert (await http("GET", path)).status == 404
    assert (await page.listed(), await page.listed("published_posts")) == ([draft], [])
    listed = (await page.get("me/feed", "id,is_published")).body["data"]
    assert listed == [{"id": draft, "is_published": False}]
    reply = await page.go_live(draft)
    assert (reply.status, reply.body) == (200, {"success": True})
    assert (await page.get(draft, "is_published")).body["is_published"] is True
    assert (await page.listed(), await page.listed("published_posts")) == ([draft], [draft])
    assert (await http("GET", path)).status == 200
    assert [(one.operation, one.remote_id, one.text, one.repeat) for one in world.ledger] == [
        ("publish_post", draft, "Soon", False)
    ]


async def test_publishing_a_draft_again_changes_nothing_and_is_written_down(page: Page, world: World) -> None:
    draft = await page.posted("Once", published="false")
    replies = await asyncio.gather(*(page.go_live(draft) for _ in range(3)))
    assert [reply.body for reply in replies] == [{"success": True}] * 3
    assert [one.repeat for one in world.ledger] == [False, True, True]
    assert world.copies("facebook") == {"Once": 1}
    assert await page.listed() == [draft]


async def test_a_published_post_cannot_become_a_draft(page: Page) -> None:
    draft = await page.posted("Draft", published="false")
    await page.go_live(draft)
    for node in (draft, await page.posted("Live")):
        assert refusal(await page.call("POST", node, data={"is_published": "false"})) == (400, 100, None)
        assert (await page.get(node, "is_published")).body["is_published"] is True


async def test_a_draft_expires_after_a_month(page: Page, world: World) -> None:
    draft = await page.posted("Forgotten", published="false")
    world.advance(30 * 86_400 - 60)
    assert await page.listed() == [draft]
    world.advance(60)
    assert await page.listed() == []
    assert refusal(await page.go_live(draft)) == GONE
    assert world.ledger == []


async def test_a_post_can_be_changed_and_deleted(page: Page, http: Http, world: World) -> None:
    post = await page.posted("Frist")
    bob = page_client(http, world, "bob")
    for method in ("POST", "DELETE", "GET"):
        assert refusal(await bob.call(method, post, params={"message": "Mine"})) == GONE
    assert (await page.call("POST", post, data={"message": "First"})).body == {"success": True}
    assert (await page.get(post, "message")).body["message"] == "First"
    assert refusal(await page.call("POST", post, data={"message": ""})) == (400, 197, None)
    assert (await page.call("DELETE", post)).body == {"success": True}
    assert refusal(await page.get(post)) == GONE
    assert refusal(await page.call("DELETE", post)) == GONE
    assert await page.listed() == []
    assert "First" not in (await http("GET", "/")).body
    assert [one.operation for one in world.ledger] == ["create_post", "update_post", "delete_post"]
    assert world.copies("facebook") == {"Frist": 1}


async def test_the_same_text_directly_after_itself_is_refused(page: Page, world: World) -> None:
    await page.posted("Again")
    refused = await page.post("Again")
    assert refusal(refused) == DUPLICATE
    assert "identical" in refused.body["error"]["error_user_msg"]
    await page.posted("Other")
    await page.posted("Again")
    assert [line.text for line in world.ledger] == ["Again", "Other", "Again"]


async def test_the_same_words_with_another_link_or_as_a_draft_are_no_repeat(
    page: Page, host: Host, world: World
) -> None:
    links = [host.put(f"/{n}", b"<html>", "text/html") for n in range(2)]
    await page.posted("Look")
    for link in links:
        await page.posted("Look", link=link)
    assert refusal(await page.post("Look", link=links[1])) == DUPLICATE
    draft = await page.posted("Look", link=links[1], published="false")
    assert (await page.go_live(draft)).status == 200
    assert world.copies("facebook") == {"Look": 4}


async def test_double_on_repeat_makes_a_second_copy(page: Page, world: World) -> None:
    world.faults.add("facebook", "double_on_repeat", "create_post", count=1)
    posts = [await page.posted("Twice"), await page.posted("Twice")]
    assert await page.listed() == posts[::-1]
    assert [one.repeat for one in world.ledger] == [False, False]
    assert world.copies("facebook") == {"Twice": 2}
    assert refusal(await page.post("Twice")) == DUPLICATE
    assert world.faults.all() == []


async def test_a_post_for_an_hour_to_come(page: Page, http: Http, world: World) -> None:
    hour = int(world.now()) + 900
    soon = {"published": "false", "scheduled_publish_time": str(hour)}
    post = await page.posted("Later", **soon)
    assert (await page.get(post, "is_published,scheduled_publish_time")).body == {
        "id": post,
        "is_published": False,
        "scheduled_publish_time": hour,
    }
    assert (await page.listed("scheduled_posts"), await page.listed("published_posts")) == ([post], [])
    assert "Later" not in (await http("GET", "/")).body
    world.advance(901)
    assert (await page.listed("scheduled_posts"), await page.listed("published_posts")) == ([], [post])
    assert (await page.get(post, "is_published,scheduled_publish_time")).body == {"id": post, "is_published": True}
    assert "Later" in (await http("GET", "/")).body
    assert world.copies("facebook") == {"Later": 1}
    for changed in ({"scheduled_publish_time": str(hour)}, {"published": "true"}):
        assert refusal(await page.post("Never", **{**soon, **changed})) == (400, 100, None)
    called_off = await page.posted("Never", published="false", scheduled_publish_time=str(int(world.now()) + 900))
    assert (await page.go_live(called_off)).status == 200
    assert world.copies("facebook") == {"Later": 1, "Never": 1}


async def test_an_error_although_it_went_live(page: Page, world: World) -> None:
    world.faults.add("facebook", "error_after_accept", "create_post")
    assert refusal(await page.post("Live")) == (500, 2, None)
    draft = await page.posted("Live too", published="false")
    body = {"error": {"message": "Unknown", "type": "OAuthException", "code": 1, "error_subcode": 99}}
    world.faults.add("facebook", "error_after_accept", "publish_post", status=400, body=body)
    reply = await page.go_live(draft)
    assert (reply.status, reply.body) == (400, body)
    assert await page.listed("published_posts") == [draft, world.ledger[0].remote_id]
    assert world.copies("facebook") == {"Live": 1, "Live too": 1}


async def test_an_answer_that_is_cut_off(page: Page, world: World) -> None:
    world.faults.add("facebook", "drop_before", "create_post")
    with pytest.raises(CUT):
        await page.post("Cut")
    assert (world.ledger, await page.listed()) == ([], [])
    world.faults.add("facebook", "accept_then_drop", "create_post")
    with pytest.raises(CUT):
        await page.post("Cut")
    assert await page.listed() == [world.ledger[0].remote_id]
    draft = await page.posted("Draft", published="false")
    world.faults.add("facebook", "accept_then_drop", "publish_post")
    with pytest.raises(CUT):
        await page.go_live(draft)
    assert (await page.get(draft, "is_published")).body["is_published"] is True


async def test_an_effect_that_comes_late(page: Page, world: World) -> None:
    world.faults.add("facebook", "accept_late", "create_post", seconds=60)
    await abandoned(world, "accept_late", page.post("Late"))
    assert await page.listed() == []
    world.advance(61)
    await until(world, lines=1)
    assert await page.listed() == [world.ledger[0].remote_id]


async def test_reads_and_listings_may_lag(page: Page, world: World) -> None:
    world.faults.add("facebook", "status_late", "create_post", seconds=60, count=1)
    world.faults.add("facebook", "list_late", "create_post", seconds=120, count=1)
    post = await page.posted("Lag")
    assert refusal(await page.get(post)) == GONE
    # it is only read too early: whoever knows its id may do more
    assert (await page.call("POST", post, data={"message": "Lagging"})).status == 200
    assert await page.listed() == []
    world.advance(61)
    assert (await page.get(post, "is_published")).body["is_published"] is True
    assert await page.listed() == []
    world.advance(60)
    assert await page.listed() == [post]


async def test_a_draft_that_is_live_may_say_so_late(page: Page, world: World) -> None:
    draft = await page.posted("Draft", published="false")
    world.faults.add("facebook", "status_late", seconds=60, count=1)
    world.faults.add("facebook", "list_late", seconds=120, count=1)
    await page.go_live(draft)
    assert world.copies("facebook") == {"Draft": 1}
    assert (await page.get(draft, "is_published")).body["is_published"] is False
    assert (await page.listed(), await page.listed("published_posts")) == ([draft], [])
    world.advance(61)
    assert (await page.get(draft, "is_published")).body["is_published"] is True
    assert (await page.get("me/feed", "is_published")).body["data"][0]["is_published"] is False
    world.advance(60)
    assert await page.listed("published_posts") == [draft]


async def test_delays_refusals_and_too_many_calls(page: Page, world: World) -> None:
    world.faults.add("facebook", "rate_limit", "create_post", seconds=90)
    limited = await page.post("x")
    assert refusal(limited) == (400, 80001, None)
    usage = json.loads(limited.headers["x-business-use-case-usage"])[page.page_id][0]
    assert (usage["type"], usage["call_count"], usage["estimated_time_to_regain_access"]) == ("pages", 100, 2)
    blocked = {"error": {"message": "x", "type": "OAuthException", "code": 368, "error_subcode": 1390008}}
    world.faults.add("facebook", "refuse", "create_post", status=400, body=blocked)
    assert (await page.post("x")).body == blocked
    world.faults.add("facebook", "refuse", "create_post", status=503)
    assert refusal(await page.post("x")) == (503, 1, None)
    assert world.ledger == []
    world.faults.add("facebook", "delay", "create_post", seconds=60)
    task = asyncio.create_task(page.post("x"))
    await until(world, fault="delay")
    assert world.ledger == []
    world.advance(61)
    assert (await task).status == 200
    world.faults.add("facebook", "delay_answer", "create_post", seconds=60)
    task = asyncio.create_task(page.post("y"))
    await until(world, lines=2)
    assert not task.done()
    world.advance(61)
    assert taken(await task) == world.ledger[1].remote_id


async def test_a_restricted_page_is_blocked_and_reads(page: Page, world: World) -> None:
    draft = await page.posted("Draft", published="false")
    world.set_standing(page.account, "restricted")
    for call in (page.post("x"), page.go_live(draft), page.call("POST", draft, data={"message": "y"})):
        assert refusal(await call) == (400, 368, 1404112)
    assert await page.listed() == [draft]
    world.set_standing(page.account, "active")
    assert (await page.go_live(draft)).status == 200
    assert world.copies("facebook") == {"Draft": 1}


async def test_a_fault_of_a_draft_does_not_meet_a_change_of_its_words(page: Page, world: World) -> None:
    draft = await page.posted("Draft", published="false")
    world.faults.add("facebook", "refuse", "publish_post", status=500)
    assert (await page.call("POST", draft, data={"message": "Words"})).status == 200
    for given in (
        {"json": {"is_published": True}},
        {"params": {"is_published": "1"}},
        {"data": {"is_published": "True"}},
    ):
        reply = await page.call("POST", draft, **given)
        assert reply.status == (500 if "json" in given else 200)
    assert [(line["operation"], line["status"]) for line in world.requests if line["method"] == "POST"][1:] == [
        ("update_post", 200),
        ("publish_post", 500),
        ("publish_post", 200),
        ("publish_post", 200),
    ]
    assert world.copies("facebook") == {"Words": 1}
