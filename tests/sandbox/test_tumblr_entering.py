"""How an application is let in at the simulated Tumblr: the pages, the codes of OAuth2, the three legs of OAuth 1.0a."""

import re
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from oauthlib.oauth1 import Client as OAuthClient
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.tumblelog import AGENT, Signer, Tumblelog, code, tumblr_client

from hayon.sandbox.tumblr import CONSUMER_KEY, CONSUMER_SECRET
from hayon.sandbox.tumblr.limits import TumblrLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = "http://127.0.0.1:9/api/accounts/tumblr/callback"
ASKED = {
    "client_id": CONSUMER_KEY, "response_type": "code", "scope": "basic write offline_access", "state": "s t&",
    "redirect_uri": BACK,
}  # fmt: skip
PAGE, SIGNED_PAGE = "/tumblr/oauth2/authorize", "/tumblr/oauth/authorize"
REQUEST, ACCESS = "/tumblr/oauth/request_token", "/tumblr/oauth/access_token"


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


async def answered(http: Http, page: str, asked: dict[str, str], **chosen: str) -> str:
    """Where the browser is sent by the form of that page; empty where it is shown a refusal."""
    shown = await http("GET", f"{page}?{urlencode(asked)}")
    if shown.status != 200:
        assert shown.status == 400
        return ""
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', shown.body.replace("&amp;", "&")))
    assert hidden == asked
    async with http.session.post(http.url + page, data={**hidden, **chosen}, allow_redirects=False) as answer:
        assert answer.status in {302, 400}
        return str(answer.headers.get("location", ""))


def told(address: str) -> dict[str, str]:
    """What an address has after its question mark."""
    return dict(parse_qsl(urlsplit(address).query))


async def tokens(tumblr: Tumblelog, code: str, **changed: str) -> Reply:
    """The tokens for a code."""
    given = {"grant_type": "authorization_code", "code": code, "client_id": CONSUMER_KEY, "redirect_uri": BACK}
    given |= {"client_secret": CONSUMER_SECRET, **changed}
    return await tumblr.http("POST", "/tumblr/v2/oauth2/token", data=given, headers=tumblr.agent)


async def signed(tumblr: Tumblelog, path: str, method: str = "POST", **more: str) -> Reply:
    """A leg of OAuth 1.0a, signed by a library of others."""
    url = tumblr.http.url + path
    client = OAuthClient(CONSUMER_KEY, CONSUMER_SECRET, **more)
    header = client.sign(url, method)[1]["Authorization"]
    return await tumblr.http(method, path, headers={"user-agent": AGENT, "authorization": header})


async def requested(tumblr: Tumblelog, callback: str = f"{BACK}?state=1") -> dict[str, str]:
    """A request token."""
    reply = await signed(tumblr, REQUEST, callback_uri=callback)
    assert reply.status == 200, reply.body
    return {name: held[0] for name, held in parse_qs(reply.body).items()}


async def exchanged(tumblr: Tumblelog, asked: dict[str, str], verifier: str, method: str = "POST") -> Reply:
    """The access token for an allowed request token."""
    return await signed(
        tumblr, ACCESS, method, resource_owner_key=asked["oauth_token"],
        resource_owner_secret=asked["oauth_token_secret"], verifier=verifier,
    )  # fmt: skip


# OAuth2


async def test_a_person_lets_an_application_in_and_it_posts_and_renews(tumblr: Tumblelog) -> None:
    location = await answered(tumblr.http, PAGE, ASKED, person=tumblr.account.account_id)
    back = told(location)
    assert (location.partition("?")[0], back["state"], back.keys()) == (BACK, "s t&", {"code", "state"})
    pair = (await tokens(tumblr, back["code"])).body
    assert (pair["token_type"], pair["expires_in"], pair["scope"]) == ("bearer", 2520, ASKED["scope"])
    info = await tumblr.call("GET", "user/info", bearer=pair["access_token"])
    assert info.body["response"]["user"]["name"] == "alice"
    post = {"content": [{"type": "text", "text": "Hi"}]}
    assert (await tumblr.call("POST", "blog/alice/posts", bearer=pair["access_token"], json=post)).status == 201
    renewed = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert (await tokens(tumblr, "", **renewed)).status == 200
    assert (await tokens(tumblr, "", **renewed)).status == 401  # used up


async def test_somebody_new_may_let_it_in_and_anybody_may_say_no(tumblr: Tumblelog, world: World) -> None:
    back = told(await answered(tumblr.http, PAGE, ASKED, new_person="carol"))
    made = (await tokens(tumblr, back["code"])).body
    info = await tumblr.call("GET", "user/info", bearer=made["access_token"])
    assert info.body["response"]["user"]["name"] == "carol"
    assert world.find_account("tumblr", "carol") is not None
    location = await answered(tumblr.http, PAGE, ASKED, refused="1")
    assert told(location) == {"error": "access_denied", "state": "s t&"}
    assert await answered(tumblr.http, PAGE, ASKED, new_person="oauth2") == ""  # no blog may be named like a page
    assert await answered(tumblr.http, PAGE, ASKED, person="nobody") == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "http://evil.test/api/accounts/tumblr/callback"},
        {"redirect_uri": "javascript://127.0.0.1/%0aalert(1)"},
        {"redirect_uri": "http://[::1"},
        {"redirect_uri": ""},
        {"response_type": "token"},
        {"state": ""},
        {"scope": "everything"},
    ],
)
async def test_a_person_is_not_even_asked_what_cannot_be(tumblr: Tumblelog, changed: dict[str, str]) -> None:
    assert await answered(tumblr.http, PAGE, ASKED | changed) == ""
    async with tumblr.http.session.post(
        tumblr.http.url + PAGE, data=ASKED | changed | {"person": "alice"}, allow_redirects=False
    ) as answer:
        assert (answer.status, answer.headers.get("location")) == (400, None)


async def test_another_address_counts_when_it_was_registered_sign_for_sign(tumblr: Tumblelog) -> None:
    home = "https://hayon.example/api/accounts/tumblr/callback"
    registered = {"platform": "tumblr", "redirectUri": home}
    assert (await tumblr.http("POST", "/control/redirects", json=registered)).status == 201
    location = await answered(tumblr.http, PAGE, ASKED | {"redirect_uri": home}, person="alice")
    assert location.startswith(f"{home}?")
    assert await answered(tumblr.http, PAGE, ASKED | {"redirect_uri": f"{home}/"}, person="alice") == ""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"code": "x" * 64}, (400, 0)),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, (400, 0)),
        ({"redirect_uri": ""}, (400, 0)),
        ({"client_secret": "wrong"}, (401, 1016)),
        ({"client_id": "another"}, (401, 1016)),
    ],
)
async def test_a_code_is_worth_nothing_without_its_proofs(
    tumblr: Tumblelog, changed: dict[str, str], expected: tuple[int, int]
) -> None:
    back = told(await answered(tumblr.http, PAGE, ASKED, person="alice"))
    assert code(await tokens(tumblr, **{"code": back["code"], **changed})) == expected


async def test_a_code_is_good_once_and_not_for_long(tumblr: Tumblelog, world: World) -> None:
    first = told(await answered(tumblr.http, PAGE, ASKED, person="alice"))["code"]
    assert [(await tokens(tumblr, first)).status for _ in range(2)] == [200, 400]
    late = told(await answered(tumblr.http, PAGE, ASKED, person="alice"))["code"]
    world.advance(world.limits.of(TumblrLimits).code_seconds)
    assert code(await tokens(tumblr, late)) == (400, 0)
    wrong = told(await answered(tumblr.http, PAGE, ASKED, person="alice"))["code"]
    assert (await tokens(tumblr, wrong, redirect_uri="http://127.0.0.1:9/other")).status == 400
    assert (await tokens(tumblr, wrong)).status == 400  # a wrong use uses it up


async def test_without_offline_access_nothing_renews(tumblr: Tumblelog) -> None:
    back = told(await answered(tumblr.http, PAGE, ASKED | {"scope": "basic"}, person="alice"))
    given = (await tokens(tumblr, back["code"])).body
    assert "refresh_token" not in given
    post = {"content": [{"type": "text", "text": "Hi"}]}
    assert (await tumblr.call("POST", "blog/alice/posts", bearer=given["access_token"], json=post)).status == 403


# OAuth 1.0a


async def test_three_legs_lead_to_a_token_that_outlives_everything(tumblr: Tumblelog, world: World) -> None:
    asked = await requested(tumblr)
    assert asked["oauth_callback_confirmed"] == "true"
    location = await answered(tumblr.http, SIGNED_PAGE, {"oauth_token": asked["oauth_token"]}, person="alice")
    back = told(location)
    assert location.startswith(f"{BACK}?")
    assert (back["state"], back["oauth_token"]) == ("1", asked["oauth_token"])
    reply = await exchanged(tumblr, asked, back["oauth_verifier"])
    made = dict(parse_qsl(reply.body))
    signer = Signer(made["oauth_token"], made["oauth_token_secret"])
    path = "/tumblr/v2/user/info"

    async def asked_who() -> Reply:
        header = signer.header("GET", tumblr.http.url + path)
        return await tumblr.http("GET", path, headers={"user-agent": AGENT, "authorization": header})

    assert (await asked_who()).body["response"]["user"]["name"] == "alice"
    world.advance(400 * 86_400)
    assert (await asked_who()).status == 200
    world.revoke(tumblr.account)
    assert (await asked_who()).status == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_token_is_good_once(tumblr: Tumblelog, method: str) -> None:
    asked = await requested(tumblr)
    page = {"oauth_token": asked["oauth_token"]}
    assert (await exchanged(tumblr, asked, "before", method)).status == 401  # nobody allowed it yet
    verifier = told(await answered(tumblr.http, SIGNED_PAGE, page, person="alice"))["oauth_verifier"]
    assert await answered(tumblr.http, SIGNED_PAGE, page, person="alice") == ""  # answered once
    assert (await exchanged(tumblr, asked, "wrong", method)).status == 401
    stolen = {**asked, "oauth_token_secret": "wrong"}
    assert (await exchanged(tumblr, stolen, verifier, method)).status == 401
    assert [(await exchanged(tumblr, asked, verifier, method)).status for _ in range(2)] == [200, 401]


async def test_a_request_token_grows_old_and_a_no_ends_it(tumblr: Tumblelog, world: World) -> None:
    asked = await requested(tumblr)
    page = {"oauth_token": asked["oauth_token"]}
    assert await answered(tumblr.http, SIGNED_PAGE, page, refused="1") == f"{BACK}?state=1"
    assert await answered(tumblr.http, SIGNED_PAGE, page, person="alice") == ""
    late = await requested(tumblr)
    page = {"oauth_token": late["oauth_token"]}
    verifier = told(await answered(tumblr.http, SIGNED_PAGE, page, person="alice"))["oauth_verifier"]
    world.advance(world.limits.of(TumblrLimits).request_token_seconds)
    assert (await exchanged(tumblr, late, verifier)).status == 401
    assert await answered(tumblr.http, SIGNED_PAGE, {"oauth_token": "nobodys"}) == ""


@pytest.mark.parametrize(
    ("signer", "changed"),
    [
        ({"secret": "wrong"}, {}),
        ({"key": "another"}, {}),
        ({"clock": lambda: time.time() - 400}, {}),
        ({}, {"oauth_callback": "http://evil.test/api/accounts/tumblr/callback"}),
        ({}, {"oauth_callback": "http://[::1"}),
        ({}, {"oauth_signature_method": "PLAINTEXT"}),
        ({}, {"oauth_nonce": ""}),
    ],
)
async def test_requests_for_a_token_that_are_refused(
    tumblr: Tumblelog, signer: dict[str, Any], changed: dict[str, str]
) -> None:
    async def tried(made: Signer, **more: str) -> Reply:
        header = made.header("POST", tumblr.http.url + REQUEST, **{"oauth_callback": BACK, **more})
        return await tumblr.http("POST", REQUEST, headers={"user-agent": AGENT, "authorization": header})

    reply = await tried(Signer("", "", **signer), **changed)
    assert (reply.status, reply.body) == (401, "The request for a token is not valid")
    assert (await tried(Signer("", ""))).status == 200


async def test_a_request_for_a_token_is_good_once_and_signed_in_its_header(tumblr: Tumblelog) -> None:
    url = tumblr.http.url + REQUEST
    header = OAuthClient(CONSUMER_KEY, CONSUMER_SECRET, callback_uri=BACK).sign(url, "POST")[1]["Authorization"]
    headers = {"user-agent": AGENT, "authorization": header}
    assert [(await tumblr.http("POST", REQUEST, headers=headers)).status for _ in range(2)] == [200, 401]
    in_query = OAuthClient(CONSUMER_KEY, CONSUMER_SECRET, callback_uri=BACK, signature_type="QUERY")
    address = in_query.sign(url, "POST")[0].removeprefix(tumblr.http.url)
    assert (await tumblr.http("POST", address, headers=tumblr.agent)).status == 401
    assert (await tumblr.http("POST", REQUEST, headers=tumblr.agent)).status == 401


async def test_nothing_secret_of_it_stands_in_the_log(tumblr: Tumblelog, world: World) -> None:
    asked = await requested(tumblr)
    page = {"oauth_token": asked["oauth_token"]}
    verifier = told(await answered(tumblr.http, SIGNED_PAGE, page, person="alice"))["oauth_verifier"]
    made = dict(parse_qsl((await exchanged(tumblr, asked, verifier)).body))
    back = told(await answered(tumblr.http, PAGE, ASKED, person="alice"))
    pair = (await tokens(tumblr, back["code"])).body
    shown = str([dict(line) for line in world.requests])
    secrets = [asked["oauth_token_secret"], verifier, made["oauth_token_secret"], back["code"], CONSUMER_SECRET]
    secrets += [pair["access_token"], pair["refresh_token"]]
    assert [one for one in secrets if one in shown] == []
    lines = [line for line in world.requests if line["operation"] in ("accessToken", "token")]
    assert [(line["operation"], line["handle"]) for line in lines] == [("accessToken", "alice"), ("token", "alice")]
