"""What is asked again and again reads no table whole, also on an SQLite that never gathered statistics."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from hayon.store import browsing, outbox
from hayon.store.browsing import Wanted
from hayon.store.database import Database, Tx, new_id
from hayon.store.migrate import migrate

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
