"""A post watched through server-sent events: at once, at each change, and an end that is one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import sqlalchemy as sa

from hayon.sandbox.world import World
from hayon.store.database import Tx
from hayon.store.schema import posts, targets
from hayon.web.watching import NAMED_WITHIN, Watch
from tests.web.house import House, Visitor, at_work
from tests.web.test_posts import later, make


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """Each event with its document; comments as "comment"."""
    name = ""
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield "comment", line
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def watch(visitor: Visitor, post_id: str) -> Any:
    """The stream of a post."""
    return visitor.http.get(f"{visitor.url}/api/posts/{post_id}/events", headers=visitor.headers)


async def test_a_post_is_followed_to_its_end(published: House, world: tuple[World, str]) -> None:
    ada = await published.register()
    account = world[0].add_account("bluesky", "ada.test")
    given = {"identifier": account.handle, "appPassword": account.secret}
    assert (await ada.post("/api/accounts/bluesky", given)).status == 201
    post_id = await make(ada)
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        async with at_work(published.hayon):
            told = [event async for event in events(answer)]
    assert [name for name, _ in told[-2:]] == ["status", "end"]
    assert told[0][1]["postId"] == post_id
    assert told[-2][1]["status"] == "COMPLETED"
    assert told[-2][1]["platformStatuses"][0]["platformPostUrl"].startswith(world[1])
    documents = [json.dumps(document) for _, document in told[:-1]]
    assert len(documents) == len(set(documents))


async def test_many_watch_with_one_look(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    async with watch(ada, post_id) as first, watch(ada, post_id) as second, asyncio.timeout(20):
        streams = [events(first), events(second)]
        for stream in streams:
            name, document = await anext(stream)
            assert (name, document["status"]) == ("status", "SCHEDULED")
        assert [task.get_name() for task in asyncio.all_tasks()].count("watch") == 1
        await ada.post(f"/api/posts/{post_id}/cancel")
        for stream in streams:
            assert (await anext(stream))[1]["status"] == "CANCELLED"
            assert await anext(stream) == ("end", {})
            assert [event async for event in stream] == []


async def test_a_post_that_has_ended_is_told_once(ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    await ada.post(f"/api/posts/{post_id}/cancel")
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        assert [name async for name, _ in events(answer)] == ["status", "end"]


async def test_an_address_that_is_found_after_the_end_is_told_too(house: House) -> None:
    ada = await house.register()
    await house.account(ada)
    post_id = await make(ada, scheduledAt=later())

    def publish(tx: Tx) -> None:
        done = {"status": "completed", "remote_id": "7", "due_at": None, "updated_at": tx.now()}
        tx.run(sa.update(targets).values(**done))
        tx.run(sa.update(posts).values(status="COMPLETED"))

    await house.hayon.database.write(publish)
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        stream = events(answer)
        name, document = await anext(stream)
        assert (name, document["status"], document["platformStatuses"][0]["platformPostUrl"]) == (
            "status",
            "COMPLETED",
            None,
        )
        await house.hayon.database.write(lambda tx: tx.run(sa.update(targets).values(url="https://one.test/7")))
        name, document = await anext(stream)
        assert (name, document["platformStatuses"][0]["platformPostUrl"]) == ("status", "https://one.test/7")
        assert [name async for name, _ in stream] == ["end"]


async def test_a_page_waits_a_minute_for_an_address_and_no_longer(house: House) -> None:
    ada = await house.register()
    await house.account(ada)
    post_id = await make(ada, scheduledAt=later())

    def publish(tx: Tx) -> None:
        done = {"status": "completed", "remote_id": "7", "due_at": None, "updated_at": tx.now() - NAMED_WITHIN}
        tx.run(sa.update(targets).values(**done))
        tx.run(sa.update(posts).values(status="COMPLETED"))

    await house.hayon.database.write(publish)
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        assert [name async for name, _ in events(answer)] == ["status", "end"]


async def test_a_deleted_post_ends_its_stream(ada: Visitor) -> None:
    post_id = await make(ada, draft=True)
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        stream = events(answer)
        assert (await anext(stream))[0] == "status"
        await ada.ask("DELETE", f"/api/posts/{post_id}")
        assert [name async for name, _ in stream] == ["end"]


async def test_a_silent_stream_shows_that_it_lives(house: House, ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    watching = Watch(house.hayon.database, every_seconds=0.01, heartbeat_seconds=0.2)
    assert ada.person_id is not None
    async with aclosing(watching.open(ada.person_id, UUID(post_id))) as stream:
        assert (await anext(stream)).startswith(b"event: status\n")
        assert await anext(stream) == b": still here\n\n"
    watching.close()


async def test_the_end_of_the_server_ends_the_streams_in_good_order(house: House, ada: Visitor) -> None:
    post_id = await make(ada, scheduledAt=later())
    async with watch(ada, post_id) as answer, asyncio.timeout(20):
        stream = events(answer)
        await anext(stream)
        server = next(task for task in asyncio.all_tasks() if task.get_name() == "served")
        server.cancel()
        assert [event async for event in stream] == []
        await asyncio.wait({server})


async def test_streams_are_bounded(house: House, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hayon.web.watching.LINES_PER_PERSON", 2)
    post_id = await make(ada, scheduledAt=later())
    async with watch(ada, post_id) as first, watch(ada, post_id) as second:
        for answer in (first, second):
            await anext(events(answer))
        refused = await ada.get(f"/api/posts/{post_id}/events")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    bob = await house.register("bob@example.org")
    assert (await bob.get(f"/api/posts/{post_id}/events")).status == 404
