"""Rate limits: the buckets, their headers, and a world without any."""

import dataclasses

import pytest
from tests.sandbox.conftest import Bluesky, Http, Mastodon

from hayon.sandbox.limits import Limits, Meter, Rate, tightest
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def narrowed(world: World, **rates: Rate) -> None:
    """Impose these rates in place of the real ones."""
    named = {name.replace("__", "."): rate for name, rate in rates.items()}
    world.impose(dataclasses.replace(world.limits, rates={**world.limits.rates, **named}))


async def test_bluesky_counts_points_and_tells_the_tightest_bucket(bluesky: Bluesky, world: World) -> None:
    narrowed(world, bluesky__write__hour=Rate(5, 3600))
    first = await bluesky.put("one")
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("5", "3")
    assert first.headers["ratelimit-policy"] == "5;w=3600"
    assert (await bluesky.put("two")).headers["ratelimit-remaining"] == "1"
    full = await bluesky.put("three")
    assert (full.status, full.error, full.headers["ratelimit-remaining"]) == (429, "RateLimitExceeded", "0")
    assert 0 < int(full.headers["retry-after"]) <= 3600
    assert len(world.ledger) == 2
    world.advance(int(full.headers["retry-after"]) + 1)
    assert (await bluesky.put("four")).error in ("ExpiredToken", "")
    await bluesky.login()
    assert (await bluesky.put("four")).status == 200


async def test_bluesky_logins_are_few(bluesky: Bluesky) -> None:
    replies = [await bluesky.login("wrong") for _ in range(30)]
    assert [reply.status for reply in replies] == [401] * 29 + [429]


async def test_mastodon_buckets(mastodon: Mastodon, world: World, http: Http) -> None:
    first = await mastodon.post("one")
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("300", "299")
    narrowed(world, mastodon__statuses=Rate(2, 10_800, aligned=True))
    assert (await mastodon.post("two", key="k")).headers["x-ratelimit-remaining"] == "1"
    repeated = await mastodon.post("two", key="k")
    assert repeated.status == 200
    assert (await mastodon.post("x" * 501)).status == 422
    assert (await mastodon.post("three")).headers["x-ratelimit-remaining"] == "0"
    full = await mastodon.post("four")
    assert (full.status, full.error) == (429, "Too many requests")
    assert len(full.headers["x-ratelimit-reset"]) == len("2026-03-01T12:00:00.000000Z")
    assert world.copies("mastodon") == {"one": 1, "two": 1, "three": 1}
    world.advance(10_801)
    assert (await mastodon.post("five")).status == 200


async def test_mastodon_media_and_deletes(mastodon: Mastodon, world: World) -> None:
    narrowed(world, mastodon__media=Rate(1, 1800, aligned=True), mastodon__delete=Rate(1, 1800, aligned=True))
    assert [(await mastodon.upload(b"x")).status for _ in range(2)] == [422, 429]
    made = [(await mastodon.post(str(n))).body["id"] for n in range(2)]
    assert [(await mastodon.call("DELETE", f"/api/v1/statuses/{one}")).status for one in made] == [200, 429]


async def test_an_address_without_a_token_has_its_own_bucket(http: Http, world: World) -> None:
    narrowed(world, mastodon__address=Rate(2, 300, aligned=True))
    codes = [(await http("GET", "/mastodon/api/v2/instance")).status for _ in range(3)]
    assert codes == [200, 200, 429]


async def test_without_limits_there_are_no_headers(bluesky: Bluesky, mastodon: Mastodon, world: World) -> None:
    world.impose(Limits.named("none"))
    assert not any("ratelimit" in name.lower() for name in (await bluesky.put()).headers)
    assert not any("ratelimit" in name.lower() for name in (await mastodon.post()).headers)
    too_long = await bluesky.put("a" * 301)
    assert too_long.status == 400
    with pytest.raises(ValueError, match="no limits profile"):
        Limits.named("some")


async def test_windows() -> None:
    meter = Meter({"plain": Rate(2, 100), "aligned": Rate(2, 100, aligned=True)})
    readings = [meter.take("plain", "k", 1_050.0), meter.take("aligned", "k", 1_050.0)]
    assert [reading.reset_at for reading in readings if reading] == [1_150.0, 1_100.0]
    assert meter.take("unknown", "k", 0.0) is None
    second, third = meter.take("plain", "k", 1_060.0), meter.take("plain", "k", 1_149.0)
    assert second
    assert third
    assert [(one.allowed, one.remaining) for one in (second, third)] == [(True, 0), (False, 0)]
    fresh = meter.take("plain", "k", 1_150.0)
    assert fresh
    assert (fresh.allowed, fresh.remaining) == (True, 1)
    assert tightest([second, third]) is third
    assert tightest([]) is None
