"""What the operator sees of all posts together, on both databases: counted, bounded, and nothing that is lost goes unseen."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
import sqlalchemy as sa

from hayon.errors import NotYet, Rejected
from hayon.store import figures
from hayon.store.database import Tx
from hayon.store.schema import targets
from tests.delivery.scripted import LOST, START, House

PLATFORMS = ("scripted", "elsewhere")


@pytest.fixture
async def ready(house: House) -> House:
    await house.connect("ann")
    return house


async def read(house: House) -> figures.Figures:
    return await house.database.read(figures.read_figures, PLATFORMS)


def told(found: figures.Figures) -> dict[str, int]:
    """Of the platform that there is; there is nothing of the other."""
    assert {count for (_, platform), count in found.unfinished.items() if platform == "elsewhere"} == {0}
    return {status: count for (status, platform), count in found.unfinished.items() if platform == "scripted"}


async def test_an_empty_house(ready: House) -> None:
    found = await read(ready)
    assert told(found) == {"pending": 0, "processing": 0, "unconfirmed": 0}
    assert (found.parked, found.unaccounted) == (0, 0)
    assert found.oldest_due_seconds == {"scripted": 0.0, "elsewhere": 0.0}
    on_postgres = not ready.database.single_process
    assert (found.oldest_transaction_seconds is not None) is on_postgres


async def test_each_unfinished_target_is_counted_where_it_stands(ready: House) -> None:
    ready.platform.after, ready.platform.preparing = [LOST], [None, Rejected("No."), NotYet("Soon.", wait_seconds=60)]
    for number in range(3):  # unconfirmed, failed, pending again
        await ready.submit(f"Number {number}")
        await ready.deliver_due()
    await ready.submit("Published")
    await ready.deliver_due()
    for number in range(3):
        await ready.submit(f"Later {number}", scheduled_at=(START + timedelta(days=2)).isoformat())
    await ready.submit("Under lease")
    await ready.claim()
    found = await read(ready)
    assert told(found) == {"pending": 4, "processing": 1, "unconfirmed": 1}
    assert (found.parked, found.unaccounted) == (1, 0)


async def test_the_oldest_due_target_tells_how_late_we_are(ready: House) -> None:
    await ready.submit("First")
    ready.clock.forward(40)
    await ready.submit("Second")
    ready.clock.forward(2)
    assert (await read(ready)).oldest_due_seconds == {"scripted": 42.0, "elsewhere": 0.0}
    assert await ready.deliver_due()
    while await ready.deliver_due():
        pass
    assert (await read(ready)).oldest_due_seconds["scripted"] == 0.0


async def test_what_is_scheduled_is_not_late(ready: House) -> None:
    await ready.submit("Later", scheduled_at=(START + timedelta(hours=1)).isoformat())
    ready.clock.forward(3599)
    assert (await read(ready)).oldest_due_seconds["scripted"] == 0.0


async def test_a_post_of_which_nothing_became_is_found(ready: House) -> None:
    """It cannot happen; here it is made to happen."""
    _, lost, strange, _ = [await ready.submit(text) for text in ("Kept", "Lost", "Strange", "Kept, too")]

    def spoil(tx: Tx) -> None:
        tx.run(sa.delete(targets).where(targets.c.post_id == lost))
        tx.run(sa.update(targets).where(targets.c.post_id == strange).values(status="vanished"))

    await ready.database.write(spoil)
    assert set(await ready.database.read(figures.find_unaccounted, START)) == {strange, lost}
    assert (await read(ready)).unaccounted == 2
    ready.clock.forward(timedelta(days=1, seconds=1).total_seconds())
    assert (await read(ready)).unaccounted == 0  # the audit is of the last day


async def test_drafts_are_not_accepted_yet(ready: House) -> None:
    await ready.submit("A draft", draft=True)
    assert (await read(ready)).unaccounted == 0


async def test_counts_are_bounded(ready: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST", 3)
    for number in range(5):
        await ready.submit(f"Number {number}")
    assert told(await read(ready))["pending"] == 3
    assert len(await ready.database.read(figures.find_unaccounted, START, 2)) == 0


async def test_an_old_transaction_is_seen(ready: House) -> None:
    """On PostgreSQL; SQLite has one writer, which is never left open."""
    if ready.database.single_process:
        assert (await read(ready)).oldest_transaction_seconds is None
        return
    plain = ready.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    other = await asyncpg.connect(plain)
    try:
        await other.execute("BEGIN")
        await other.execute("SELECT 1")
        await asyncio.sleep(0.2)
        found = (await read(ready)).oldest_transaction_seconds
        assert found is not None
        assert found >= 0.2
    finally:
        await other.close()
