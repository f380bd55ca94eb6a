"""Applications and tokens: the whole way through the browser's redirect, and what it refuses."""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.sandbox.conftest import Http, Mastodon, Reply

from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = "http://127.0.0.1:9/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def register(http: Http, **changes: Any) -> Reply:
    given = {"client_name": "Hayon", "redirect_uris": BACK, "scopes": "profile write read", "website": "https://x.test"}
    return await http("POST", "/mastodon/api/v1/apps", json={**given, **changes})


async def allow(http: Http, app: dict[str, Any], **form: str) -> Any:
    asked = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "scope": "profile write:statuses",
        "state": "s t&",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    page = await http("GET", "/mastodon/oauth/authorize", params=asked)
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.body.replace("&amp;", "&")))
    path = f"{http.url}/mastodon/oauth/authorize"
    async with http.session.post(path, data={**hidden, **form}, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("location", "")


async def exchange(http: Http, app: dict[str, Any], code: str, **changes: str) -> Reply:
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return await http("POST", "/mastodon/oauth/token", data={**given, **changes})


async def test_from_registering_to_revoking(mastodon: Mastodon, http: Http, world: World) -> None:
    app = (await register(http)).body
    assert app["client_secret_expires_at"] == 0
    status, location = await allow(http, app, person=mastodon.account.account_id)
    back = parse_qs(urlsplit(location).query)
    assert (status, location.startswith(BACK), back["state"]) == (302, True, ["s t&"])
    reply = await exchange(http, app, back["code"][0])
    assert (reply.body["token_type"], reply.body["scope"]) == ("Bearer", "profile write:statuses")
    headers = {"authorization": f"Bearer {reply.body['access_token']}"}
    me = await http("GET", "/mastodon/api/v1/accounts/verify_credentials", headers=headers)
    assert me.body["id"] == mastodon.account.account_id
    made = await http("POST", "/mastodon/api/v1/statuses", json={"status": "x"}, headers=headers)
    assert made.body["application"] == {"name": "Hayon", "website": "https://x.test"}
    upload = await http("POST", "/mastodon/api/v2/media", headers=headers)
    assert (upload.status, upload.error) == (403, "This action is outside the authorized scopes")
    again = await exchange(http, app, back["code"][0])
    assert (again.status, again.error) == (400, "invalid_grant")

    stranger = (await register(http)).body
    given = {"token": reply.body["access_token"], "client_id": stranger["client_id"]}
    given["client_secret"] = stranger["client_secret"]
    assert (await http("POST", "/mastodon/oauth/revoke", data=given)).error == "unauthorized_client"
    given |= {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    for _ in range(2):
        assert (await http("POST", "/mastodon/oauth/revoke", data=given)).body == {}
    gone = await http("GET", "/mastodon/api/v1/accounts/verify_credentials", headers=headers)
    assert (gone.status, gone.error) == (401, "The access token was revoked")


async def test_one_person_and_one_application_share_a_token(mastodon: Mastodon, http: Http) -> None:
    app, tokens = (await register(http)).body, set()
    for _ in range(2):
        _, location = await allow(http, app, person=mastodon.account.account_id)
        code = parse_qs(urlsplit(location).query)["code"][0]
        tokens.add((await exchange(http, app, code)).body["access_token"])
    assert len(tokens) == 1


async def test_a_visitor_can_make_a_person_on_the_way(http: Http, world: World) -> None:
    app = (await register(http)).body
    status, _ = await allow(http, app, new_person="@carol")
    assert status == 302
    assert world.find_account("mastodon", "carol") is not None
    status, _ = await allow(http, app, new_person="not a name")
    assert status == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "push"}, "invalid_scope"),
    ],
)
async def test_a_code_is_worth_nothing_without_its_proofs(
    mastodon: Mastodon, http: Http, changes: dict[str, str], error: str
) -> None:
    app = (await register(http)).body
    _, location = await allow(http, app, person="alice")
    code = parse_qs(urlsplit(location).query)["code"][0]
    assert (await exchange(http, app, code, **changes)).error == error


async def test_a_code_dies_after_ten_minutes(mastodon: Mastodon, http: Http, world: World) -> None:
    app = (await register(http)).body
    _, location = await allow(http, app, person="alice")
    world.advance(601)
    assert (await exchange(http, app, parse_qs(urlsplit(location).query)["code"][0])).error == "invalid_grant"


async def test_an_application_is_not_a_person(http: Http) -> None:
    app = (await register(http)).body
    reply = await exchange(http, app, "", grant_type="client_credentials", scope="read write")
    headers = {"authorization": f"Bearer {reply.body['access_token']}"}
    refused = await http("POST", "/mastodon/api/v1/statuses", json={"status": "x"}, headers=headers)
    assert (refused.status, refused.error) == (422, "This method requires an authenticated user")


async def test_registrations_and_requests_that_make_no_sense(http: Http) -> None:
    assert (await register(http, client_name="")).status == 422
    assert (await register(http, redirect_uris=[])).status == 422
    assert (await register(http, scopes="everything")).status == 422
    app = (await register(http)).body
    for wrong in ({"client_id": "x"}, {"redirect_uri": "http://evil.test/"}, {"scope": "push"}, {"response_type": "t"}):
        asked = {"response_type": "code", "client_id": app["client_id"], "redirect_uri": BACK, "scope": "read"}
        assert (await http("GET", "/mastodon/oauth/authorize", params={**asked, **wrong})).status == 400


async def test_the_instance_describes_itself(http: Http) -> None:
    new = (await http("GET", "/mastodon/api/v2/instance")).body
    old = (await http("GET", "/mastodon/api/v1/instance")).body
    for described in (new, old):
        statuses = described["configuration"]["statuses"]
        assert (statuses["max_characters"], statuses["characters_reserved_per_url"]) == (500, 23)
        assert "image/webp" in described["configuration"]["media_attachments"]["supported_mime_types"]
    found = (await http("GET", "/mastodon/.well-known/oauth-authorization-server")).body
    assert found["token_endpoint"] == f"{http.url}/mastodon/oauth/token"
