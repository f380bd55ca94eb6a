"""Every fault over a real socket: what the client sees, and what the ledger knows."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest
from tests.sandbox.conftest import Bluesky, Http, Mastodon

from hayon.sandbox.faults import FaultError
from hayon.sandbox.limits import Limits
from hayon.sandbox.mastodon.instance import instance_of
from hayon.sandbox.mastodon.limits import InstanceLimits
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def landed(world: World, count: int) -> None:
    """Wait until the ledger has so many entries."""
    async with asyncio.timeout(5):
        while len(world.ledger) < count:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.01)


async def arrived(world: World, kind: str, count: int = 1) -> None:
    """Wait until so many requests have met a fault of that kind."""
    async with asyncio.timeout(5):
        while sum(kind in line["faults"] for line in world.requests) < count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def abandoned(world: World, kind: str, publishing: Coroutine[Any, Any, Any]) -> None:
    """A client that gives up once its request has met the fault."""
    task = asyncio.create_task(publishing)
    await arrived(world, kind)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture(params=["bluesky", "mastodon"])
def author(request: pytest.FixtureRequest) -> Any:
    """A client of each platform: `publish(text)` under one key, the operation's name."""
    client = request.getfixturevalue(request.param)
    if isinstance(client, Bluesky):

        async def publish(text: str = "Once") -> Any:
            return await client.put(text, rkey="3kabcdefgh222")

        return publish, "bluesky", "putRecord"

    async def post(text: str = "Once") -> Any:
        return await client.post(text, key="one")

    return post, "mastodon", "createStatus"


async def test_drop_before_cuts_and_nothing_lands(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "drop_before", operation)
    with pytest.raises(CUT):
        await publish()
    assert world.ledger == []
    assert (await publish()).status == 200
    assert len(world.ledger) == 1


async def test_accept_then_drop_cuts_and_one_copy_lands(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "accept_then_drop", operation)
    with pytest.raises(CUT):
        await publish()
    assert [entry.repeat for entry in world.ledger] == [False]
    assert (await publish()).status == 200
    assert [entry.repeat for entry in world.ledger] == [False, True]
    lines = [line for line in world.requests if line["operation"] == operation]
    assert [(line["outcome"], line["status"], line.get("wouldHaveBeen")) for line in lines] == [
        ("cut", None, 200),
        ("answered", 200, None),
    ]


async def test_error_after_accept(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "error_after_accept", operation)
    world.faults.add(platform, "error_after_accept", operation, status=503, headers={"x-proxy": "sad"})
    first = await publish()
    second = await publish()
    assert (first.status, second.status) == (500, 503)
    assert second.headers["x-proxy"] == "sad"
    assert [entry.repeat for entry in world.ledger] == [False, True]


async def test_refuse_with_the_given_answer(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "refuse", operation, status=418, body={"error": "Teapot"}, headers={"x-kind": "t"})
    reply = await publish()
    assert (reply.status, reply.body, reply.headers["x-kind"]) == (418, {"error": "Teapot"}, "t")
    world.faults.add(platform, "refuse", operation, status=502)
    assert (await publish()).status == 502
    assert world.ledger == []


async def test_rate_limit_in_the_platforms_own_words(bluesky: Bluesky, mastodon: Mastodon, world: World) -> None:
    world.faults.add("bluesky", "rate_limit", "putRecord", seconds=90)
    world.faults.add("mastodon", "rate_limit", "createStatus", seconds=90)
    now = world.now()
    sky = await bluesky.put()
    assert (sky.status, sky.error) == (429, "RateLimitExceeded")
    assert (sky.headers["retry-after"], sky.headers["ratelimit-remaining"]) == ("90", "0")
    assert now + 89 <= int(sky.headers["ratelimit-reset"]) <= now + 100
    toot = await mastodon.post()
    assert (toot.status, toot.error) == (429, "Too many requests")
    assert "retry-after" not in toot.headers
    assert toot.headers["x-ratelimit-remaining"] == "0"
    assert toot.headers["x-ratelimit-reset"].endswith("Z")
    assert world.ledger == []


async def test_accept_late_is_silent_and_takes_effect_after_the_client_left(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "accept_late", operation, seconds=120)
    await abandoned(world, "accept_late", publish())
    assert world.ledger == []
    world.advance(60)
    await asyncio.sleep(0.15)
    assert world.ledger == []
    world.advance(61)
    await landed(world, 1)
    assert (world.ledger[0].text, world.ledger[0].repeat) == ("Once", False)


async def test_a_late_one_is_recognised_if_another_landed_first(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "accept_late", operation, seconds=60)
    await abandoned(world, "accept_late", publish())
    assert (await publish()).status == 200
    world.advance(61)
    await landed(world, 2)
    assert [entry.repeat for entry in world.ledger] == [False, True]
    assert world.copies()["Once"] == 1


async def test_a_late_one_is_void_after_a_reset(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "accept_late", "createStatus", seconds=30)
    await abandoned(world, "accept_late", mastodon.post())
    line = world.requests[-1]
    world.reset()
    world.advance(60)
    await asyncio.sleep(0.25)
    assert world.ledger == []
    assert "wouldHaveBeen" not in line


async def test_delays_are_before_the_effect_or_only_before_the_answer(author: Any, world: World) -> None:
    publish, platform, operation = author
    world.faults.add(platform, "delay", operation, seconds=60)
    task = asyncio.create_task(publish())
    await arrived(world, "delay")
    assert world.ledger == []
    world.advance(61)
    assert (await task).status == 200
    world.faults.add(platform, "delay_answer", operation, seconds=60)
    task = asyncio.create_task(publish())
    await landed(world, 2)
    assert not task.done()
    world.advance(61)
    assert (await task).status == 200


async def test_latency_delays_every_call_of_a_platform(mastodon: Mastodon, bluesky: Bluesky, world: World) -> None:
    world.set_latency("mastodon", 0.2)
    began = time.monotonic()
    replies = await asyncio.gather(*(mastodon.post(str(n)) for n in range(20)))
    assert [reply.status for reply in replies] == [200] * 20
    assert time.monotonic() - began >= 0.2
    assert len({reply.body["id"] for reply in replies}) == 20


async def test_a_client_that_gave_up_during_a_delay_has_published_all_the_same(
    mastodon: Mastodon, world: World
) -> None:
    world.faults.add("mastodon", "delay", "createStatus", seconds=60)
    await abandoned(world, "delay", mastodon.post("Gone"))
    assert world.ledger == []
    world.advance(61)
    await landed(world, 1)


async def test_a_client_that_leaves_while_sending_publishes_nothing(http: Http, world: World) -> None:
    host, port = http.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /mastodon/api/v1/statuses HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    async with asyncio.timeout(5):
        while not world.requests:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        writer.close()
        while world.requests[-1]["outcome"] != "left":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert world.ledger == []


async def test_list_late(mastodon: Mastodon, world: World) -> None:
    first = (await mastodon.post("Seen")).body["id"]
    world.faults.add("mastodon", "list_late", seconds=60)
    second = (await mastodon.post("Not yet", key="k")).body["id"]
    assert await mastodon.listed() == [first]
    assert (await mastodon.post("Not yet", key="k")).body["id"] == second
    world.advance(61)
    assert await mastodon.listed() == [second, first]


async def test_two_at_once_under_one_key_make_one_since_4_6(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "delay", "createStatus", seconds=60, count=5)
    tasks = [asyncio.create_task(mastodon.post("Twin", key="k")) for _ in range(5)]
    await arrived(world, "delay", 5)
    world.advance(61)
    replies = await asyncio.gather(*tasks)
    assert len({reply.body["id"] for reply in replies}) == 1
    assert sorted(entry.repeat for entry in world.ledger) == [False] + [True] * 4
    assert not instance_of(world).locks
    assert not instance_of(world).lock_users


async def test_key_at_start_lets_two_at_once_both_land(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "key_at_start")
    world.faults.add("mastodon", "delay", "createStatus", seconds=60, count=2)
    tasks = [asyncio.create_task(mastodon.post("Twin", key="k")) for _ in range(2)]
    await arrived(world, "delay", 2)
    world.advance(61)
    ids = {(await task).body["id"] for task in tasks}
    assert len(ids) == 2
    assert world.copies("mastodon")["Twin"] == 2
    assert (await mastodon.post("Twin", key="k")).body["id"] in ids
    assert world.copies("mastodon")["Twin"] == 2


async def test_key_at_start_and_a_late_one_make_two(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "key_at_start")
    world.faults.add("mastodon", "accept_late", "createStatus", seconds=30)
    await abandoned(world, "accept_late", mastodon.post("Twin", key="k"))
    await mastodon.post("Twin", key="k")
    world.advance(31)
    await landed(world, 2)
    assert world.copies("mastodon")["Twin"] == 2


async def test_waiting_under_a_held_key_ends_with_503(mastodon: Mastodon, world: World) -> None:
    world.impose(Limits().having(InstanceLimits(key_wait_seconds=0.05)))
    world.faults.add("mastodon", "delay", "createStatus", seconds=60)
    first = asyncio.create_task(mastodon.post("Twin", key="k"))
    await arrived(world, "delay")
    second = await mastodon.post("Twin", key="k")
    assert second.status == 503
    assert second.error == "There was a temporary problem serving your request, please try again"
    world.advance(61)
    assert (await first).status == 200
    assert len(world.ledger) == 1


async def test_crash_on_repeat(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "crash_on_repeat", count=1)
    made = await mastodon.post("Once", key="k")
    crash = await mastodon.post("Once", key="k")
    assert (made.status, crash.status) == (200, 500)
    assert "went wrong" in crash.body
    assert (await mastodon.post("Once", key="k")).body["id"] == made.body["id"]
    assert world.copies("mastodon")["Once"] == 1


async def test_silent_drop(mastodon: Mastodon, world: World) -> None:
    world.faults.add("mastodon", "silent_drop")
    reply = await mastodon.post("Spam?", key="k")
    assert reply.status == 200
    assert (await mastodon.call("GET", f"/api/v1/statuses/{reply.body['id']}")).status == 404
    assert await mastodon.listed() == []
    assert world.ledger == []


async def test_slow_and_failed_media(mastodon: Mastodon, world: World, picture: Any) -> None:
    world.faults.add("mastodon", "slow_media", seconds=60, count=1)
    slow = await mastodon.upload(picture())
    assert (slow.status, slow.body["url"]) == (202, None)
    path = f"/api/v1/media/{slow.body['id']}"
    assert (await mastodon.call("GET", path)).status == 206
    early = await mastodon.post("x", media_ids=[slow.body["id"]])
    assert "not finished processing" in early.error
    world.advance(61)
    assert (await mastodon.call("GET", path)).status == 200
    assert (await mastodon.post("x", media_ids=[slow.body["id"]])).status == 200
    world.faults.add("mastodon", "failed_media")
    failed = await mastodon.upload(picture())
    reply = await mastodon.call("GET", f"/api/v1/media/{failed.body['id']}")
    assert (reply.status, reply.error) == (422, "Error processing thumbnail for uploaded media")


async def test_expire_and_revoke(bluesky: Bluesky, mastodon: Mastodon, world: World) -> None:
    world.faults.add("bluesky", "expire_token", "putRecord", account="alice.test")
    expired = await bluesky.put()
    assert (expired.status, expired.error) == (400, "ExpiredToken")
    renewed = await bluesky.call("com.atproto.server.refreshSession", token=bluesky.refresh)
    bluesky.access = renewed.body["accessJwt"]
    assert (await bluesky.put()).status == 200
    world.faults.add("bluesky", "revoke_token", "putRecord")
    assert (await bluesky.put()).status == 200
    refused = await bluesky.call("com.atproto.server.refreshSession", token=bluesky.refresh)
    assert refused.error == "ExpiredToken"
    world.faults.add("mastodon", "revoke_token", "createStatus")
    token = {"authorization": f"Bearer {mastodon.account.secret}"}
    gone = await mastodon.http("POST", "/mastodon/api/v1/statuses", json={"status": "x"}, headers=token)
    assert (gone.status, gone.error) == (401, "The access token was revoked")


async def test_faults_meet_the_named_account_operation_and_turn(mastodon: Mastodon, world: World) -> None:
    bob = Mastodon(mastodon.http, world, world.add_account("mastodon", "bob"))
    world.faults.add("mastodon", "refuse", "createStatus", account="bob", status=500, count=2, skip=1)
    assert [(await mastodon.post()).status for _ in range(3)] == [200] * 3
    assert (await bob.call("GET", "/api/v1/accounts/verify_credentials")).status == 200
    assert [(await bob.post()).status for _ in range(4)] == [200, 500, 500, 200]
    assert world.faults.all() == []


async def test_a_fault_for_everything_stays_until_cleared(mastodon: Mastodon, http: Http, world: World) -> None:
    fault = world.faults.add("mastodon", "refuse", status=503, lasts=True)
    assert [(await mastodon.post()).status, (await http("GET", "/mastodon/api/v2/instance")).status] == [503, 503]
    assert fault.struck == 2
    world.faults.clear(fault.fault_id)
    assert (await mastodon.post()).status == 200


async def test_the_first_ending_wins_and_the_next_waits_its_turn(mastodon: Mastodon, world: World) -> None:
    for status in (500, 502, 504):
        world.faults.add("mastodon", "refuse", "createStatus", status=status)
    assert [(await mastodon.post()).status for _ in range(4)] == [500, 502, 504, 200]


@pytest.mark.parametrize(
    ("platform", "kind", "options", "words"),
    [
        ("bluesky", "list_late", {}, "strongly consistent"),
        ("mastodon", "expire_token", {}, "never expire"),
        ("bluesky", "key_at_start", {}, "no idempotency key"),
        ("bluesky", "slow_media", {}, "at once"),
        ("friendster", "delay", {}, "no platform"),
        ("bluesky", "explode", {}, "no fault 'explode'"),
        ("bluesky", "delay", {"operation": "createStatus"}, "no operation"),
        ("mastodon", "list_late", {"operation": "getStatus"}, "only possible for createStatus"),
        ("mastodon", "refuse", {}, "needs a status"),
        ("mastodon", "refuse", {"status": 99}, "HTTP status"),
        ("mastodon", "delay", {"count": 0}, "at least 1"),
        ("mastodon", "drop_before", {"seconds": 3.0}, "has no seconds"),
    ],
)
async def test_what_makes_no_sense_is_refused(platform: str, kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        World("none").faults.add(platform, kind, **options)
