"""The simulated Facebook's doors: whose token, which permission, how often; the Page itself, and listings page by page."""

import json
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http
from tests.sandbox.facebook import Page, page_client
from tests.sandbox.graph import refusal

from hayon.sandbox.app import running
from hayon.sandbox.limits import DAY, HOUR, Limits, Rate
from hayon.sandbox.meta.facebook.limits import RATES
from hayon.sandbox.meta.facebook.memory import Facebook
from hayon.sandbox.model import Platform
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = (400, 100, 33)


@pytest_asyncio.fixture(loop_scope="module")
async def page(http: Http, world: World) -> Page:
    """Alice's Page."""
    return page_client(http, world)


def person_token(page: Page) -> str:
    """The token of whoever may use the Page."""
    return page.account.more["userAccessToken"]


def with_scopes(page: Page, *scopes: str) -> str:
    """A Page token with these permissions only."""
    token, event = page.world.memory(Platform.FACEBOOK, Facebook).tokens.new(page.account, "page", None, scopes)
    page.world.happen(event)
    return token.text


async def test_who_one_is(page: Page, http: Http, world: World) -> None:
    told = (await page.get("me", "id,name,username,category,link,access_token")).body
    assert told == {
        "id": page.page_id,
        "name": "Alice",
        "username": "alice",
        "category": "Community",
        "link": f"{http.url}/facebook/{page.page_id}",
        "access_token": page.account.secret,
    }
    assert (await page.get(page.page_id)).body == {"name": "Alice", "id": page.page_id}
    assert refusal(await page.get(page_client(http, world, "bob").page_id)) == GONE
    assert refusal(await page.get("me", "shoe_size")) == (400, 100, None)
    connection = world.sites[Platform.FACEBOOK].connection(page.account, f"{http.url}/")
    assert (connection["pageId"], connection["accessToken"]) == (page.page_id, page.account.secret)
    assert connection["graphUrl"] == f"{http.url}/facebook"


async def test_a_persons_token_is_of_another_kind(page: Page, world: World) -> None:
    token = person_token(page)
    me = (await page.call("GET", "me", token=token)).body
    assert me["id"] != page.page_id
    assert (await page.call("GET", me["id"], token=token)).body == me
    (listed,) = (await page.call("GET", "me/accounts", token=token)).body["data"]
    assert (listed["id"], listed["name"], listed["access_token"]) == (page.page_id, "Alice", page.account.secret)
    assert "CREATE_CONTENT" in listed["tasks"]
    assert (await page.call("GET", f"{me['id']}/accounts", token=token)).status == 200
    for path in ("me/feed", f"{page.page_id}/feed", f"{page.page_id}/published_posts"):
        assert refusal(await page.call("GET", path, token=token)) == (403, 210, None)
    reply = await page.call("POST", f"{page.page_id}/feed", token=token, data={"message": "x"})
    assert refusal(reply) == (403, 200, None)
    # and a Page is no person
    for path in ("me/accounts", me["id"]):
        assert refusal(await page.get(path)) == GONE
    assert world.ledger == []


async def test_what_is_in_a_token(page: Page) -> None:
    told = (await page.get("debug_token", input_token=page.account.secret)).body["data"]
    assert (told["type"], told["is_valid"], told["expires_at"], told["profile_id"]) == ("PAGE", True, 0, page.page_id)
    assert told["application"] == "Hayon"
    assert "pages_manage_posts" in told["scopes"]
    person = (await page.get("debug_token", input_token=person_token(page))).body["data"]
    assert (person["type"], person["expires_at"] - person["issued_at"]) == ("USER", 60 * DAY)
    assert (await page.get("debug_token", input_token="wrong")).body["data"]["is_valid"] is False
    assert refusal(await page.get("debug_token")) == (400, 100, None)


async def test_bad_tokens_are_told_apart(page: Page, http: Http, world: World) -> None:
    path = "/facebook/v25.0/me"
    assert refusal(await http("GET", path)) == (400, 2500, None)
    assert refusal(await http("GET", path, params={"access_token": "wrong"})) == (400, 190, None)
    assert (await http("GET", path, headers={"authorization": f"OAuth {page.account.secret}"})).status == 200
    world.set_standing(page.account, "disabled")
    assert refusal(await page.post("x")) == (400, 190, 459)
    world.set_standing(page.account, "active")
    world.faults.add("facebook", "expire_token", "create_post")
    assert refusal(await page.post("x")) == (401, 190, 463)
    world.renew(page.account)
    assert (await page.post("x")).status == 200
    token, person = page.account.secret, person_token(page)
    world.faults.add("facebook", "revoke_token", "create_post")
    for one in (token, person):
        assert refusal(await page.call("POST", "me/feed", token=one, data={"message": "y"})) == (400, 190, 458)
    assert world.copies("facebook") == {"x": 1}
    assert all(one not in json.dumps(list(world.requests)) for one in (token, person))


async def test_a_pages_token_has_no_date(page: Page, world: World) -> None:
    person = person_token(page)
    world.advance(59 * DAY)
    assert (await page.call("GET", "me", token=person)).status == 200
    world.advance(DAY)
    assert refusal(await page.call("GET", "me", token=person)) == (401, 190, 463)
    world.advance(1_000 * DAY)
    assert (await page.post("Still here")).status == 200


async def test_permissions_that_were_not_given(page: Page, world: World) -> None:
    post = await page.posted("x")
    reads, writes = with_scopes(page, "pages_read_engagement"), with_scopes(page, "pages_manage_posts")
    assert (await page.call("GET", post, token=reads)).status == 200
    for method, path in (("POST", "me/feed"), ("POST", post), ("DELETE", post), ("POST", "me/photos")):
        reply = await page.call(method, path, token=reads, params={"message": "y"})
        assert refusal(reply) == (403, 10, None), path
    # one may read posts, but not what stands in the feed
    assert refusal(await page.call("GET", "me/feed", token=reads)) == (403, 10, None)
    assert refusal(await page.call("GET", post, token=writes)) == (403, 10, None)
    assert refusal(await page.call("POST", "me/feed", token=writes, data={"message": "y"})) == (403, 10, None)
    bare = with_scopes(page)
    assert refusal(await page.call("POST", "me/feed", token=bare, data={"message": "y"})) == (403, 10, None)
    assert len(world.ledger) == 1


async def test_too_many_calls_of_a_page_and_of_a_person(page: Page, world: World) -> None:
    assert {"facebook.calls": Rate(48_000, DAY), "facebook.user_calls": Rate(200, HOUR)} == RATES
    world.impose(Limits(rates={"facebook.calls": Rate(4, DAY), "facebook.user_calls": Rate(2, HOUR)}))
    replies = [await page.get("me") for _ in range(5)]
    lines = [json.loads(one.headers["x-business-use-case-usage"])[page.page_id][0] for one in replies]
    assert [(line["type"], line["call_count"]) for line in lines] == [("pages", n) for n in (25, 50, 75, 100, 100)]
    assert [line["estimated_time_to_regain_access"] for line in lines] == [0, 0, 0, 0, 24 * 60]
    assert refusal(replies[4]) == (400, 80001, None)
    replies = [await page.call("GET", "me", token=person_token(page)) for _ in range(3)]
    assert [json.loads(one.headers["x-app-usage"])["call_count"] for one in replies] == [50, 100, 100]
    assert "x-business-use-case-usage" not in replies[0].headers
    assert refusal(replies[2]) == (403, 32, None)
    assert "Page request limit reached" in replies[2].body["error"]["message"]
    world.advance(HOUR)
    assert (await page.call("GET", "me", token=person_token(page))).status == 200
    assert refusal(await page.get("me")) == (400, 80001, None)


async def test_versions_and_paths(page: Page, http: Http) -> None:
    params = {"access_token": page.account.secret}
    for version in ("v25.0", "v26.0", "v20.0"):
        assert (await http("GET", f"/facebook/{version}/me", params=params)).status == 200
    assert (await http("GET", "/facebook/me", params=params)).status == 200
    for version in ("v1.0", "v99.0", "vx", "video-upload"):
        assert refusal(await http("GET", f"/facebook/{version}/me", params=params)) == (400, 2500, None)
    assert refusal(await page.get("17000000000000017")) == GONE
    assert refusal(await page.call("DELETE", page.page_id)) == GONE
    assert refusal(await page.call("PUT", "me/feed")) == GONE
    assert refusal(await page.get("me/nothing")) == (400, 2500, None)
    page.version = "v26.0"
    begun = await page.start()
    assert begun["upload_url"].endswith(f"/facebook/video-upload/v26.0/{begun['video_id']}")


async def test_a_listing_by_time_and_by_page(page: Page, http: Http, world: World) -> None:
    made, times = [], []
    for n in range(4):
        times.append(int(world.now()))  # before it: the clock of the world goes on while it is posted
        made.append(await page.posted(f"post {n}", **({"published": "false"} if n == 1 else {})))
        world.advance(100)
    newest = made[::-1]
    assert await page.listed() == newest
    assert await page.listed("published_posts") == [made[3], made[2], made[0]]
    assert await page.listed(since=times[2]) == newest[:2]
    assert await page.listed(since=times[1] - 5, until=times[2] + 5) == newest[1:3]
    first = (await page.get("me/feed", "message", limit=2)).body
    assert [one["message"] for one in first["data"]] == ["post 3", "post 2"]
    path = first["paging"]["next"].removeprefix(http.url)
    last = (await page.call("GET", path)).body
    assert [one["id"] for one in last["data"]] == newest[2:]
    assert "next" not in last["paging"]
    assert page.account.secret not in str(first)
    for wrong in ({"after": "nonsense!"}, {"limit": "0"}, {"since": "yesterday"}, {"fields": "id,shoe_size"}):
        assert refusal(await page.get("me/feed", **wrong)) == (400, 100, None)
    bob = page_client(http, world, "bob")
    assert await bob.listed() == []
    assert refusal(await bob.get(f"{page.page_id}/feed")) == GONE


async def test_a_choice_is_found_wherever_it_stands(page: Page, http: Http) -> None:
    """Which operation a path means may stand in the query or in any kind of body, and behind a file."""
    start = {"upload_phase": "start", "file_size": "5000"}
    for body in ("params", "data", "json"):
        assert (await page.call("POST", "me/videos", **{body: start})).body.keys() > {"upload_session_id"}
    begun = await page.start("videos", file_size=2_000_000)
    form = aiohttp.FormData()
    # the parameters come last, behind more than one piece of the body
    form.add_field("video_file_chunk", "x" * 900_000, filename="chunk", content_type="application/octet-stream")
    form.add_field("start_offset", "0")
    form.add_field("upload_session_id", begun["upload_session_id"])
    form.add_field("upload_phase", "TRANSFER")
    reply = await page.call("POST", "me/videos", data=form)
    assert (reply.status, reply.body["start_offset"]) == (200, "900000")
    assert [line["operation"] for line in page.world.requests] == ["start_video"] * 4 + ["transfer_video"]
    for broken in (b"{", b"[]", b'{"upload_phase": ["start"]}'):
        headers = {"content-type": "application/json"}
        assert refusal(await page.call("POST", "me/videos", data=broken, headers=headers))[:2] == (400, 100)


async def test_what_was_counted_and_drafted_survives_a_restart(tmp_path: Path) -> None:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        first = World(path=tmp_path)
        async with running(first) as url:
            page = page_client(Http(session, url), first)
            post, draft = await page.posted("Post"), await page.posted("Draft", published="false")
            gone = await page.posted("Gone")
            await page.call("DELETE", gone)
            await page.call("POST", post, data={"message": "Post, changed"})
            person = person_token(page)
        first.close()
        again = World(path=tmp_path)
        async with running(again) as url:
            page = Page(Http(session, url), again, again.get_account("facebook", "alice"))
            assert person_token(page) == person
            assert (await page.call("GET", "me/accounts", token=person)).status == 200
            assert await page.listed() == [draft, post]
            assert (await page.get(post, "message")).body["message"] == "Post, changed"
            assert refusal(await page.post("Post, changed")) == (400, 506, 1455006)
            await page.go_live(draft)
            assert again.copies("facebook") == {"Post": 1, "Draft": 1, "Gone": 1}
            assert len(set(await page.listed()) | {await page.posted("Next")}) == 3
        again.close()
