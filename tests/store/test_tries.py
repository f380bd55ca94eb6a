"""Tries are counted for all processes together: they run out, come back one by one, and are forgotten when all are back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hayon.errors import TooMany
from hayon.store import tries
from hayon.store.database import Database
from hayon.store.schema import tries as rows

MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)

    def __call__(self, _tx: object) -> datetime:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time of both processes."""
    return Clock()


@pytest.fixture
async def two(database_url: str, clock: Clock) -> AsyncIterator[tuple[Database, Database]]:
    """Two processes with one database."""
    both = Database(database_url, clock=clock), Database(database_url, clock=clock)
    yield both
    for one in both:
        await one.close()


async def take(database: Database, name: str = "ada", count: int = 5) -> bool:
    """Whether one more try was there."""
    try:
        await database.write(tries.take, name, count=count, refill=MINUTE)
    except TooMany:
        return False
    return True


async def count(database: Database) -> int:
    """How many names are remembered."""
    found: int = await database.read(lambda tx: tx.value(sa.select(sa.func.count()).select_from(rows)))
    return found


async def test_two_processes_give_no_more_tries_than_one(two: tuple[Database, Database]) -> None:
    taken = await asyncio.gather(*(take(two[number % 2]) for number in range(20)))
    assert sum(taken) == 5
    assert await take(two[0], "bob")


async def test_tries_come_back_one_by_one(two: tuple[Database, Database], clock: Clock) -> None:
    assert [await take(two[0]) for _ in range(6)] == [True] * 5 + [False]
    clock.now += MINUTE - timedelta(seconds=1)
    with pytest.raises(TooMany, match="Come back in 1 s") as told:
        await two[1].write(tries.take, "ada", count=5, refill=MINUTE)
    assert told.value.retry_after_seconds == 1
    clock.now += timedelta(seconds=1)
    assert [await take(two[0]), await take(two[1])] == [True, False]
    clock.now += 10 * MINUTE
    assert [await take(two[0]) for _ in range(6)] == [True] * 5 + [False], "no more than all of them come back"


async def test_a_refused_try_costs_nothing(two: tuple[Database, Database], clock: Clock) -> None:
    assert [await take(two[0]) for _ in range(50)] == [True] * 5 + [False] * 45
    clock.now += MINUTE
    assert await take(two[0])


async def test_they_are_forgiven(two: tuple[Database, Database]) -> None:
    assert [await take(two[0]) for _ in range(6)] == [True] * 5 + [False]
    await two[1].write(tries.forget, "ada")
    assert await take(two[0])


async def test_what_is_whole_again_is_forgotten(two: tuple[Database, Database], clock: Clock) -> None:
    for name in ("a", "b", "c"):
        assert await take(two[0], name)
    assert [await take(two[0], "d") for _ in range(3)] == [True] * 3
    assert await count(two[0]) == 4
    clock.now += 2 * MINUTE
    assert await take(two[1], "e")
    assert await count(two[0]) == 2


async def test_no_name_is_kept_as_it_was_typed(two: tuple[Database, Database]) -> None:
    """Somebody may type a password where the address belongs."""
    await take(two[0], "a secret\x00\ud800")
    (kept,) = await two[0].read(lambda tx: tx.all(sa.select(rows.c.name)))
    assert len(kept.name) == 32
    assert b"secret" not in kept.name
