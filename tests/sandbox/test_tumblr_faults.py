"""What can go wrong with a post on the simulated Tumblr: what the client sees, what the ledger knows, what can be asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.sandbox.conftest import Http, Reply
from tests.sandbox.graph import film
from tests.sandbox.test_faults import CUT, abandoned, arrived, landed
from tests.sandbox.tumblelog import Tumblelog, code, image, tumblr_client, video

from hayon.sandbox.tumblr.blog import STEP
from hayon.sandbox.tumblr.site import WRITING
from hayon.sandbox.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = (404, 0)


@pytest_asyncio.fixture(loop_scope="module")
async def tumblr(http: Http, world: World) -> Tumblelog:
    """alice."""
    return tumblr_client(http, world)


Publish = Callable[[], Awaitable[Reply]]


@pytest_asyncio.fixture(loop_scope="module", params=WRITING)
async def author(request: pytest.FixtureRequest, tumblr: Tumblelog) -> tuple[Publish, str]:
    """Both ways to publish, by a new post and by a draft that waits; and the operation's name."""
    if request.param == "createPost":
        return lambda: tumblr.post("Once"), "createPost"
    draft = await tumblr.draft("Once")
    return lambda: tumblr.put(draft, "Once", state="published"), "editPost"


def clip() -> list[tuple[str, bytes, str]]:
    """The part of a form that is a video."""
    return [("v", film(1.0, size=(64, 64)), "video/mp4")]


async def test_cut_before_anything_happened(author: tuple[Publish, str], tumblr: Tumblelog, world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "drop_before", operation)
    with pytest.raises(CUT):
        await publish()
    assert (world.ledger, await tumblr.listed()) == ([], [])
    assert (await publish()).status in (200, 201)
    assert len(world.ledger) == 1


async def test_cut_after_it_landed(author: tuple[Publish, str], tumblr: Tumblelog, world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "accept_then_drop", operation)
    with pytest.raises(CUT):
        await publish()
    assert [one.operation for one in world.ledger] == [operation]
    assert await tumblr.listed() == [world.ledger[0].remote_id]


async def test_a_gateway_that_gives_up_after_it_landed(author: tuple[Publish, str], world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "error_after_accept", operation, status=504)
    reply = await publish()
    assert (reply.status, "504 Gateway Time-out" in reply.body) == (504, True)
    assert [one.operation for one in world.ledger] == [operation]


async def test_a_repeat_of_a_draft_finds_nothing_and_of_a_new_post_makes_a_second(
    author: tuple[Publish, str], tumblr: Tumblelog, world: World
) -> None:
    publish, operation = author
    world.faults.add("tumblr", "error_after_accept", operation)
    assert code(await publish()) == (500, 0)
    again = await publish()
    assert again.status == (201 if operation == "createPost" else 404)
    assert world.copies("tumblr")["Once"] == len(await tumblr.listed()) == (2 if operation == "createPost" else 1)


async def test_silence_and_a_late_effect(author: tuple[Publish, str], tumblr: Tumblelog, world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "accept_late", operation, seconds=120)

    async def publishing() -> Reply:
        return await publish()

    await abandoned(world, "accept_late", publishing())
    assert world.ledger == []
    world.advance(121)
    await landed(world, 1)
    assert await tumblr.listed() == [world.ledger[0].remote_id]


async def test_a_draft_that_another_published_while_one_was_late(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("Once")
    world.faults.add("tumblr", "accept_late", "editPost", seconds=60)
    await abandoned(world, "accept_late", tumblr.put(draft, "Once"))
    assert (await tumblr.put(draft, "Once")).status == 200
    line = next(line for line in world.requests if "accept_late" in line["faults"])
    world.advance(61)
    async with asyncio.timeout(5):
        while "wouldHaveBeen" not in line:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.01)
    assert line["wouldHaveBeen"] == 404
    assert world.copies("tumblr") == {"Once": 1}


async def test_two_at_once_publish_a_draft_once(tumblr: Tumblelog, world: World) -> None:
    draft = await tumblr.draft("Twin")
    world.faults.add("tumblr", "delay", "editPost", seconds=60, count=4)
    tasks = [asyncio.create_task(tumblr.put(draft, "Twin")) for _ in range(4)]
    await arrived(world, "delay", 4)
    assert world.ledger == []
    world.advance(61)
    assert sorted([(await task).status for task in tasks]) == [200, 404, 404, 404]
    assert world.copies("tumblr") == {"Twin": 1}


async def test_an_answer_that_waits(author: tuple[Publish, str], world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "delay_answer", operation, seconds=60)

    async def publishing() -> Reply:
        return await publish()

    task = asyncio.create_task(publishing())
    await landed(world, 1)
    assert not task.done()
    world.advance(61)
    assert (await task).status in (200, 201)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, (401, 1016)), (403, (403, 0)), (404, (404, 0)), (429, (429, 0)), (500, (500, 0)), (503, (503, 0))],
)
async def test_refusals_in_tumblrs_own_words(
    author: tuple[Publish, str], world: World, status: int, expected: tuple[int, int]
) -> None:
    publish, operation = author
    world.faults.add("tumblr", "refuse", operation, status=status)
    assert code(await publish()) == expected
    body = {
        "meta": {"status": 403, "msg": "Forbidden"},
        "response": [],
        "errors": [{"title": "Forbidden", "code": 8023}],
    }
    world.faults.add("tumblr", "refuse", operation, status=403, body=body)
    assert code(await publish()) == (403, 8023)
    world.faults.add("tumblr", "refuse", operation, status=502)
    assert "502 Bad Gateway" in (await publish()).body
    assert world.ledger == []


async def test_a_rate_limit_tells_its_end_in_seconds_from_now(author: tuple[Publish, str], world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "rate_limit", operation, seconds=90)
    reply = await publish()
    assert (code(reply), reply.body["meta"]["msg"]) == ((429, 0), "Limit Exceeded")
    told = {
        name: reply.headers[f"x-ratelimit-{name}"] for name in ("perhour-limit", "perhour-remaining", "perhour-reset")
    }
    assert told == {"perhour-limit": "1000", "perhour-remaining": "0", "perhour-reset": "90"}
    assert int(reply.headers["x-ratelimit-perday-remaining"]) > 4_000
    assert "retry-after" not in reply.headers
    assert world.ledger == []


async def test_a_list_that_is_late(author: tuple[Publish, str], tumblr: Tumblelog, world: World) -> None:
    publish, _ = author
    seen = (await tumblr.post("Seen")).body["response"]["id"]
    world.faults.add("tumblr", "list_late", seconds=60)
    post_id = (await publish()).body["response"]["id"]
    assert await tumblr.listed() == [seen]
    assert (await tumblr.get(post_id)).status == 200
    draft = await tumblr.draft("A draft")
    assert draft in await tumblr.listed("/draft")
    world.advance(61)
    assert await tumblr.listed() == [post_id, seen]


async def test_a_late_list_after_transcoding(tumblr: Tumblelog, world: World) -> None:
    world.faults.add("tumblr", "list_late", seconds=60)
    assert (await tumblr.post(content=[video("v")], files=clip())).status == 201
    world.advance(30)
    assert await tumblr.listed() == []
    world.advance(34)
    assert len(await tumblr.listed()) == 1


async def test_a_second_copy_of_a_draft(tumblr: Tumblelog, world: World) -> None:
    other = await tumblr.draft("Other")
    world.faults.add("tumblr", "double_on_repeat", count=1)
    draft = await tumblr.draft("Words")
    first = (await tumblr.put(draft, "Words")).body["response"]["id"]
    assert world.faults.all() != []
    assert code(await tumblr.put("1", "Words")) == GONE
    second = (await tumblr.put(draft, "Words")).body["response"]["id"]
    assert first != second
    assert world.faults.all() == []
    assert world.copies("tumblr") == {"Words": 2}
    assert await tumblr.listed() == [second, first]
    for post_id in (first, second):
        assert (await tumblr.get(post_id)).body["response"]["genesis_post_id"] == draft
    assert code(await tumblr.put(draft, "Words")) == GONE
    assert (await tumblr.put(other, "Other")).status == 200
    assert world.copies("tumblr") == {"Words": 2, "Other": 1}


async def test_nobody_elses_draft_is_doubled(tumblr: Tumblelog, world: World) -> None:
    world.faults.add("tumblr", "double_on_repeat")
    draft = await tumblr.draft("Words")
    await tumblr.put(draft, "Words")
    bob = tumblr_client(tumblr.http, world, "bob")
    assert code(await bob.put(draft, "Words")) == GONE
    queued = await bob.draft("Queued")
    assert (await bob.put(queued, "Queued", state="queue")).status == 200
    assert code(await bob.put(queued, "Queued", state="queue")) == GONE
    assert world.copies("tumblr") == {"Words": 1}


@pytest.mark.parametrize("draft_first", [False, True])
async def test_slow_media(tumblr: Tumblelog, world: World, draft_first: bool) -> None:
    world.faults.add("tumblr", "slow_media", seconds=60)
    draft = await tumblr.draft("Words") if draft_first else None
    content = [video("v")]
    made = await (
        tumblr.put(draft, content=content, files=clip()) if draft else tumblr.post(content=content, files=clip())
    )
    early = made.body["response"]
    assert early["state"] == "transcoding"
    world.advance(30)
    assert (await tumblr.get(early["id"])).body["response"]["state"] == "transcoding"
    assert code(await tumblr.post(content=content, files=clip())) == (403, 8010)
    world.advance(31)
    assert code(await tumblr.get(early["id"])) == GONE
    assert len(await tumblr.listed()) == 1


async def test_a_picture_that_fails(tumblr: Tumblelog, world: World, picture: Callable[..., bytes]) -> None:
    world.faults.add("tumblr", "failed_media")
    told: dict[str, Any] = {"content": [image("a")], "files": [("a", picture(), "image/jpeg")]}
    assert code(await tumblr.post(**told)) == (500, 8006)
    assert world.ledger == []
    assert (await tumblr.post(**told)).status == 201


async def test_a_video_that_fails_at_once_or_later(tumblr: Tumblelog, world: World) -> None:
    world.faults.add("tumblr", "failed_media")
    assert code(await tumblr.post(content=[video("v")], files=clip())) == (500, 8009)
    world.faults.add("tumblr", "failed_media", seconds=60)
    early = (await tumblr.post(content=[video("v")], files=clip())).body["response"]
    assert early["state"] == "transcoding"
    world.advance(61)
    for post_id in (early["id"], str(int(early["id"]) + STEP)):
        assert code(await tumblr.get(post_id)) == GONE
    assert (await tumblr.listed(), await tumblr.listed("/draft"), world.ledger) == ([], [], [])
    assert (await tumblr.post(content=[video("v")], files=clip())).status == 201


async def test_a_signed_token_is_revoked_on_the_way(author: tuple[Publish, str], world: World) -> None:
    publish, operation = author
    world.faults.add("tumblr", "expire_token", operation)
    assert (await publish()).status in (200, 201)  # a token of OAuth 1.0a never expires
    world.faults.add("tumblr", "revoke_token", operation)
    assert code(await publish()) == (401, 1016)
    assert len(world.ledger) == 1


async def test_a_client_that_leaves_while_it_uploads_publishes_nothing(tumblr: Tumblelog, world: World) -> None:
    async def broken() -> Any:
        yield b'{"content": ['
        raise ConnectionAbortedError

    with pytest.raises((ConnectionAbortedError, aiohttp.ClientError)):
        await tumblr.call("POST", "blog/alice/posts", data=broken(), headers={"content-type": "application/json"})
    async with asyncio.timeout(5):
        while not world.requests or world.requests[-1]["outcome"] != "left":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert world.ledger == []
