"""The platforms' rules as data, and the addresses that machines ask: alive, ready, metrics."""

from uuid import uuid4

from tests.web.house import House, Visitor


async def test_platforms_are_data(ada: Visitor) -> None:
    platforms = {one["platform"]: one for one in (await ada.get("/api/platforms")).json["platforms"]}
    assert set(platforms) == {"bluesky", "threads", "instagram", "facebook", "mastodon", "tumblr"}
    assert platforms["bluesky"]["text"]["limit"] == 300
    assert platforms["mastodon"]["images"]["limit"] == 4
    assert platforms["threads"]["videos"]["maxSeconds"] == 300
    assert (platforms["instagram"]["mixed"], platforms["instagram"]["mediaRequired"]) == (True, True)
    assert all({"schema", "meaning"} == set(option) for one in platforms.values() for option in one["options"].values())


async def test_a_notice_that_is_not_there(ada: Visitor) -> None:
    assert (await ada.post(f"/api/notices/{uuid4()}/read")).status == 404


async def test_alive_and_ready_need_nobody(house: House) -> None:
    stranger = house.visitor()
    assert (await stranger.get("/healthz")).json["status"] == "alive"
    assert (await stranger.get("/readyz")).json["status"] == "ready"


async def test_metrics_are_for_this_machine_and_for_the_admin(house: House, ada: Visitor) -> None:
    here = await house.visitor().get("/metrics")
    assert (here.status, "hayon_lateness_seconds" in here.text) == (200, True)
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    assert (await house.visitor().get("/metrics", headers=proxied)).status == 401
    bob = await house.register("bob@example.org")
    assert (await (await house.program(bob)).get("/metrics", headers=proxied)).status == 403
    assert (await (await house.program(ada)).get("/metrics", headers=proxied)).status == 200
