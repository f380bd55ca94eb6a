"""The last day by the hour, on both databases: each target where it stands, lateness by nearest rank, older hours left out."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.errors import Rejected
from hayon.store import figures, last_day
from hayon.store.database import Tx
from hayon.store.last_day import HOUR, Hour, LastDay, read_last_day
from hayon.store.schema import attempts, targets
from tests.delivery.conftest import *  # noqa: F403 - the heart on each database
from tests.delivery.scripted import LOST, START, House

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


async def read(house: House) -> LastDay:
    return await house.database.read(read_last_day)


async def add_tries(house: House, lates: list[float], *, at: datetime, ended: str = "published") -> None:
    """Tries of a target that was taken in hand so many seconds after it was due."""

    def work(tx: Tx) -> None:
        target = tx.first(sa.select(targets).limit(1))
        assert target is not None
        shared = {"target_id": target.id, "post_id": target.post_id, "account_id": target.account_id, "ended": ended}
        tx.run(sa.insert(attempts), [
            {"id": _id(at, number), "started_at": at, "due_at": at - timedelta(seconds=late), **shared}
            for number, late in enumerate(lates)
        ])  # fmt: skip

    await house.database.write(work)


def _id(at: datetime, number: int) -> UUID:
    """As `new_id` gives them, but the same at each run."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | number)


def shown(day: LastDay) -> dict[int, tuple[int, int, int, int]]:
    """By hours ago: completed, failed, unconfirmed, taken; hours of nothing are left out."""
    each: dict[int, tuple[int, int, int, int]] = {}
    for ago, hour in enumerate(reversed(day.hours)):
        counts = (hour.completed, hour.failed, hour.unconfirmed, hour.taken)
        if any(counts):
            each[ago] = counts
    return each


async def test_a_day_of_nothing_has_24_hours(ready: House) -> None:
    day = await read(ready)
    assert [hour.begins_at for hour in day.hours] == [START - number * HOUR for number in range(23, -1, -1)]
    assert set(day.hours) == {Hour(one.begins_at) for one in day.hours}
    assert (day.read_at, day.complete) == (START, True)


async def test_each_target_counts_once_where_it_stands(ready: House) -> None:
    ready.platform.after, ready.platform.preparing = [LOST], [None, Rejected("No.")]
    await ready.submit("Unknown")
    await ready.deliver_due()
    ready.clock.forward(3600)
    await ready.submit("Refused")
    await ready.deliver_due()
    ready.clock.forward(2 * 3600)
    for number in range(2):
        await ready.submit(f"Published {number}")
        await ready.deliver_due()
    await ready.submit("Planned", scheduled_at=(ready.clock.now + 2 * HOUR).isoformat())
    found = shown(await read(ready))
    assert sum(one[0] for one in found.values()) >= 2
    assert sum(one[1] for one in found.values()) == 1
    assert sum(sum(one[:3]) for one in found.values()) == 4
    assert found[2][1] == 1


async def test_what_is_older_is_left_out_and_the_clocks_hours_count(ready: House) -> None:
    await ready.submit("One")
    await ready.deliver_due()
    assert shown(await read(ready)) == {0: (1, 0, 0, 1)}
    ready.clock.forward(23 * 3600 + 3599)
    assert shown(await read(ready)) == {23: (1, 0, 0, 1)}
    ready.clock.forward(1)
    assert shown(await read(ready)) == {}


async def test_a_try_keeps_when_it_was_due(ready: House) -> None:
    await ready.submit("Soon", scheduled_at=(START + 10 * MINUTE).isoformat())
    ready.clock.forward(12 * 60)
    await ready.deliver_due()
    hour = (await read(ready)).hours[-1]
    assert (hour.taken, hour.median, hour.latest) == (1, pytest.approx(120, abs=0.01), pytest.approx(120, abs=0.01))


@pytest.mark.parametrize(
    ("lates", "told"),
    [
        ([3.5], (1, 3.5, 3.5, 3.5)), ([4, 1], (2, 1, 4, 4)), ([1, 2, 3], (3, 2, 3, 3)),
        ([float(one) for one in range(1, 101)], (100, 50, 95, 100)), ([0.0] * 19 + [600.0], (20, 0, 0, 600)),
        ([-30.0, 2.0], (2, 0, 2, 2)),
    ],
)  # fmt: skip
async def test_lateness_is_by_nearest_rank(ready: House, lates: list[float], told: tuple[Any, ...]) -> None:
    await ready.submit("One")
    await add_tries(ready, lates, at=START - 90 * MINUTE)
    await add_tries(ready, [7_000.0], at=START - 25 * HOUR)
    await add_tries(ready, [9_000.0], at=START - 80 * MINUTE, ended="too_late")
    hour = (await read(ready)).hours[-3]
    assert hour.begins_at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    assert (hour.taken, hour.median, hour.most, hour.latest) == tuple(pytest.approx(one, abs=0.01) for one in told)
    assert [one.taken for one in (await read(ready)).hours].count(0) == 23


async def test_a_day_of_too_much_says_so(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_day, "MOST", 3)
    await ready.submit("One")
    await add_tries(ready, [1, 2], at=START)
    assert (await read(ready)).complete
    await add_tries(ready, [3, 4], at=START - HOUR)
    day = await read(ready)
    assert (day.complete, [one.taken for one in day.hours[-2:]]) == (False, [1, 2])


async def test_what_is_older_takes_no_room(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_day, "MOST", 2)
    for number in range(3):
        await ready.submit(f"Number {number}")
        await ready.deliver_due()
    assert not (await read(ready)).complete
    ready.clock.forward(25 * 3600)
    assert (await read(ready)).complete


async def test_the_index_finds_them(ready: House) -> None:
    """However many targets there ever were."""
    if ready.database.single_process:
        plan = await ready.database.read(
            lambda tx: tx.all(sa.text(
                "EXPLAIN QUERY PLAN SELECT updated_at, status FROM targets"
                " WHERE status IN ('completed', 'failed', 'unconfirmed') AND updated_at >= '2026'"))
        )  # fmt: skip
        assert "ix_targets_last_day" in str(plan)


async def test_what_is_due_and_the_last_try(ready: House) -> None:
    async def due() -> list[figures.Queue]:
        return await ready.database.read(figures.read_queues, ("scripted", "elsewhere"))

    nothing = figures.Queue("elsewhere")

    assert await ready.database.read(figures.find_last_try) is None
    await ready.submit("Now")
    await ready.submit("Later", scheduled_at=(START + HOUR).isoformat())
    assert await due() == [figures.Queue("scripted", waiting=2, due=1), nothing]
    await ready.deliver_due()
    assert await due() == [figures.Queue("scripted", waiting=1), nothing]
    assert await ready.database.read(figures.find_last_try) == START
    ready.clock.forward(3601)
    assert await due() == [figures.Queue("scripted", waiting=1, due=1, oldest_seconds=1.0), nothing]


async def test_each_queue_counts_what_stands_in_it_and_nobody_who_waits_for_a_person(ready: House) -> None:
    async def queue() -> figures.Queue:
        return (await ready.database.read(figures.read_queues, ("scripted",)))[0]

    ready.platform.after = [LOST]
    await ready.submit("Unknown")
    await ready.deliver_due()
    await ready.submit("Under lease")
    await ready.claim()
    await ready.submit("Later", scheduled_at=(START + 2 * HOUR).isoformat())
    found = await queue()
    assert (found.waiting, found.in_hand, found.unknown) == (1, 1, 1)
    asked = sa.update(targets).where(targets.c.status == "unconfirmed").values(due_at=None)
    await ready.database.write(lambda tx: tx.run(asked))
    assert (await queue()).unknown == 0
