"""The login pages of the simulated Threads, Instagram and Facebook: what may be asked, the code, the tokens it leads to."""

from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.visiting import let_in, visit

from hayon.sandbox.meta.facebook.wire import APP_ID as FACEBOOK_APP_ID
from hayon.sandbox.meta.renewing import APP_SECRET, INSTAGRAM_APP_ID, THREADS_APP_ID
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = "http://127.0.0.1:9/api/accounts/x/callback"
ASKED = {
    "threads": {"client_id": THREADS_APP_ID, "scope": "threads_basic,threads_content_publish"},
    "instagram": {
        "client_id": INSTAGRAM_APP_ID,
        "scope": "instagram_business_basic,instagram_business_content_publish",
    },
    "facebook": {"client_id": FACEBOOK_APP_ID, "scope": "pages_show_list,pages_manage_posts"},
}
DOORS = {
    "threads": "/threads/oauth/authorize",
    "instagram": "/instagram/oauth/authorize",
    "facebook": "/facebook/v25.0/dialog/oauth",
}
CODES = {
    "threads": "/threads/oauth/access_token",
    "instagram": "/instagram/oauth/access_token",
    "facebook": "/facebook/v25.0/oauth/access_token",
}
ALL = pytest.mark.parametrize("platform", ["threads", "instagram", "facebook"])
BOTH = pytest.mark.parametrize("platform", ["threads", "instagram"])


def door(http: Http, platform: str, **changes: str) -> str:
    asked = {"redirect_uri": BACK, "response_type": "code", "state": "s t&", **ASKED[platform], **changes}
    return f"{http.url}{DOORS[platform]}?{urlencode(asked)}"


async def redeem(http: Http, platform: str, code: str, **changes: str) -> Reply:
    given = {
        "client_id": ASKED[platform]["client_id"], "client_secret": APP_SECRET, "grant_type": "authorization_code",
        "redirect_uri": BACK, "code": code,
    }  # fmt: skip
    return await http("POST", CODES[platform], data={**given, **changes})


async def ask(http: Http, path: str, token: str, **params: Any) -> Reply:
    return await http("GET", path, params=params, headers={"authorization": f"Bearer {token}"})


def said(reply: Reply) -> str:
    """The words of a refusal, in either shape."""
    assert reply.status == 400, reply.body
    return str(reply.body.get("error_message") or reply.body["error"]["message"])


@BOTH
async def test_from_the_page_to_the_long_token(platform: str, http: Http, world: World) -> None:
    alice = world.add_account(platform, "alice", "Alice")
    world.add_account(platform, "bob")
    page = await visit(door(http, platform))
    assert page.status == 200
    assert all(word in page.text for word in ("Alice", "@alice", "@bob", ASKED[platform]["scope"].split(",")[1]))
    sent = await let_in(door(http, platform), alice.account_id)
    assert (sent.back, sent.fragment, set(sent.query), sent.query["state"]) == (BACK, "_", {"code", "state"}, "s t&")
    short = (await redeem(http, platform, sent.query["code"])).body
    assert isinstance(short["user_id"], int)
    assert (await ask(http, f"/{platform}/me", short["access_token"], fields="username")).body["username"] == "alice"
    assert "has been used" in said(await redeem(http, platform, sent.query["code"]))
    grant = {"threads": "th_exchange_token", "instagram": "ig_exchange_token"}[platform]
    asked = {"grant_type": grant, "client_secret": APP_SECRET, "access_token": short["access_token"]}
    long = (await http("GET", f"/{platform}/access_token", params=asked)).body
    assert long["expires_in"] == 60 * 86_400
    world.advance(3_600)
    gone = await ask(http, f"/{platform}/me", short["access_token"])
    assert (gone.status, gone.body["error"]["error_subcode"]) == (401, 463)
    assert (await ask(http, f"/{platform}/me", long["access_token"], fields="username")).body["username"] == "alice"


@BOTH
async def test_a_token_may_do_what_was_asked_for_and_no_more(platform: str, http: Http, world: World) -> None:
    alice = world.add_account(platform, "alice")
    base = ASKED[platform]["scope"].split(",")[0]
    sent = await let_in(door(http, platform, scope=base), alice.account_id)
    token = (await redeem(http, platform, sent.query["code"])).body["access_token"]
    edge = {"threads": "v1.0/me/threads_publishing_limit", "instagram": "v25.0/me/content_publishing_limit"}[platform]
    refused = await ask(http, f"/{platform}/{edge}", token)
    assert (refused.status, refused.body["error"]["code"]) == (403, 10)


async def test_instagram_says_what_was_granted(http: Http, world: World) -> None:
    alice = world.add_account("instagram", "alice")
    sent = await let_in(door(http, "instagram"), alice.account_id)
    told = (await redeem(http, "instagram", sent.query["code"])).body
    assert told["permissions"] == ASKED["instagram"]["scope"].split(",")


@ALL
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "1"}, "Invalid App ID"),
        ({"redirect_uri": "https://elsewhere.example/cb"}, "URL blocked"),
        ({"redirect_uri": "javascript://127.0.0.1/%0aalert(1)"}, "URL blocked"),
        ({"response_type": "token"}, "Invalid response type"),
        ({"scope": "everything"}, "Invalid Scopes: everything"),
    ],
)
async def test_what_may_not_be_asked(platform: str, changes: dict[str, str], words: str, http: Http) -> None:
    page = await visit(door(http, platform, **changes))
    assert (page.status, words in page.text) == (400, True)


@BOTH
async def test_nothing_is_given_without_the_base_permission(platform: str, http: Http) -> None:
    page = await visit(door(http, platform, scope=ASKED[platform]["scope"].split(",")[1]))
    assert (page.status, "is required" in page.text) == (400, True)


@ALL
async def test_a_registered_address_counts_sign_for_sign(platform: str, http: Http, world: World) -> None:
    home = "https://hayon.example/cb"
    alice = world.add_account(platform, "alice")
    assert (await visit(door(http, platform, redirect_uri=home))).status == 400
    given = {"platform": platform, "redirectUri": home}
    assert (await http("POST", "/control/redirects", json=given)).status == 201
    assert (await let_in(door(http, platform, redirect_uri=home), alice.account_id)).back == home
    for other in (f"{home}/", f"{home}?a=b", "http://hayon.example/cb"):
        assert (await visit(door(http, platform, redirect_uri=other))).status == 400


async def test_what_is_asked_is_looked_at_again_when_it_is_allowed(http: Http, world: World) -> None:
    """Whoever presses the button may have changed what the form hides."""
    alice = world.add_account("threads", "alice")
    page = await visit(door(http, "threads"))
    changed = await page.press(("redirect_uri", "https://elsewhere.example/cb"), ("person", alice.account_id))
    assert changed.status == 400


@ALL
async def test_a_no_leads_back_too(platform: str, http: Http, world: World) -> None:
    world.add_account(platform, "alice")
    sent = (await (await visit(door(http, platform))).press(("refused", "1"))).sent
    assert (sent.back, sent.query["error"], sent.query["error_reason"]) == (BACK, "access_denied", "user_denied")
    assert (sent.query["state"], "code" in sent.query) == ("s t&", False)


@ALL
async def test_a_code_is_worth_nothing_without_its_proofs(platform: str, http: Http, world: World) -> None:
    alice = world.add_account(platform, "alice")
    code = (await let_in(door(http, platform), alice.account_id)).query["code"]
    assert "client secret" in said(await redeem(http, platform, code, client_secret="wrong"))
    assert "client secret" in said(await redeem(http, platform, code, client_id="1"))
    assert "redirect_uri is identical" in said(await redeem(http, platform, code, redirect_uri=f"{BACK}/"))
    assert "Invalid" in said(await redeem(http, platform, "AQnothing"))
    assert (await redeem(http, platform, code)).status == 200  # and none of these has used it up


@ALL
async def test_a_code_dies_after_an_hour(platform: str, http: Http, world: World) -> None:
    alice = world.add_account(platform, "alice")
    code = (await let_in(door(http, platform), alice.account_id)).query["code"]
    world.advance(3_600)
    assert "expired" in said(await redeem(http, platform, code))


@ALL
async def test_a_visitor_can_make_a_person_on_the_way(platform: str, http: Http, world: World) -> None:
    page = await (await visit(door(http, platform))).press(("new_person", "carol"))
    assert page.status == (200 if platform == "facebook" else 302)
    assert world.find_account(platform, "carol") is not None
    assert (await (await visit(door(http, platform))).press(("new_person", "no name!"))).status == 400
    assert (await (await visit(door(http, platform))).press(("person", "nobody"))).status == 400


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("/control/redirects", {"platform": "bluesky", "redirectUri": BACK}, "bluesky knows no redirect"),
        ("/control/redirects", {"platform": "threads"}, "redirectUri must be given"),
        ("/control/accounts/threads/alice/role", {"page": "alice", "tasks": []}, "threads knows no role"),
        ("/control/accounts/threads/alice/role", {"page": "alice", "tasks": "x"}, "list of text"),
        ("/control/accounts/threads/alice/role", {"page": "nobody", "tasks": []}, "no account"),
    ],
)
async def test_what_makes_no_sense_is_said_so(path: str, given: Any, words: str, http: Http, world: World) -> None:
    world.add_account("threads", "alice")
    reply = await http("POST", path, json=given)
    assert (reply.status, words in reply.body["problem"]) == (422, True)
