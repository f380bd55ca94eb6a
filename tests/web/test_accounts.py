"""Accounts through the API: connected at simulated platforms, checked, made the default, disconnected."""

from typing import Any

import pytest

from hayon.sandbox.world import World
from tests.web.house import House, Visitor
from tests.web.test_posts import later, make

World_ = tuple[World, str]


def keys_of(world: World_, platform: str, handle: str) -> dict[str, Any]:
    """A fresh account at the simulated platform, as credentials to connect it with."""
    account = world[0].add_account(platform, handle)
    if platform == "bluesky":
        return {"identifier": account.handle, "appPassword": account.secret, "service": f"{world[1]}/bluesky"}
    return {"instanceUrl": f"{world[1]}/mastodon", "accessToken": account.secret}


@pytest.mark.parametrize(("platform", "handle"), [("bluesky", "ada.test"), ("mastodon", "ada")])
async def test_connecting_checks_first_and_keeps_secrets_sealed(
    published: House, world: World_, platform: str, handle: str
) -> None:
    ada = await published.register()
    given = keys_of(world, platform, handle)
    answer = await ada.post(f"/api/accounts/{platform}", given)
    assert answer.status == 201, answer.text
    account = answer.json
    assert (account["platform"], account["isDefault"]) == (platform, True)
    assert account["health"] == {"status": "active", "needsReconnection": False, "message": "", "mend": ""}
    assert account["rules"]["text"]["limit"] in {300, 500}
    assert (await ada.get("/api/accounts")).json["accounts"] == [account]
    secret = given.get("appPassword") or given["accessToken"]
    assert secret not in answer.text
    for kept in published.hayon.settings.data_dir.glob("hayon.db*"):
        assert secret.encode() not in kept.read_bytes()
    again = await ada.post(f"/api/accounts/{platform}", given)
    assert again.json["accountId"] == account["accountId"]


async def test_refused_credentials_are_a_problem_of_that_platform(published: House, world: World_) -> None:
    ada = await published.register()
    given = keys_of(world, "bluesky", "ada.test") | {"appPassword": "aaaa-bbbb-cccc-dddd"}
    answer = await ada.post("/api/accounts/bluesky", given)
    assert answer.status == 422
    assert answer.rules == {("credentials", "refused")}
    assert answer.json["problems"][0]["platform"] == "bluesky"
    assert "aaaa-bbbb" not in answer.text
    missing = await ada.post("/api/accounts/bluesky", {"identifier": "ada.test"})
    assert missing.rules == {("appPassword", "missing")}
    assert (await ada.get("/api/accounts")).json["accounts"] == []


@pytest.mark.parametrize(
    ("platform", "given", "field"),
    [
        ("friendster", {"token": "x"}, "platform"),
        ("bluesky", {"identifier": 5}, "identifier"),
        ("bluesky", {"identifier": ["x"]}, "identifier"),
        ("bluesky", {"identifier": "x" * 4_001}, "identifier"),
        ("bluesky", {str(number): "x" for number in range(21)}, "body"),
        ("bluesky", ["x"], "body"),
    ],
)
async def test_connecting_badly(house: House, ada: Visitor, platform: str, given: Any, field: str) -> None:
    answer = await ada.post(f"/api/accounts/{platform}", given)
    assert answer.status == 422
    assert [one["field"] for one in answer.json["problems"]] == [field]


async def test_checking_tells_what_the_platform_says(published: House, world: World_) -> None:
    ada = await published.register()
    account = (await ada.post("/api/accounts/mastodon", keys_of(world, "mastodon", "ada"))).json
    path = f"/api/accounts/{account['accountId']}/check"
    assert (await ada.post(path)).json["health"]["status"] == "active"
    world[0].revoke(world[0].get_account("mastodon", "ada"))
    health = (await ada.post(path)).json["health"]
    assert (health["status"], health["needsReconnection"]) == ("revoked", True)
    assert health["message"]


async def test_one_of_several_is_the_default(house: House, ada: Visitor) -> None:
    second = await house.account(ada, "bluesky", "ada.work.test")
    first = next(one for one in (await ada.get("/api/accounts")).json["accounts"] if one["isDefault"])
    assert first["accountId"] != str(second)
    assert (await ada.post(f"/api/accounts/{second}/default")).json["isDefault"] is True
    made = await ada.post("/api/posts", {"content": {"text": "a"}, "selectedPlatforms": ["bluesky"]})
    assert [one["accountId"] for one in made.json["platformStatuses"]] == [str(second)]
    listed = (await ada.get("/api/accounts")).json["accounts"]
    assert [one["accountId"] for one in listed if one["isDefault"]] == [str(second)]


async def test_disconnecting_says_what_becomes_of_what_waits(ada: Visitor) -> None:
    (account,) = (await ada.get("/api/accounts")).json["accounts"]
    for _ in range(2):
        await make(ada, scheduledAt=later())
    told = await ada.ask("DELETE", f"/api/accounts/{account['accountId']}")
    assert (told.status, told.json["unfinishedTargets"]) == (200, 2)
    assert "2 posts were not finished" in told.json["message"]
    assert (await ada.get("/api/accounts")).json["accounts"] == []
    assert (await ada.ask("DELETE", f"/api/accounts/{account['accountId']}")).status == 404
