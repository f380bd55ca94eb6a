"""Sessions of the simulated PDS: who gets in, when tokens die, how they rotate."""

import base64

import pytest
from tests.sandbox.conftest import Bluesky, Http, token_id

from hayon.sandbox.bluesky.tokens import read, sign
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = "com.atproto.server."


async def test_both_passwords_open_a_session_and_a_wrong_one_does_not(bluesky: Bluesky) -> None:
    for password in (bluesky.account.secret, bluesky.account.password):
        reply = await bluesky.login(password)
        assert reply.status == 200
        assert reply.body["did"] == bluesky.account.account_id
        assert reply.body["active"] is True
        endpoint = reply.body["didDoc"]["service"][0]["serviceEndpoint"]
        assert endpoint == f"{bluesky.http.url}/bluesky"
    wrong = await bluesky.login("xxxx-xxxx-xxxx-xxxx")
    assert (wrong.status, wrong.error) == (401, "AuthenticationRequired")
    assert wrong.message == "Invalid identifier or password"


async def test_an_unknown_person_and_an_empty_call_are_refused(bluesky: Bluesky, http: Http) -> None:
    given = {"identifier": "nobody.test", "password": bluesky.account.secret}
    reply = await http("POST", f"/bluesky/xrpc/{SESSION}createSession", json=given)
    assert (reply.status, reply.error) == (401, "AuthenticationRequired")
    reply = await http("POST", f"/bluesky/xrpc/{SESSION}createSession", json={"identifier": "alice.test"})
    assert (reply.status, reply.error) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        (None, 401, "AuthMissing"),
        ("Bearer garbage", 400, "InvalidToken"),
        ("Basic abc", 400, "InvalidToken"),
        ("Bearer {refresh}", 400, "InvalidToken"),
        ("Bearer {access}", 200, ""),
    ],
)
async def test_tokens_are_told_apart(bluesky: Bluesky, http: Http, header: str | None, status: int, error: str) -> None:
    text = (header or "").format(access=bluesky.access, refresh=bluesky.refresh)
    headers = {"authorization": text} if header else {}
    reply = await http("GET", f"/bluesky/xrpc/{SESSION}getSession", headers=headers)
    assert (reply.status, reply.error) == (status, error)


async def test_a_token_with_other_claims_or_of_another_world_is_refused(bluesky: Bluesky) -> None:
    head, payload, signature = bluesky.access.split(".")
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).replace(b"appPass", b"access_")
    changed = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    other = World()
    foreign = sign(other.signing_key, read(bluesky.world.signing_key, bluesky.access), other.now())
    other.close()
    for token in (f"{head}.{changed}.{signature}", foreign):
        reply = await bluesky.query(SESSION + "getSession", token=token)
        assert (reply.status, reply.error) == (400, "InvalidToken")


async def test_an_access_token_lives_two_hours(bluesky: Bluesky, world: World) -> None:
    world.advance(2 * 3600 - 60)
    assert (await bluesky.query(SESSION + "getSession")).status == 200
    world.advance(120)
    reply = await bluesky.query(SESSION + "getSession")
    assert (reply.status, reply.error) == (400, "ExpiredToken")
    renewed = await bluesky.call(SESSION + "refreshSession", token=bluesky.refresh)
    assert (await bluesky.query(SESSION + "getSession", token=renewed.body["accessJwt"])).status == 200


async def test_an_old_refresh_token_yields_the_same_successor_for_two_hours(bluesky: Bluesky, world: World) -> None:
    old = bluesky.refresh
    first = await bluesky.call(SESSION + "refreshSession", token=old)
    again = await bluesky.call(SESSION + "refreshSession", token=old)
    assert first.status == again.status == 200
    assert token_id(first.body["refreshJwt"]) == token_id(again.body["refreshJwt"]) != token_id(old)
    world.advance(2 * 3600 + 1)
    late = await bluesky.call(SESSION + "refreshSession", token=old)
    assert (late.status, late.error, late.message) == (400, "ExpiredToken", "Token has been revoked")
    successor = await bluesky.call(SESSION + "refreshSession", token=first.body["refreshJwt"])
    assert successor.status == 200


async def test_refreshing_takes_no_body_and_no_access_token(bluesky: Bluesky) -> None:
    reply = await bluesky.call(SESSION + "refreshSession", {}, token=bluesky.refresh)
    assert (reply.status, reply.error) == (400, "InvalidRequest")
    reply = await bluesky.call(SESSION + "refreshSession", token=bluesky.access)
    assert (reply.status, reply.error) == (400, "InvalidToken")


async def test_a_deleted_session_cannot_be_refreshed(bluesky: Bluesky) -> None:
    assert (await bluesky.call(SESSION + "deleteSession", token=bluesky.refresh)).status == 200
    reply = await bluesky.call(SESSION + "refreshSession", token=bluesky.refresh)
    assert (reply.status, reply.error) == (400, "ExpiredToken")


async def test_a_revoked_app_password_shows_at_the_next_refresh_only(bluesky: Bluesky, world: World) -> None:
    world.revoke(bluesky.account)
    assert (await bluesky.put()).status == 200
    reply = await bluesky.call(SESSION + "refreshSession", token=bluesky.refresh)
    assert (reply.status, reply.error, reply.message) == (400, "ExpiredToken", "Token has been revoked")
    assert (await bluesky.login("")).status == 401
    world.renew(bluesky.account)
    assert (await bluesky.login()).status == 200


async def test_standing(bluesky: Bluesky, world: World) -> None:
    world.set_standing(bluesky.account, "deactivated")
    assert (await bluesky.put()).error == "AccountDeactivated"
    session = await bluesky.query(SESSION + "getSession")
    assert (session.body["active"], session.body["status"]) == (False, "deactivated")
    world.set_standing(bluesky.account, "takendown")
    reply = await bluesky.put()
    assert (reply.status, reply.error) == (401, "AccountTakedown")
    world.set_standing(bluesky.account, "active")
    assert (await bluesky.put()).status == 200


async def test_the_server_describes_itself_and_its_people(bluesky: Bluesky, http: Http) -> None:
    described = await http("GET", f"/bluesky/xrpc/{SESSION}describeServer")
    assert described.body["blobUploadLimit"] == 5 * 2**20
    resolve = "/bluesky/xrpc/com.atproto.identity.resolveHandle"
    assert (await http("GET", resolve, params={"handle": "Alice.test"})).body["did"] == bluesky.account.account_id
    unknown = await http("GET", resolve, params={"handle": "nobody.test"})
    assert (unknown.status, unknown.message) == (400, "Unable to resolve handle")
    assert (await http("GET", resolve)).status == 400
    profile = await bluesky.query("app.bsky.actor.getProfile", actor="alice.test")
    assert (profile.body["displayName"], profile.body["did"]) == ("Alice", bluesky.account.account_id)
    assert (await bluesky.query("app.bsky.actor.getProfile", actor="nobody.test")).message == "Profile not found"


async def test_methods_and_verbs_that_do_not_exist(http: Http) -> None:
    reply = await http("GET", "/bluesky/xrpc/app.bsky.feed.nothing")
    assert (reply.status, reply.error) == (501, "MethodNotImplemented")
    reply = await http("GET", "/bluesky/xrpc/com.atproto.repo.putRecord")
    assert (reply.status, reply.error) == (400, "InvalidRequest")
