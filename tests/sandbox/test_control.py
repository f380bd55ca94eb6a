"""The control API: what a test or a person does to a world from outside."""

from typing import Any

import pytest
from tests.sandbox.conftest import Bluesky, Http, Mastodon

from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_accounts_come_with_what_connects_them(http: Http) -> None:
    given = {"platform": "bluesky", "handle": "alice.test", "displayName": "Alice"}
    sky = await http("POST", "/control/accounts", json=given)
    assert sky.status == 201
    assert sky.body["service"] == f"{http.url}/bluesky"
    login = {"identifier": sky.body["identifier"], "password": sky.body["appPassword"]}
    session = await http("POST", "/bluesky/xrpc/com.atproto.server.createSession", json=login)
    assert session.body["did"] == sky.body["id"]
    toot = await http("POST", "/control/accounts", json={"platform": "mastodon", "handle": "alice", "appName": "X"})
    assert toot.body["instanceUrl"] == f"{http.url}/mastodon"
    headers = {"authorization": f"Bearer {toot.body['accessToken']}"}
    me = await http("GET", "/mastodon/api/v1/accounts/verify_credentials", headers=headers)
    assert (me.body["id"], me.body["acct"]) == (toot.body["id"], "alice")
    listed = await http("GET", "/control/accounts")
    assert listed.body["accounts"] == [sky.body, toot.body]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"platform": "bluesky", "handle": "nodots"}, "cannot be a handle"),
        ({"platform": "mastodon", "handle": "with space"}, "cannot be a handle"),
        ({"platform": "friendster", "handle": "alice"}, "no platform"),
        ({"platform": "mastodon"}, "handle must be given"),
        ({"platform": "mastodon", "handle": "ALICE"}, "exists already"),
        ([], "JSON object"),
    ],
)
async def test_accounts_that_cannot_be(mastodon: Mastodon, http: Http, given: Any, words: str) -> None:
    reply = await http("POST", "/control/accounts", json=given)
    assert reply.status == 422
    assert words in reply.body["problem"]


async def test_the_ledger_by_platform_and_account(mastodon: Mastodon, bluesky: Bluesky, http: Http) -> None:
    await mastodon.post("toot", key="k")
    await mastodon.post("toot", key="k")
    await bluesky.put("sky", rkey="3kabcdefgh222")
    whole = (await http("GET", "/control/ledger")).body
    assert [(one["n"], one["operation"], one["repeat"]) for one in whole["entries"]] == [
        (1, "createStatus", False),
        (2, "createStatus", True),
        (3, "putRecord", False),
    ]
    assert [one["key"] for one in whole["entries"]] == ["k", "k", "3kabcdefgh222"]
    sky = (await http("GET", "/control/ledger", params={"platform": "bluesky"})).body
    assert (sky["count"], sky["entries"][0]["remoteId"].startswith("at://did:plc:")) == (1, True)
    assert (await http("GET", "/control/ledger", params={"account": "alice"})).body["count"] == 2
    lines = (await http("GET", "/control/requests")).body["requests"]
    assert {one["requestId"] for one in whole["entries"]} <= {line["n"] for line in lines}


async def test_the_log_of_requests_shows_no_secret(bluesky: Bluesky, mastodon: Mastodon, http: Http) -> None:
    await mastodon.post("Shown", key="k")
    await bluesky.put("Shown too")
    await mastodon.call("GET", "/api/v1/accounts/1/statuses", params={"access_token": "hidden", "limit": "3"})
    await http("POST", "/mastodon/oauth/token", data={"client_secret": "hidden", "code": "hidden"})
    log = await http("GET", "/control/requests")
    text = str(log.body)
    secrets = [bluesky.account.secret, bluesky.access, bluesky.refresh, mastodon.account.secret, "hidden"]
    assert [one for one in secrets if one in text] == []
    by_name = {line["operation"]: line for line in log.body["requests"]}
    assert by_name["createStatus"]["body"] == {"status": "Shown"}
    assert by_name["createStatus"]["headers"]["idempotency-key"] == "k"
    assert by_name["createStatus"]["headers"]["authorization"] == "Bearer •••"
    assert by_name["createSession"]["body"]["password"] == "•••"
    assert by_name["putRecord"]["body"]["record"]["text"] == "Shown too"
    assert (by_name["putRecord"]["status"], by_name["putRecord"]["handle"]) == (200, "alice.test")
    one = await http("GET", "/control/requests", params={"operation": "putRecord"})
    assert one.body["count"] == 1


async def test_faults_are_planned_listed_and_cleared(mastodon: Mastodon, http: Http) -> None:
    given = {"platform": "mastodon", "operation": "createStatus", "kind": "refuse", "status": 503, "count": 2}
    planned = await http("POST", "/control/faults", json=given)
    assert (planned.status, planned.body["left"], planned.body["kind"]) == (201, 2, "refuse")
    assert (await mastodon.post()).status == 503
    listed = (await http("GET", "/control/faults")).body
    assert [(one["left"], one["struck"]) for one in listed["faults"]] == [(1, 1)]
    assert "accept_late" in listed["kinds"]
    forever = await http("POST", "/control/faults", json={**given, "count": None})
    assert forever.body["left"] is None
    left = await http("DELETE", "/control/faults", params={"id": str(planned.body["id"])})
    assert [one["id"] for one in left.body["faults"]] == [forever.body["id"]]
    assert (await http("DELETE", "/control/faults")).body == {"faults": []}
    assert (await mastodon.post()).status == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"platform": "bluesky", "kind": "list_late"}, "strongly consistent"),
        ({"platform": "bluesky", "kind": "delay", "speed": 3}, "has no speed"),
        ({"platform": "bluesky", "kind": "delay", "count": "many"}, "this is no fault"),
        ({"kind": "delay"}, "platform must be given"),
    ],
)
async def test_faults_that_cannot_be(http: Http, given: dict[str, Any], words: str) -> None:
    reply = await http("POST", "/control/faults", json=given)
    assert reply.status == 422
    assert words in reply.body["problem"]


async def test_clock_latency_and_reset(mastodon: Mastodon, http: Http, world: World) -> None:
    before = world.now()
    moved = await http("POST", "/control/clock", json={"advanceSeconds": 3600})
    assert world.now() >= before + 3600
    assert moved.body["now"] > (await http("GET", "/control/ledger")).headers.get("date", "")[:0]
    assert (await http("POST", "/control/clock", json={"advanceSeconds": -1})).status == 422
    latency = await http("PUT", "/control/latency", json={"platform": "mastodon", "seconds": 0.01})
    assert latency.body == {**dict.fromkeys(world.sites, 0.0), "mastodon": 0.01}
    assert (await http("PUT", "/control/latency", json={"platform": "mastodon", "seconds": -1})).status == 422
    await mastodon.post()
    assert (await http("POST", "/control/reset")).status == 200
    assert (world.ledger, world.accounts, world.faults.all()) == ([], {}, [])
    assert world.now() < before + 3600
    assert (await http("GET", "/control/ledger")).body == {"count": 0, "entries": []}


async def test_accounts_are_changed(mastodon: Mastodon, bluesky: Bluesky, http: Http) -> None:
    token = mastodon.account.secret
    revoked = await http("POST", "/control/accounts/mastodon/alice/revoke")
    assert revoked.body["accessToken"] == ""
    renewed = await http("POST", "/control/accounts/mastodon/alice/renew")
    assert renewed.body["accessToken"] not in ("", token)
    assert (await http("POST", "/control/accounts/bluesky/alice.test/expire")).status == 200
    assert (await bluesky.put()).error == "ExpiredToken"
    standing = await http("POST", "/control/accounts/bluesky/alice.test/standing", json={"standing": "takendown"})
    assert standing.body["standing"] == "takendown"
    for path in ("mastodon/alice/expire", "mastodon/nobody/renew", "mastodon/alice/explode"):
        assert (await http("POST", f"/control/accounts/{path}")).status == 422
    wrong = await http("POST", "/control/accounts/mastodon/alice/standing", json={"standing": "takendown"})
    assert wrong.status == 422
