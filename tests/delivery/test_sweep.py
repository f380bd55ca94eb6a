"""What the sweep does in each pass, beside what it fails and takes back: in its order, and from where the last one ended."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hayon.delivery.relay import Relay
from hayon.errors import DatabaseUnreachable
from hayon.store import outbox, statistics
from hayon.store.database import Tx
from hayon.store.schema import accounts
from hayon.store.wakeups import Wakeups
from tests.delivery.scripted import House, open_house


@pytest.fixture
async def on_postgres(migrated_postgres_url: str) -> AsyncIterator[House]:
    async with open_house(migrated_postgres_url) as house:
        yield house


def sweeping(house: House, url: str) -> Relay:
    return Relay(
        house.database, Wakeups(url), look_ahead=timedelta(seconds=2), poll=timedelta(seconds=1),
        sweep_every=timedelta(seconds=5), lease=house.times.lease, lost_leases_limit=3,
    )  # fmt: skip


async def test_it_goes_on_looking_where_it_ended(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    def repair(tx: Tx, onward: Any = None) -> outbox.Repaired:
        begun.append(onward)
        return outbox.Repaired(0, None if len(begun) == 3 else (tx.now(), house.user_id))

    monkeypatch.setattr(outbox, "repair_summaries", repair)
    relay = sweeping(house, database_url)
    for _ in range(4):
        await relay.sweep_once()
    assert [one and one[1] for one in begun] == [None, house.user_id, house.user_id, None]


async def test_statistics_that_cannot_be_had_keep_nothing_else_back(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_tx: Tx) -> list[str]:
        raise DatabaseUnreachable("It took too long.")

    ann = await house.connect("ann")
    gone = sa.update(accounts).values(disconnected_at=house.clock.now)
    await house.database.write(lambda tx: tx.run(gone))
    monkeypatch.setattr(statistics, "bring_up_to_date", fail)
    with pytest.raises(DatabaseUnreachable):
        await sweeping(house, database_url).sweep_once()
    kept = sa.select(accounts.c.credential).where(accounts.c.id == ann.id)
    assert await house.database.read(lambda tx: tx.value(kept)) == b""


async def test_postgresql_hears_from_it_of_a_table_that_has_changed(
    on_postgres: House, migrated_postgres_url: str
) -> None:
    def change(tx: Tx) -> None:
        for _ in range(statistics.SLIGHT + 2):
            tx.run(sa.text("UPDATE targets SET message = 'Changed.'"))
        tx.run(sa.text("SELECT pg_stat_force_next_flush()"))

    house = on_postgres
    await house.connect("ann")
    await house.submit()
    await house.database.write(change)
    await sweeping(house, migrated_postgres_url).sweep_once()
    known = sa.text("SELECT reltuples FROM pg_class WHERE relname = 'targets'")
    assert await house.database.read(lambda tx: tx.value(known)) == 1
