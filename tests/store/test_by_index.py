"""What is asked again and again reads no table whole, also on an SQLite that never gathered statistics, and on a PostgreSQL
that plans a question once for any time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from hayon.domain.allowance import POSTS, Told
from hayon.store import allowances, announcing, browsing, moves, outbox, statistics, turns
from hayon.store.allowances import Near, keep_told
from hayon.store.browsing import Wanted
from hayon.store.database import Database, Tx, new_id
from hayon.store.migrate import migrate
from hayon.store.schema import accounts, posts, targets, users

NOW = datetime(2030, 5, 28, 12, tzinfo=UTC)
FEW = ("ix_posts_at_work", "ix_targets_busy", "ix_targets_lease")
"""Indexes of what is at work right now: these may be read from end to end."""


def plans_of(tx: Tx, work: Callable[[Tx], Any]) -> list[str]:
    """How SQLite finds the rows of each question that the work asks, line by line."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        work(tx)
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)
    assert asked
    plans = [tx._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values) for one, values in asked]
    return [row[3] for plan in plans for row in plan]


@pytest.mark.parametrize(
    "work",
    [
        outbox.repair_summaries,
        lambda tx: outbox.rescue(tx, lost_leases_limit=3),
        lambda tx: outbox.due_within(tx, timedelta(seconds=2)),
        lambda tx: outbox.find_lone_due(tx, ["bluesky", "mastodon"]),
        lambda tx: outbox.claim_due(tx, room={"bluesky": 5}, claim_id=new_id(NOW), lease=timedelta(minutes=1)),
        lambda tx: browsing.list_posts(tx, new_id(NOW), Wanted()),
        lambda tx: browsing.list_posts(tx, new_id(NOW), Wanted(), after=(NOW, new_id(NOW))),
        lambda tx: browsing.list_posts(tx, new_id(NOW), Wanted(since=NOW, until=NOW + timedelta(days=7))),
    ],
)  # fmt: skip
async def test_no_table_is_read_whole(tmp_path: Path, work: Callable[[Tx], Any]) -> None:
    url = f"sqlite:///{tmp_path / 'hayon.db'}"
    await migrate(url)
    database = Database(url)
    plans = await database.write(plans_of, work)
    await database.close()
    read_whole = [line for line in plans if line.startswith(("SCAN posts", "SCAN targets"))]
    assert [line for line in read_whole if not line.endswith(FEW)] == []


async def test_of_a_few_weeks_only_what_is_shown_is_read_whole(tmp_path: Path) -> None:
    """All of them are put in order by their times alone; then those that come first are looked up."""
    url = f"sqlite:///{tmp_path / 'hayon.db'}"
    await migrate(url)
    database = Database(url)
    wanted = Wanted(since=NOW, until=NOW + timedelta(days=7))
    plans = await database.read(plans_of, lambda tx: browsing.list_posts(tx, new_id(NOW), wanted))
    await database.close()
    gathered, looked_up = (
        plans.index("SCAN near"),
        plans.index("SEARCH posts USING INDEX sqlite_autoindex_posts_1 (id=?)"),
    )
    assert "USE TEMP B-TREE FOR ORDER BY" in plans[gathered:looked_up]


def lay_ahead(tx: Tx) -> UUID:
    """5,000 of one account, two minutes apart, from tomorrow on. Which."""
    now = tx.now()
    person, account, post = (new_id(now) for _ in range(3))
    tx.run(sa.insert(users).values(id=person, email="ada@example.test", created_at=now))
    told = {
        "platform": "mastodon",
        "host": "https://one.test",
        "remote_id": "1",
        "handle": "ada",
        "credential": b"",
    }
    tx.run(sa.insert(accounts).values(id=account, user_id=person, connected_at=now, **told))
    tx.run(sa.insert(posts).values(id=post, user_id=person, content={}, selected={}, created_at=now, updated_at=now))
    rows = [
        {"id": new_id(now), "post_id": post, "user_id": person, "account_id": account, "platform": "mastodon", "position": n,
         "status": "pending", "version": 1, "due_at": now + timedelta(days=1, minutes=2 * n), "idempotency_key": str(n),
         "created_at": now, "updated_at": now}
        for n in range(5_000)
    ]  # fmt: skip
    tx.run(sa.text("ALTER TABLE targets DROP CONSTRAINT uq_targets_post_id_account_id"))
    tx.run(sa.insert(targets), rows)
    return account


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        (turns._find_waiting(("mastodon",), False), 1),
        (turns._oldest(False, turns.LOOK), turns.LOOK),
        (turns._walk(False, True, turns.STEPS), 1),
    ],
    ids=["whether-anything-waits", "the-longest-waiting", "from-account-to-account"],
)  # fmt: skip
async def test_what_waits_is_found_by_index_however_it_is_planned(
    migrated_postgres_url: str, asked: sa.Executable, most: int
) -> None:
    """Planned for any time: thousands lie ahead, and for all that PostgreSQL knows a third is due. How many are looked at it
    does know."""

    def explain(tx: Tx) -> list[str]:
        made = asked.compile(dialect=tx._connection.dialect)
        given = made.params | {"platform": "mastodon", "until": NOW, "author": new_id(NOW), "account": new_id(NOW)}
        values = ", ".join(f"'{given[name]}'" for name in made.positiontup or ())
        tx.run(sa.text("SET LOCAL plan_cache_mode = force_generic_plan"))
        tx._connection.exec_driver_sql(f"PREPARE asked AS {made}")
        return [row[0] for row in tx._connection.exec_driver_sql(f"EXPLAIN EXECUTE asked({values})")]

    database = Database(migrated_postgres_url)
    await database.write(lay_ahead)
    await database.write(lambda tx: tx.run(sa.text("ANALYZE targets")))
    plan = await database.write(explain)
    await database.close()
    assert [line for line in plan if " on targets" in line], plan
    assert not [line for line in plan if "Seq Scan on targets" in line or ("Sort Key" in line and "due_at" in line)], (
        plan
    )
    looked_at = {line.split("rows=")[1].split()[0] for line in plan if "Limit " in line}
    assert looked_at == {str(most)}, plan


async def test_what_is_planned_around_a_time_is_a_range_of_whichever_index_is_taken(migrated_postgres_url: str) -> None:
    """Before there are statistics one index is as good as another for PostgreSQL; here it has only that of the account."""

    def explain(tx: Tx) -> tuple[int, list[str]]:
        account_id = lay_ahead(tx)
        keep_told(tx, {str(account_id): [Told(POSTS, 2_000, tx.now(), 2_000, 86_400)]}, tx.now())
        for other in ("ix_targets_turn", "ix_targets_due"):
            tx.run(sa.text(f"DROP INDEX {other}"))
        user_id, last = tx.run(sa.text("SELECT user_id, max(due_at) FROM targets GROUP BY user_id")).one()
        around = Near(user_id, account_id, "mastodon", last - timedelta(days=2))
        ((_, planned),) = filter(None, allowances.find_planned(tx, [around]))
        made = allowances._FIND_PLANNED.compile(dialect=tx._connection.dialect)
        given = made.params | {
            "user_id": [user_id], "account_id": [account_id], "scope": [str(account_id)], "platform": ["mastodon"],
            "since": [around.at - timedelta(days=1)], "until": [around.at + timedelta(days=1)], "but": new_id(NOW),
        }  # fmt: skip
        values = tuple(given[name] for name in made.positiontup or ())
        return planned, [row[0] for row in tx._connection.exec_driver_sql(f"EXPLAIN ANALYZE {made}", values)]

    database = Database(migrated_postgres_url)
    planned, plan = await database.write(explain)
    await database.close()
    assert planned == 2 * 720 - 1
    assert any("ix_targets_account_id_due_at on targets " in line for line in plan), plan
    passed_by = sum(int(line.split(":")[1]) for line in plan if "Rows Removed by Filter" in line)
    assert passed_by == 0, plan


async def test_what_waits_is_found_by_its_id_while_postgresql_takes_it_for_little(migrated_postgres_url: str) -> None:
    """Looked at while nothing waited; then thousands were handed in: the index of what waits seems to be empty."""

    def explain(tx: Tx) -> list[str]:
        tx.run(sa.text("ANALYZE targets"))
        lay_ahead(tx)
        tx.run(sa.text("SET LOCAL enable_seqscan = off"))
        ids = [row.id for row in tx.run(sa.text("SELECT id FROM targets ORDER BY due_at LIMIT 20"))]
        plans = []
        for asked in (outbox._NAMED, outbox._LEASE, turns._STILL, announcing._FREE, moves._LOCK_OF):
            made = asked.compile(dialect=tx._connection.dialect)
            given = made.params | {"ids": ids, "now": NOW, "until": NOW, "claiming": new_id(NOW)}
            values = tuple(given[name] for name in made.positiontup or ())
            plans += [row[0] for row in tx._connection.exec_driver_sql(f"EXPLAIN {made}", values)]
        return plans

    database = Database(migrated_postgres_url)
    plan = await database.write(explain)
    await database.close()
    taken = [line for line in plan if "pk_targets" in line or "ix_targets" in line]
    assert len(taken) == 5, plan
    assert all("pk_targets" in line for line in taken), plan


async def test_postgresql_hears_of_a_table_that_has_grown(migrated_postgres_url: str) -> None:
    def grow(tx: Tx) -> None:
        lay_ahead(tx)
        tx.run(sa.text("SELECT pg_stat_force_next_flush()"))

    database = Database(migrated_postgres_url)
    before = await database.write(statistics.bring_up_to_date)
    await database.write(grow)
    after = [await database.write(statistics.bring_up_to_date) for _ in range(2)]
    known = await database.read(
        lambda tx: tx.value(sa.text("SELECT reltuples FROM pg_class WHERE relname = 'targets'"))
    )
    await database.close()
    assert (before, after, known) == ([], [["targets"], []], 5_000)
