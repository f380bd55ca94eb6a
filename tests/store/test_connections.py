"""A connection is taken once, whoever comes at the same instant; what nobody came back for is emptied; an app is kept once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.util import await_only

from hayon.errors import Conflict
from hayon.store import connections
from hayon.store.connections import NoWayBack
from hayon.store.database import Database, Tx, new_id
from hayon.store.schema import connections as table
from hayon.store.schema import users

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BACK = "https://hayon.example/api/accounts/tumblr/callback"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self, _tx: object) -> datetime:
        """The time."""
        return self.now


class Slow:
    """A transaction that does something else after each row it has read."""

    def __init__(self, tx: Tx, after: Callable[[], Any]) -> None:
        self._tx = tx
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def first(self, statement: sa.Executable) -> Any:
        """The row, after a while."""
        row = self._tx.first(statement)
        self._after()
        return row


@pytest.fixture
def clock() -> Clock:
    """The database's time."""
    return Clock()


@pytest.fixture
async def database(database_url: str, clock: Clock) -> AsyncIterator[Database]:
    """The database."""
    made = Database(database_url, clock=clock)
    yield made
    await made.close()


@pytest.fixture
async def on_postgres(migrated_postgres_url: str, clock: Clock) -> AsyncIterator[Database]:
    """PostgreSQL, where two transactions really run at once."""
    made = Database(migrated_postgres_url, clock=clock)
    yield made
    await made.close()


async def begin(database: Database, state: bytes = b"state") -> tuple[UUID, UUID]:
    """Somebody, and a connection of theirs."""
    user_id, connection_id = new_id(NOW), new_id(NOW)

    def work(tx: Tx) -> None:
        tx.run(sa.insert(users).values(id=user_id, email=f"{user_id}@example.test", created_at=NOW))
        connections.insert(
            tx, connection_id, user_id, "tumblr", BACK, state_hash=state, session_hash=b"session", sealed=b"secret"
        )

    await database.write(work)
    return user_id, connection_id


async def test_it_is_taken_once_with_what_was_sealed(database: Database) -> None:
    user_id, connection_id = await begin(database)
    way = await database.write(connections.take, b"state", user_id, b"session", "tumblr")
    assert (way.id, way.sealed, way.redirect_uri) == (connection_id, b"secret", BACK)
    assert (await database.read(connections.get, user_id, connection_id)).sealed == b""
    with pytest.raises(NoWayBack) as used:
        await database.write(connections.take, b"state", user_id, b"session", "tumblr")
    assert used.value.why == "used"


async def test_of_two_who_read_it_at_once_one_takes_it(on_postgres: Database) -> None:
    user_id, _ = await begin(on_postgres)
    read, go = asyncio.Event(), asyncio.Event()

    def wait() -> None:
        read.set()
        await_only(go.wait())

    def slowly(tx: Tx) -> Any:
        return connections.take(Slow(tx, wait), b"state", user_id, b"session", "tumblr")

    late = asyncio.create_task(on_postgres.write(slowly))
    await asyncio.wait_for(read.wait(), 20)
    first = await on_postgres.write(connections.take, b"state", user_id, b"session", "tumblr")
    go.set()
    with pytest.raises(NoWayBack) as used:
        await late
    assert (first.sealed, used.value.why) == (b"secret", "used")


async def test_what_came_of_it_is_written_over_nothing_else(database: Database) -> None:
    user_id, connection_id = await begin(database)
    await database.write(connections.take, b"state", user_id, b"session", "tumblr")
    await database.write(connections.keep, connection_id, b"choices", lasts=connections.CHOOSES)
    with pytest.raises(Conflict):
        await database.write(connections.keep, connection_id, b"another end")
    await database.write(connections.keep, connection_id, b"end", before=b"choices")
    way = await database.read(connections.get, user_id, connection_id)
    assert (way.sealed, way.expires_at) == (b"end", NOW + connections.KEPT)


async def test_what_nobody_came_back_for_is_emptied_and_later_gone(database: Database, clock: Clock) -> None:
    user_id, connection_id = await begin(database)
    clock.now += connections.WAITS - timedelta(seconds=1)
    assert await database.write(connections.forget) == 0
    clock.now += timedelta(seconds=1)
    assert await database.write(connections.forget) == 1
    assert (await database.read(connections.get, user_id, connection_id)).sealed == b""
    clock.now = NOW + connections.KEPT
    assert await database.write(connections.forget) == 0
    assert await database.read(lambda tx: tx.first(sa.select(table))) is None


async def test_the_newest_app_at_a_host_is_kept(database: Database) -> None:
    host, elsewhere = "https://one.example", "https://two.example"
    assert await database.read(connections.find_app, host, BACK) is None
    await database.write(connections.keep_app, host, BACK, b"first")
    await database.write(connections.keep_app, host, BACK, b"second")
    await database.write(connections.keep_app, elsewhere, BACK, b"other")
    assert await database.read(connections.find_app, host, BACK) == b"second"
    assert await database.read(connections.find_app, host, f"{BACK}/other") is None
    await database.write(connections.forget_app, host, BACK)
    assert await database.read(connections.find_app, host, BACK) is None
    assert await database.read(connections.find_app, elsewhere, BACK) == b"other"
