"""Who may call the simulated Tumblr: signatures, bearer tokens, what renews them, and what every call must have."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from oauthlib.oauth1 import Client as OAuthClient
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.tumblelog import AGENT, Signer, Tumblelog, code, form, image, tumblr_client
from yarl import URL

from hayon.sandbox.limits import Limits, Rate
from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.tumblr.blog import tumblr_of
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNAUTHORIZED = (401, 1016)
INFO = "/tumblr/v2/user/info"


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


async def sent(tumblr: Tumblelog, header: str, method: str = "GET", path: str = INFO, **options: Any) -> Reply:
    """A call with exactly this credential."""
    return await tumblr.http(method, path, headers={"user-agent": AGENT, "authorization": header}, **options)


async def pair(tumblr: Tumblelog) -> dict[str, Any]:
    """Tokens of OAuth2, for the account's token of OAuth 1.0a."""
    reply = await tumblr.call("POST", "oauth2/exchange")
    assert reply.status == 200, reply.body
    assert isinstance(reply.body, dict)
    return reply.body


async def refreshed(tumblr: Tumblelog, token: str, **changed: str) -> Reply:
    """The renewal of a pair."""
    given = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CONSUMER_KEY}
    given |= {"client_secret": CONSUMER_SECRET, **changed}
    return await tumblr.http("POST", "/tumblr/v2/oauth2/token", data=given, headers=tumblr.agent)


async def test_a_signed_call_says_who_is_calling(tumblr: Tumblelog) -> None:
    reply = await tumblr.call("GET", "user/info")
    assert (reply.status, reply.body["meta"]) == (200, {"status": 200, "msg": "OK"})
    user = reply.body["response"]["user"]
    assert (user["name"], [blog["name"] for blog in user["blogs"]]) == ("alice", ["alice"])
    blog = user["blogs"][0]
    assert (blog["uuid"], blog["primary"], blog["title"]) == (tumblr.account.account_id, True, "Alice")
    assert blog["uuid"].startswith("t:")


async def test_a_library_of_others_signs_the_same(tumblr: Tumblelog) -> None:
    token, secret = tumblr.account.secret, tumblr.account.more["tokenSecret"]
    client = OAuthClient(CONSUMER_KEY, CONSUMER_SECRET, token, secret)
    path = "/tumblr/v2/blog/alice/posts?limit=3&npf=true"
    _, headers, _ = client.sign(tumblr.http.url + path)
    assert (await sent(tumblr, headers["Authorization"], path=path)).status == 200


@pytest.mark.parametrize("method", ["PLAINTEXT", "HMAC-SHA256", "HMAC-SHA512"])
async def test_one_method_of_signing_is_taken(tumblr: Tumblelog, method: str) -> None:
    token, secret = tumblr.account.secret, tumblr.account.more["tokenSecret"]
    client = OAuthClient(CONSUMER_KEY, CONSUMER_SECRET, token, secret, signature_method=method)
    _, headers, _ = client.sign(tumblr.http.url + INFO)
    assert code(await sent(tumblr, headers["Authorization"])) == UNAUTHORIZED


async def test_a_body_is_signed_only_if_it_is_a_form(tumblr: Tumblelog, picture: Callable[..., bytes]) -> None:
    path = "/tumblr/v2/blog/alice/posts"
    url = tumblr.http.url + path
    told = {"content": [{"type": "text", "text": "Hi"}, image("a")]}
    parts = form(told, [("a", picture(), "image/jpeg")])
    assert (await sent(tumblr, tumblr.signer.header("POST", url), "POST", path, data=parts)).status == 201
    told["content"] = told["content"][:1]
    assert (await sent(tumblr, tumblr.signer.header("POST", url), "POST", path, json=told)).status == 201
    post_id = (await tumblr.post("Gone soon")).body["response"]["id"]
    path = "/tumblr/v2/blog/alice/post/delete"
    url = tumblr.http.url + path
    left_out = await sent(tumblr, tumblr.signer.header("POST", url), "POST", path, data={"id": post_id})
    assert code(left_out) == UNAUTHORIZED
    signed = tumblr.signer.header("POST", url, {"id": post_id})
    assert (await sent(tumblr, signed, "POST", path, data={"id": post_id})).status == 200


async def test_the_path_and_query_are_signed_as_they_are_sent(tumblr: Tumblelog) -> None:
    uuid = tumblr.account.account_id
    for name in (uuid, quote(uuid, safe="")):
        url = f"{tumblr.http.url}/tumblr/v2/blog/{name}/info"
        headers = {**tumblr.agent, "authorization": tumblr.signer.header("GET", url)}
        async with tumblr.http.session.get(URL(url, encoded=True), headers=headers) as answer:
            assert (await answer.json())["response"]["blog"]["name"] == "alice"
    assert (await tumblr.call("GET", "blog/alice/posts?tag=caf%C3%A9%20au%20lait&npf=true")).status == 200
    header = tumblr.signer.header("GET", f"{tumblr.http.url}/tumblr/v2/blog/alice/posts?limit=1")
    assert code(await sent(tumblr, header, path="/tumblr/v2/blog/alice/posts?limit=2")) == UNAUTHORIZED
    other_method = tumblr.signer.header("POST", f"{tumblr.http.url}{INFO}")
    assert code(await sent(tumblr, other_method)) == UNAUTHORIZED


@pytest.mark.parametrize(
    ("signer", "changed"),
    [
        ({"token": "nobodys"}, {}),
        ({"token_secret": "wrong"}, {}),
        ({"key": "otherConsumer"}, {}),
        ({"key": "otherConsumer", "secret": "nobody"}, {}),
        ({"secret": "wrong"}, {}),
        ({"token": "nobodys", "token_secret": "nobody"}, {}),
        ({"clock": lambda: time.time() - 400}, {}),
        ({"clock": lambda: time.time() + 400}, {}),
        ({}, {"oauth_timestamp": "yesterday1"}),
        ({}, {"oauth_version": "2.0"}),
        ({}, {"oauth_nonce": ""}),
    ],
)
async def test_signatures_that_are_refused(tumblr: Tumblelog, signer: dict[str, Any], changed: dict[str, str]) -> None:
    token, secret = tumblr.account.secret, tumblr.account.more["tokenSecret"]
    made = Signer(**{"token": token, "token_secret": secret, **signer})
    assert code(await sent(tumblr, made.header("GET", tumblr.http.url + INFO, **changed))) == UNAUTHORIZED
    assert code(await tumblr.http("GET", INFO, headers={"user-agent": AGENT})) == UNAUTHORIZED
    assert (await tumblr.call("GET", "user/info")).status == 200


async def test_a_request_is_good_once(tumblr: Tumblelog) -> None:
    header = tumblr.signer.header("GET", tumblr.http.url + INFO)
    assert [(await sent(tumblr, header)).status for _ in range(3)] == [200, 401, 401]


async def test_a_refused_request_does_not_use_its_nonce_up(tumblr: Tumblelog) -> None:
    url, once = tumblr.http.url + INFO, {"oauth_nonce": "one", "oauth_timestamp": str(int(time.time()))}
    wrong = Signer(tumblr.account.secret, "wrong").header("GET", url, **once)
    assert (await sent(tumblr, wrong)).status == 401
    assert (await sent(tumblr, tumblr.signer.header("GET", url, **once))).status == 200


async def test_only_the_header_carries_a_signature(tumblr: Tumblelog) -> None:
    header = tumblr.signer.header("GET", tumblr.http.url + INFO)
    pairs = [one.split("=", 1) for one in header.removeprefix("OAuth ").split(", ")]
    query = "&".join(f"{name}={value.strip(chr(34))}" for name, value in pairs)
    assert code(await tumblr.http("GET", f"{INFO}?{query}", headers=tumblr.agent)) == UNAUTHORIZED


async def test_a_client_may_sign_by_its_own_clock_or_the_worlds(tumblr: Tumblelog, world: World) -> None:
    world.advance(3 * 86_400)
    assert (await tumblr.call("GET", "user/info")).status == 200
    by_world = Signer(tumblr.account.secret, tumblr.account.more["tokenSecret"], clock=world.now)
    assert (await sent(tumblr, by_world.header("GET", tumblr.http.url + INFO))).status == 200
    between = Signer(tumblr.account.secret, tumblr.account.more["tokenSecret"], clock=lambda: time.time() + 86_400)
    assert code(await sent(tumblr, between.header("GET", tumblr.http.url + INFO))) == UNAUTHORIZED


async def test_a_token_that_was_revoked(tumblr: Tumblelog, world: World) -> None:
    signer = tumblr.signer
    world.revoke(tumblr.account)
    assert code(await sent(tumblr, signer.header("GET", tumblr.http.url + INFO))) == UNAUTHORIZED
    world.renew(tumblr.account)
    assert (await tumblr.call("GET", "user/info")).status == 200
    assert code(await sent(tumblr, signer.header("GET", tumblr.http.url + INFO))) == UNAUTHORIZED


async def test_an_exchange_ends_the_signed_token(tumblr: Tumblelog) -> None:
    tokens = await pair(tumblr)
    assert (tokens["expires_in"], tokens["token_type"], tokens["scope"]) == (2520, "bearer", "basic write")
    assert code(await tumblr.call("GET", "user/info")) == UNAUTHORIZED
    bearer = tokens["access_token"]
    assert (await tumblr.call("GET", "user/info", bearer=bearer)).body["response"]["user"]["name"] == "alice"
    made = await tumblr.call(
        "POST", "blog/alice/posts", json={"content": [{"type": "text", "text": "Hi"}]}, bearer=bearer
    )
    assert made.status == 201
    assert code(await tumblr.call("POST", "oauth2/exchange", bearer=bearer)) == (400, 0)


async def test_access_ends_after_42_minutes_and_is_renewed_for_42_days(tumblr: Tumblelog, world: World) -> None:
    first = await pair(tumblr)
    world.advance(2_519)
    assert (await tumblr.call("GET", "user/info", bearer=first["access_token"])).status == 200
    world.advance(2)
    assert code(await tumblr.call("GET", "user/info", bearer=first["access_token"])) == UNAUTHORIZED
    second = await refreshed(tumblr, first["refresh_token"])
    assert (second.status, second.body["expires_in"], second.body["scope"]) == (200, 2520, "basic write")
    assert (await tumblr.call("GET", "user/info", bearer=second.body["access_token"])).status == 200
    assert second.body["refresh_token"] != first["refresh_token"]
    assert code(await refreshed(tumblr, first["refresh_token"])) == UNAUTHORIZED
    world.advance(42 * 86_400 - 1)
    third = await refreshed(tumblr, second.body["refresh_token"])
    assert third.status == 200
    world.advance(42 * 86_400 + 1)
    assert code(await refreshed(tumblr, third.body["refresh_token"])) == UNAUTHORIZED


async def test_a_token_of_one_kind_is_not_of_the_other(tumblr: Tumblelog) -> None:
    signed, tokens = tumblr.account.secret, await pair(tumblr)
    assert code(await tumblr.call("GET", "user/info", bearer=tokens["refresh_token"])) == UNAUTHORIZED
    assert code(await tumblr.call("GET", "user/info", bearer=signed)) == UNAUTHORIZED
    assert code(await refreshed(tumblr, tokens["access_token"])) == UNAUTHORIZED


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"client_id": "other"}, UNAUTHORIZED),
        ({"client_secret": "wrong"}, UNAUTHORIZED),
        ({"refresh_token": "nobodys"}, UNAUTHORIZED),
        ({"grant_type": "password"}, (400, 0)),
        ({"grant_type": "authorization_code"}, (400, 0)),
        ({"grant_type": "client_credentials"}, (501, 0)),
    ],
)
async def test_renewals_that_are_refused(tumblr: Tumblelog, changed: dict[str, str], expected: tuple[int, int]) -> None:
    token = (await pair(tumblr))["refresh_token"]
    given = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CONSUMER_KEY}
    given |= {"client_secret": CONSUMER_SECRET, **changed}
    assert code(await tumblr.http("POST", "/tumblr/v2/oauth2/token", json=given, headers=tumblr.agent)) == expected
    assert (await refreshed(tumblr, token)).status == 200


async def test_tokens_are_expired_and_revoked_by_faults(tumblr: Tumblelog, world: World) -> None:
    tokens = await pair(tumblr)
    world.faults.add("tumblr", "expire_token", "userInfo", account="alice")
    assert code(await tumblr.call("GET", "user/info", bearer=tokens["access_token"])) == UNAUTHORIZED
    world.faults.add("tumblr", "refuse", "token", account="alice", status=503)
    assert code(await refreshed(tumblr, tokens["refresh_token"])) == (503, 0)
    tokens = (await refreshed(tumblr, tokens["refresh_token"])).body
    world.faults.add("tumblr", "revoke_token", "userInfo")
    assert code(await tumblr.call("GET", "user/info", bearer=tokens["access_token"])) == UNAUTHORIZED
    assert code(await refreshed(tumblr, tokens["refresh_token"])) == UNAUTHORIZED


async def test_a_bearer_may_only_do_what_it_is_for(tumblr: Tumblelog, world: World) -> None:
    access, _, events = tumblr_of(world).keys.new_pair(tumblr.account, "basic")
    world.happen(*events)
    assert (await tumblr.call("GET", "user/info", bearer=access.token)).status == 200
    told = {"content": [{"type": "text", "text": "Hi"}]}
    assert code(await tumblr.call("POST", "blog/alice/posts", json=told, bearer=access.token)) == (403, 0)


async def test_every_call_names_its_agent(tumblr: Tumblelog) -> None:
    url = f"{tumblr.http.url}{INFO}"
    for agent in ("", " "):
        headers = {"user-agent": agent, "authorization": tumblr.signer.header("GET", url)}
        assert code(await tumblr.http("GET", INFO, headers=headers)) == (403, 0)
    headers = {"authorization": tumblr.signer.header("GET", url)}
    reply = await tumblr.http("GET", INFO, headers=headers, skip_auto_headers=["user-agent"])
    assert code(reply) == (403, 0)


async def test_public_things_need_the_applications_key(tumblr: Tumblelog) -> None:
    for path in ("info", "posts"):
        open_to_all = f"/tumblr/v2/blog/alice.tumblr.com/{path}"
        assert code(await tumblr.http("GET", open_to_all, headers=tumblr.agent)) == UNAUTHORIZED
        assert code(await tumblr.http("GET", f"{open_to_all}?api_key=x", headers=tumblr.agent)) == UNAUTHORIZED
        reply = await tumblr.http("GET", f"{open_to_all}?api_key={CONSUMER_KEY}", headers=tumblr.agent)
        assert (reply.status, reply.body["response"]["blog"]["uuid"]) == (200, tumblr.account.account_id)
    drafts = await tumblr.http("GET", f"/tumblr/v2/blog/alice/posts/draft?api_key={CONSUMER_KEY}", headers=tumblr.agent)
    assert code(drafts) == UNAUTHORIZED


async def test_blogs_of_others_and_of_nobody(tumblr: Tumblelog, world: World) -> None:
    bob = tumblr_client(tumblr.http, world, "bob")
    post_id = (await bob.post("Bob's")).body["response"]["id"]
    told = {"content": [{"type": "text", "text": "Hi"}]}
    for method, path, options in (
        ("POST", "blog/bob/posts", {"json": told}),
        ("PUT", f"blog/bob/posts/{post_id}", {"json": told}),
        ("POST", "blog/bob/post/delete", {"json": {"id": post_id}}),
        ("GET", "blog/bob/posts/draft", {}),
        ("GET", "blog/bob/posts/queue", {}),
    ):
        assert code(await tumblr.call(method, path, **options)) == (403, 0)
        assert code(await tumblr.call(method, path.replace("bob", "nobody"), **options)) == (404, 0)
    assert code(await tumblr.put(post_id, "Mine")) == (404, 0)
    assert code(await tumblr.call("POST", "blog/alice/post/delete", json={"id": post_id})) == (404, 0)
    assert (await tumblr.call("GET", f"blog/bob/posts/{post_id}")).body["response"][
        "tumblelog_uuid"
    ] == bob.account.account_id
    assert code(await tumblr.call("GET", f"blog/alice/posts/{post_id}")) == (404, 0)
    assert [entry.operation for entry in world.ledger] == ["createPost"]


async def test_standings(tumblr: Tumblelog, world: World) -> None:
    world.set_standing(tumblr.account, "restricted")
    assert code(await tumblr.post("Hi")) == (403, 0)
    assert (await tumblr.call("GET", "user/info")).status == 200
    world.set_standing(tumblr.account, "takendown")
    assert code(await tumblr.call("GET", "user/info")) == UNAUTHORIZED
    public = await tumblr.http("GET", f"/tumblr/v2/blog/alice/info?api_key={CONSUMER_KEY}", headers=tumblr.agent)
    assert code(public) == (404, 0)


async def test_the_applications_rates_are_told_and_hold(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits(rates={"tumblr.key.hour": Rate(3, 3_600), "tumblr.key.day": Rate(5, 86_400)}))
    told = []
    for _ in range(3):
        reply = await tumblr.call("GET", "user/info")
        told.append([reply.headers[f"x-ratelimit-{name}-remaining"] for name in ("perhour", "perday")])
    assert told == [["2", "4"], ["1", "3"], ["0", "2"]]
    assert [reply.headers[f"x-ratelimit-{name}-limit"] for name in ("perhour", "perday")] == ["3", "5"]
    over = await tumblr.call("GET", "user/info")
    assert (code(over), over.body["meta"]["msg"]) == ((429, 0), "Limit Exceeded")
    assert 3_590 <= int(over.headers["x-ratelimit-perhour-reset"]) <= 3_600
    assert "retry-after" not in over.headers
    someone = tumblr_client(tumblr.http, world, "bob")
    assert (await someone.call("GET", "user/info")).status == 429
    world.advance(3_601)
    assert (await tumblr.call("GET", "user/info")).status == 200
    assert (await tumblr.call("GET", "user/info")).headers["x-ratelimit-perday-remaining"] == "0"
    assert (await tumblr.call("GET", "user/info")).status == 429


async def test_an_address_is_limited_while_its_key_is_not(tumblr: Tumblelog, world: World) -> None:
    world.impose(Limits(rates={"tumblr.address.minute": Rate(2, 60)}))
    assert [(await tumblr.call("GET", "user/info")).status for _ in range(3)] == [200, 200, 429]
    world.advance(61)
    assert (await tumblr.call("GET", "user/info")).status == 200


async def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    first = World(path=tmp_path)
    account = first.add_account("tumblr", "alice")
    access, renewal, events = tumblr_of(first).keys.new_pair(account, "basic write")
    first.happen(*events, ("tumblr.revoked", {"token": renewal.token}))
    first.close()
    again = World(path=tmp_path)
    keys = tumblr_of(again).keys
    kept = keys.find_signed(account.secret)
    assert kept is not None
    assert (kept.secret, kept.revoked) == (account.more["tokenSecret"], False)
    held, renewing = keys.find_bearer(access.token), keys.find_bearer(renewal.token)
    assert held is not None
    assert renewing is not None
    assert (keys.holds(held), keys.holds(renewing)) == (True, False)
    again.close()
