"""Wake-ups: here at once, elsewhere by one NOTIFY for many, and again after the connection broke."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from hayon.store.wakeups import CHANNEL, Wakeups
from tests.servers.postgres import PostgresAddress


class Waiter:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.count = 0
        self._called = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._called.set()

    async def called(self) -> None:
        async with asyncio.timeout(20):
            await self._called.wait()
        self._called.clear()


@asynccontextmanager
async def kept(*all_of_them: Wakeups) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.keep()) for one in all_of_them]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_sqlite_wakes_within_its_process() -> None:
    wakeups, waiter = Wakeups("sqlite:///nowhere.db"), Waiter()
    wakeups.add(waiter)
    async with kept(wakeups):
        wakeups.wake()
        assert waiter.count == 1


async def test_another_process_is_woken_and_is_told_once_of_many(postgres_url: str) -> None:
    here, there, waiter = Wakeups(postgres_url), Wakeups(postgres_url), Waiter()
    there.add(waiter)
    async with kept(here, there):
        await waiter.called()  # it listens by now
        await notified(here, waiter)
        before = waiter.count
        for _ in range(1000):
            here.wake()
        await waiter.called()
        await asyncio.sleep(0.1)
        assert waiter.count - before <= 2


async def test_whoever_wakes_hears_it_once_and_not_from_the_database_again(postgres_url: str) -> None:
    here, there, mine, theirs = Wakeups(postgres_url), Wakeups(postgres_url), Waiter(), Waiter()
    here.add(mine)
    there.add(theirs)
    async with kept(here, there):
        await mine.called()
        await theirs.called()
        await notified(here, theirs)
        before = mine.count
        here.wake()
        await theirs.called()
        assert mine.count == before + 1


async def test_it_comes_back_after_its_connection_was_cut(postgres: PostgresAddress, postgres_url: str) -> None:
    here, there, waiter = Wakeups(postgres_url), Wakeups(postgres_url), Waiter()
    there.add(waiter)
    async with kept(here, there):
        await waiter.called()
        await notified(here, waiter)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hayon wake-ups'"
        await asyncio.to_thread(postgres.run, cut)
        await waiter.called()  # it looks once it listens again, for what it may have missed
        await notified(here, waiter)


async def test_what_is_said_carries_nothing(postgres_url: str) -> None:
    heard: list[str] = []
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    await connection.add_listener(CHANNEL, lambda *told: heard.append(told[-1]))
    here, waiter = Wakeups(postgres_url), Waiter()
    here.add(waiter)
    try:
        async with kept(here):
            await waiter.called()
            async with asyncio.timeout(20):
                while not heard:
                    here.wake()
                    await asyncio.sleep(0.05)
    finally:
        await connection.close()
    assert {len(one) for one in heard} == {32}


async def notified(here: Wakeups, waiter: Waiter) -> None:
    """Until a wake-up from here arrives there: the first may come before the other listens."""
    before = waiter.count
    async with asyncio.timeout(20):
        while waiter.count == before:
            here.wake()
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    waiter._called.clear()
