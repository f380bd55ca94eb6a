"""The platforms' rules as data, and the addresses that machines ask: alive, ready, metrics."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from fastapi import Request

from hayon.web.auth import client_address, is_loopback
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


def asked(peer: str, **headers: str) -> Request:
    """A request as it arrives."""
    given = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    scope: Mapping[str, Any] = {"type": "http", "client": (peer, 1), "headers": given}
    return Request(dict(scope))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.2.3.4", "10.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
    ],
)
def test_only_trusted_proxies_speak_for_others(peer: str, forwarded: str, address: str) -> None:
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    assert client_address(asked(peer, **headers), ["10.0.0.0/8"]) == address


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "here"),
    [
        ("127.0.0.1", {}, [], True),
        ("::1", {}, [], True),
        ("203.0.113.9", {}, [], False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, [], False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, [], False),
        ("127.0.0.1", {"x_forwarded_for": "203.0.113.9"}, ["127.0.0.1"], False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1, 203.0.113.9"}, ["127.0.0.1"], False),
        ("10.0.0.1", {"x_forwarded_for": "nonsense"}, ["10.0.0.1"], False),
    ],
)
def test_who_is_on_this_machine(peer: str, headers: dict[str, str], trusted: list[str], here: bool) -> None:
    assert is_loopback(asked(peer, **headers), trusted) is here
