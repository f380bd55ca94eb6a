"""Slots: as many at the platforms as there are, half of them at most for one; a few claimed ahead, and none kept waiting for long."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from hayon.delivery.outcomes import StepEnded
from hayon.delivery.worker import Worker
from hayon.domain.lifecycle import Ended
from tests.delivery.scripted import House

SLOTS = 8


class Endless:
    """A source that always has as many as are asked for, of these platforms; and deliveries that last as they are told."""

    def __init__(self, *platforms: str) -> None:
        self.platforms = platforms
        self.lasting: dict[str, Callable[[], Any]] = {}
        self.at_work: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.handed_back: Counter[str] = Counter()
        self.under_way = 0

    async def claim(self, room: dict[str, int], places: int, claim_id: UUID) -> list[Any]:
        now = datetime.now(UTC)
        names = [name for name, most in room.items() if name in self.platforms for _ in range(most)][:places]
        self.under_way += len(names)
        return [SimpleNamespace(target_id=uuid4(), platform=name, claimed_at=now, due_at=now) for name in names]

    def rung_by(self, claim: Any) -> str:
        return ""

    async def settled(self, claim: Any, settlement: Any) -> None:
        self.under_way -= 1

    async def listen(self, wake: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    async def pause(self, *, until_it_answers: bool) -> None: ...

    async def deliver(self, claim: Any, *, rung_by: str, slot: AbstractAsyncContextManager[None]) -> None:
        try:
            async with slot:
                self.at_work[claim.platform] += 1
                self.most[claim.platform] = max(self.most[claim.platform], self.at_work[claim.platform])
                self.most["all"] = max(self.most["all"], self.at_work.total())
                try:
                    await self.lasting[claim.platform]()
                finally:
                    self.at_work[claim.platform] -= 1
        except StepEnded as early:
            self.handed_back[claim.platform] += early.outcome.ended is Ended.INTERRUPTED
        self.done[claim.platform] += 1


@asynccontextmanager
async def working(house: House, source: Any, **more: Any) -> AsyncIterator[Worker]:
    given = {"slots": SLOTS, "poll": timedelta(milliseconds=20), "grace": timedelta(seconds=5)} | more
    worker = Worker(house.database, source, source, source.platforms, **given)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        for name in source.platforms:
            source.lasting[name] = quick
        worker.stop()
        await running


async def quick() -> None:
    await asyncio.sleep(0.005)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.005)


async def test_no_more_are_at_the_platforms_than_there_are_slots_and_half_at_one(house: House) -> None:
    source = Endless("one", "two", "three")
    source.lasting = dict.fromkeys(source.platforms, quick)
    async with working(house, source):
        await until(lambda: source.done.total() > 300)
    assert source.most["all"] == SLOTS
    assert max(source.most[name] for name in source.platforms) == SLOTS // 2


async def test_a_platform_that_stands_still_leaves_the_others_their_slots(house: House) -> None:
    """However much of it was claimed ahead while it was fast."""
    source, hanging = Endless("slow", "other"), asyncio.Event()
    source.lasting = {"slow": quick, "other": quick}
    async with working(house, source):
        await until(lambda: source.done["slow"] > 100)
        source.lasting["slow"] = hanging.wait
        await until(lambda: source.at_work["slow"] == SLOTS // 2)
        before = source.done["other"]
        await until(lambda: source.done["other"] > before + 100)
        assert source.at_work["slow"] == SLOTS // 2
        hanging.set()


async def test_no_more_are_ahead_than_there_are_slots(house: House) -> None:
    source = Endless("one", "two")
    source.lasting = dict.fromkeys(source.platforms, lambda: asyncio.sleep(0))
    most = 0
    async with working(house, source):
        async with asyncio.timeout(20):
            while source.done.total() < 1000:
                most = max(most, source.under_way)
                await asyncio.sleep(0)
    assert SLOTS < most <= 2 * SLOTS


async def test_what_waits_too_long_for_a_slot_is_handed_back(house: House) -> None:
    """Waiting is no progress: no lease may run out by it."""
    source, hanging = Endless("slow"), asyncio.Event()
    source.lasting = {"slow": quick}
    async with working(house, source, lease=timedelta(seconds=2)):
        await until(lambda: source.done["slow"] > 100)
        source.lasting["slow"] = hanging.wait
        await until(lambda: source.handed_back["slow"] > 0)
        await until(lambda: source.under_way == SLOTS // 2)
        hanging.set()


async def test_a_worker_that_stops_begins_nothing_of_what_it_claimed_ahead(house: House) -> None:
    source, hanging = Endless("one"), asyncio.Event()
    source.lasting = {"one": quick}
    async with working(house, source) as worker:
        await until(lambda: source.done["one"] > 100)
        source.lasting["one"] = hanging.wait
        await until(lambda: source.at_work["one"] == SLOTS // 2 and source.under_way > SLOTS // 2)
        waiting = source.under_way - SLOTS // 2
        before = source.handed_back["one"]
        worker.stop()
        hanging.set()
        await until(lambda: source.under_way == 0)
        assert source.handed_back["one"] - before == waiting
