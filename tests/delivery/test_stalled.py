"""A process that stands still in the middle of a transaction keeps nobody else from going on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from hayon.errors import DatabaseUnreachable
from hayon.store import database as databases
from hayon.store.database import SESSION, Database, end_stalled
from hayon.store.moves import lock_posts
from tests.delivery.scripted import House, open_house


@pytest.fixture
async def house(migrated_postgres_url: str) -> AsyncIterator[House]:
    async with open_house(migrated_postgres_url) as house:
        await house.connect("ann")
        yield house


@asynccontextmanager
async def standing_still(house: House, post_id: UUID) -> AsyncIterator[None]:
    """A session that holds the post and has said half of its next statement, as a process that was stopped there does."""
    url = house.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url, server_settings=SESSION)
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT id FROM posts WHERE id = $1 FOR UPDATE", post_id)
        await connection.prepare("SELECT 1")  # parsed and described; the rest of it never comes
        yield
    finally:
        connection.terminate()


async def lose(house: House, words: str) -> UUID:
    post_id = await house.submit(words)
    await house.claim()
    return post_id


async def test_others_are_rescued_while_a_post_is_held_and_it_is_itself_once_its_holder_was_cut_off(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, free = await lose(house, "held"), await lose(house, "free")
    house.clock.forward(91)
    async with standing_still(house, held):
        rescued = await asyncio.wait_for(house.sweep(), 10)
        assert [target_id for target_id, _ in rescued] == [(await house.target(free)).id]
        assert await house.database.write(end_stalled) == 0  # it may only be slow
        monkeypatch.setattr(databases, "STALLED_SECONDS", 0)
        await until_seen(house)
        assert await house.database.write(end_stalled) == 1
        rescued = []
        while not rescued:  # its locks go with it, a moment later
            rescued = await asyncio.wait_for(house.sweep(), 10)
        assert [target_id for target_id, _ in rescued] == [(await house.target(held)).id]


async def test_whoever_waits_for_it_is_told_that_the_database_cannot_do_it_now(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await house.submit("held")
    monkeypatch.setitem(SESSION, "statement_timeout", "200ms")
    async with standing_still(house, held):
        other = Database(house.database.url.render_as_string(hide_password=False))
        with pytest.raises(DatabaseUnreachable):
            await asyncio.wait_for(other.write(lock_posts, [held]), 10)
        await other.close()


async def until_seen(house: House) -> None:
    seen = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientRead' AND state = 'active'"
    )
    while not await house.database.read(lambda tx: tx.value(seen)):  # noqa: ASYNC110 - only the server knows
        await asyncio.sleep(0.01)
